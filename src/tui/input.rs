//! Where keys come from: the terminal, or a test.

use std::collections::VecDeque;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

mod answers;
mod keys;

use super::picture::TerminalAnswer;

/// Keys closer together than this arrived together: typed by nobody.
const TOGETHER: Duration = Duration::from_millis(1);
/// Inputs that are handed over at once.
const BATCH: usize = 4096;

/// Something that the user or the terminal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted, whole.
    Paste(String),
    /// The terminal has another size; the next frame asks for it.
    Resize,
    /// The terminal has answered what it was asked, or has not for so long that nothing more is awaited.
    Answer(TerminalAnswer),
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

/// The terminal: keys from a thread of its own, the size from SIGWINCH.
///
/// Not `EventStream`: with its default source a key that comes together with a change of the size stays unread until
/// the next key (readiness is told once and dropped), and a terminal that hangs up keeps a core busy. Here `poll(2)` is
/// asked anew each time, so nothing that is there can be overlooked.
#[derive(Debug)]
pub struct TerminalSource {
    reader: Option<Reader>,
    resized: Option<Signal>,
    /// What arrived together and was not asked for yet.
    waiting: VecDeque<Input>,
}

impl TerminalSource {
    /// Starts to read the terminal. Within a Tokio runtime.
    pub fn new() -> Self {
        Self::start(false)
    }

    /// The same for a terminal that is about to be asked something: its answer comes as [`Input::Answer`].
    pub fn asking() -> Self {
        Self::start(true)
    }

    fn start(asks: bool) -> Self {
        // Without the signal the size is still looked up with each frame.
        let resized = signal(SignalKind::window_change()).ok();
        Self { reader: Some(Reader::start(asks)), resized, waiting: VecDeque::new() }
    }
}

impl Default for TerminalSource {
    fn default() -> Self {
        Self::new()
    }
}

