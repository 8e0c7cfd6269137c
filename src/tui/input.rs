//! Where keys come from: the terminal, or a test.

use std::future::Future;

use futures::StreamExt as _;
use ratatui::crossterm::event::{Event as TerminalEvent, EventStream, KeyEvent, KeyEventKind};
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
