//! Where keys come from: the terminal, or a test.

use std::future::Future;

use futures::StreamExt as _;
use ratatui::crossterm::event::{Event as TerminalEvent, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

/// Something that the user or the terminal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted, whole.
    Paste(String),
    /// The terminal has another size: columns, rows.
    Resize(u16, u16),
    /// The terminal is gone.
    Ended,
}

/// A source of [`Input`].
pub trait EventSource {
    /// The next input. Safe to drop while waiting.
    fn next(&mut self) -> impl Future<Output = Input> + Send;
    /// Stops reading the terminal, so that another program can. A source that is only idle would still take the first
    /// keys that are meant for that program, because its reader sits in a thread of its own.
    fn release(&mut self) {}
    /// Reads the terminal again.
    fn reclaim(&mut self) {}
}

/// The terminal.
#[derive(Debug, Default)]
pub struct TerminalSource {
    stream: Option<EventStream>,
}

impl TerminalSource {
    /// Starts to read the terminal.
    pub fn new() -> Self {
        Self { stream: Some(EventStream::new()) }
    }
}

impl EventSource for TerminalSource {
    async fn next(&mut self) -> Input {
        let Some(stream) = &mut self.stream else {
            return std::future::pending().await;
        };
        loop {
            match stream.next().await {
                Some(Ok(TerminalEvent::Key(key))) if key.kind != KeyEventKind::Release => return Input::Key(key),
                Some(Ok(TerminalEvent::Paste(text))) => return Input::Paste(text),
                Some(Ok(TerminalEvent::Resize(columns, rows))) => return Input::Resize(columns, rows),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Input::Ended,
            }
        }
    }

    fn release(&mut self) {
        self.stream = None;
    }

    fn reclaim(&mut self) {
        self.stream = Some(EventStream::new());
    }
}

/// Joins what looks like a paste of a terminal without bracketed paste: a line break with more text right behind it,
/// in inputs that arrived together. Typing never looks so, and a line break at the end stays a key, so that a script may
/// write a message and Enter at once.
pub fn mend_pastes(inputs: Vec<Input>) -> Vec<Input> {
    let is_text = |input: &Input| matches!(input, Input::Key(key) if text_of(key).is_some());
    let mut mended = Vec::with_capacity(inputs.len());
    let mut rest = inputs.into_iter().peekable();
    while let Some(input) = rest.next() {
        let Input::Key(key) = &input else {
            mended.push(input);
            continue;
        };
        if key.code != KeyCode::Enter || !key.modifiers.is_empty() || !rest.peek().is_some_and(is_text) {
            mended.push(input);
            continue;
        }
        // A paste: everything up to the next input that is no text.
        let mut text = String::from("\n");
        while let Some(c) = rest.peek().and_then(|next| match next {
            Input::Key(key) if key.code == KeyCode::Enter && key.modifiers.is_empty() => Some('\n'),
            Input::Key(key) => text_of(key),
            _ => None,
        }) {
            text.push(c);
            rest.next();
        }
        mended.push(Input::Paste(text));
    }
    mended
}

fn text_of(key: &KeyEvent) -> Option<char> {
    match key.code {
        KeyCode::Char(c) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => Some(c),
        _ => None,
    }
}

/// Inputs that a test sends.
#[derive(Debug)]
pub struct FakeSource(mpsc::UnboundedReceiver<Input>);

impl FakeSource {
    /// The source and the sender that feeds it.
    pub fn new() -> (Self, mpsc::UnboundedSender<Input>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(receiver), sender)
    }
}

impl EventSource for FakeSource {
    async fn next(&mut self) -> Input {
        self.0.recv().await.unwrap_or(Input::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<Input> {
        let code = |c| if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
        text.chars().map(|c| Input::Key(KeyEvent::new(code(c), KeyModifiers::NONE))).collect()
    }

    #[test]
    fn a_burst_with_a_line_break_inside_is_a_paste() {
        let mended = mend_pastes(keys("ab\ncd\n"));
        assert_eq!(mended[..2], keys("ab")[..]);
        assert_eq!(mended[2..], [Input::Paste("\ncd\n".to_owned())]);
    }

    #[test]
    fn a_message_and_enter_stay_keys() {
        assert_eq!(mend_pastes(keys("hello\n")), keys("hello\n"));
        assert_eq!(mend_pastes(keys("\n")), keys("\n"));
    }
}