impl EventSource for TerminalSource {
    async fn next(&mut self) -> Input {
        loop {
            if let Some(input) = self.waiting.pop_front() {
                return input;
            }
            let resized = async {
                match &mut self.resized {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            let read = async {
                match &mut self.reader {
                    Some(reader) => reader.batches.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(()) = resized => return Input::Resize,
                batch = read => match batch {
                    Some(batch) => self.waiting.extend(batch),
                    None => return Input::Ended,
                },
            }
        }
    }

    fn release(&mut self) {
        self.reader = None;
    }

    fn reclaim(&mut self) {
        self.reader = Some(Reader::start(false));
    }
}

/// The thread that reads the keys; dropping it ends the thread before the next reader begins.
#[derive(Debug)]
struct Reader {
    batches: mpsc::UnboundedReceiver<Vec<Input>>,
    /// Closed to end the thread.
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(asks: bool) -> Self {
        let (send, batches) = mpsc::unbounded_channel();
        let started =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from).and_then(|(end, stop)| {
                let body = move || read_keys(&end, &send, asks);
                Ok((stop, std::thread::Builder::new().name("okcvm-keys".to_owned()).spawn(body)?))
            });
        // Without the thread the channel is closed, which reads as the end of the terminal.
        match started {
            Ok((stop, thread)) => Self { batches, stop: Some(stop), thread: Some(thread) },
            Err(error) => {
                tracing::error!(%error, "the keys cannot be read");
                Self { batches, stop: None, thread: None }
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Looks in vain, after which no key is left in crossterm's own buffer.
const LOOKS: u32 = 3;

/// Reads keys until told to stop or until the terminal is gone; where it is asked something, its answer comes first.
fn read_keys(stop: &OwnedFd, send: &mpsc::UnboundedSender<Vec<Input>>, asks: bool) {
    let stdin = rustix::stdio::stdin();
    // As crossterm chooses it.
    let other = if rustix::termios::isatty(stdin) { None } else { std::fs::File::open("/dev/tty").ok() };
    let tty = other.as_ref().map_or(stdin, AsFd::as_fd);
    if asks && !answers::listen(tty, stop, send) {
        return;
    }
    loop {
        let mut fds = [PollFd::new(&tty, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        match rustix::event::poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        if !fds[1].revents().is_empty() || !fds[0].revents().contains(PollFlags::IN) {
            return;
        }
        // Hung up and read to its end: input is told as ready for ever, and nothing comes.
        // A terminal that cannot even say how much there is has gone, too.
        let hung_up = fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR);
        if hung_up && rustix::io::ioctl_fionread(tty).map_or(true, |count| count == 0) {
            return;
        }
        // crossterm looks at what it has taken in already only while there is time left; on a busy machine the time may
        // be over before it looks, and poll(2) knows nothing of those keys. So it is asked again.
        let mut quiet = 0;
        while quiet < LOOKS {
            let Some(batch) = read_batch() else { return };
            quiet = if batch.is_empty() { quiet + 1 } else { 0 };
            let batch = if asks { answers::without_late(batch) } else { batch };
            if !batch.is_empty() && send.send(batch).is_err() {
                return;
            }
        }
    }
}

/// Everything that arrived together; `None` when the terminal cannot be read.
fn read_batch() -> Option<Vec<Input>> {
    let mut batch = Vec::new();
    while batch.len() < BATCH && event::poll(TOGETHER).ok()? {
        batch.extend(match event::read().ok()? {
            TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => Some(Input::Key(key)),
            TerminalEvent::Paste(text) => Some(Input::Paste(text)),
            // Its size is told by the signal.
            _ => None,
        });
    }
    Some(batch)
}

/// Joins what looks like a paste of a terminal without bracketed paste: a line break with more text right behind it,
/// in inputs that arrived together. Typing never looks so, and a line break at the end stays a key, so that a script may
/// write a message and Enter at once. Where all of it is text (`writes`), a long run of characters is one, too: what takes
/// time for each key takes it once.
pub fn mend_pastes(inputs: Vec<Input>, writes: bool) -> Vec<Input> {
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
    if writes { join_runs(mended) } else { mended }
}

/// Makes one paste of each long run of characters.
fn join_runs(inputs: Vec<Input>) -> Vec<Input> {
    let mut joined = Vec::with_capacity(inputs.len());
    let mut run = String::new();
    // The keys of the run, as long as it may stay short.
    let mut keys = Vec::new();
    let end = |run: &mut String, keys: &mut Vec<Input>, joined: &mut Vec<Input>| {
        if keys.len() > LONGEST_RUN {
            joined.push(Input::Paste(std::mem::take(run)));
            keys.clear();
        }
        run.clear();
        joined.append(keys);
    };
    for input in inputs {
        let c = if let Input::Key(key) = &input { text_of(key) } else { None };
        if let Some(c) = c {
            run.push(c);
            keys.push(input);
        } else {
            end(&mut run, &mut keys, &mut joined);
            joined.push(input);
        }
    }
    end(&mut run, &mut keys, &mut joined);
    joined
}

/// Characters that come together and stay keys.
const LONGEST_RUN: usize = 256;

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
        let mended = mend_pastes(keys("ab\ncd\n"), true);
        assert_eq!(mended[..2], keys("ab")[..]);
        assert_eq!(mended[2..], [Input::Paste("\ncd\n".to_owned())]);
    }

    #[test]
    fn a_long_burst_is_one_insert_where_text_is_written() {
        let long = "x".repeat(LONGEST_RUN + 1);
        let burst = keys(&format!("{long}\n"));
        let mended = mend_pastes(burst.clone(), true);
        assert_eq!(mended, [&[Input::Paste(long)], &keys("\n")[..]].concat());
        assert_eq!(mend_pastes(burst.clone(), false), burst, "elsewhere a key that repeats is a key");
    }

    #[test]
    fn a_message_and_enter_stay_keys() {
        assert_eq!(mend_pastes(keys("hello\n"), true), keys("hello\n"));
        assert_eq!(mend_pastes(keys("\n"), true), keys("\n"));
    }
}
