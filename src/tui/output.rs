//! Where frames go: the terminal, through a thread of its own, or memory.
//!
//! A terminal behind a slow link takes its time, and a write to it then waits. The screen must not, so a thread
//! writes. While it is busy no further frame is drawn: changes fold into the next one, and the frame rate follows what
//! the link can carry.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use ratatui::crossterm::terminal;
use ratatui::layout::Size;
use tokio::sync::Notify;

/// Where frames go.
pub trait Sink {
    /// The size of the screen.
    fn size(&self) -> io::Result<Size>;
    /// The size of a cell in pixels, where it is known.
    fn cell_size(&self) -> Option<(u16, u16)> {
        None
    }
    /// Takes bytes; does not wait until they are written.
    fn submit(&mut self, bytes: Vec<u8>) -> io::Result<()>;
    /// Whether earlier bytes are still being written.
    fn busy(&self) -> bool {
        false
    }
    /// Waits until nothing is being written.
    fn drained(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
    /// Puts the terminal into raw mode.
    fn enter(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Waits for pending bytes for a moment and puts the terminal back.
    fn leave(&mut self, last: &[u8]) {
        let _ = self.submit(last.to_vec());
    }
    /// Bytes taken so far.
    fn taken(&self) -> u64;
}

#[derive(Debug, Default)]
struct Pending {
    writes: AtomicUsize,
    failed: AtomicBool,
    taken: AtomicU64,
    done: Notify,
}

/// The terminal at standard output.
#[derive(Debug)]
pub struct TerminalSink {
    queue: mpsc::Sender<Vec<u8>>,
    pending: Arc<Pending>,
}

impl TerminalSink {
    /// Starts the writing thread. Fails when standard output is no terminal.
    pub fn new() -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "standard output is not a terminal"));
        }
        let (queue, frames) = mpsc::channel::<Vec<u8>>();
        let pending = Arc::new(Pending::default());
        let shared = Arc::clone(&pending);
        std::thread::Builder::new().name("okcvm-screen".to_owned()).spawn(move || {
            for frame in frames {
                let mut out = io::stdout().lock();
                if out.write_all(&frame).and_then(|()| out.flush()).is_err() {
                    shared.failed.store(true, Ordering::Release);
                }
                shared.writes.fetch_sub(1, Ordering::AcqRel);
                shared.done.notify_waiters();
            }
        })?;
        Ok(Self { queue, pending })
    }
}

impl Sink for TerminalSink {
    fn size(&self) -> io::Result<Size> {
        // Not crossterm's: it opens /dev/tty each time, and this is asked once a frame.
        let (width, height) = match rustix::termios::tcgetwinsize(rustix::stdio::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => terminal::size()?,
        };
        Ok(Size { width, height })
    }

    fn cell_size(&self) -> Option<(u16, u16)> {
        let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
        let width = size.ws_xpixel.checked_div(size.ws_col)?;
        let height = size.ws_ypixel.checked_div(size.ws_row)?;
        (width > 1 && height > 1).then_some((width, height))
    }

    fn submit(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        if self.pending.failed.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone"));
        }
        self.pending.taken.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.pending.writes.fetch_add(1, Ordering::AcqRel);
        self.queue.send(bytes).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the screen's writer has ended"))
    }

    fn busy(&self) -> bool {
        self.pending.writes.load(Ordering::Acquire) > 0
    }

    async fn drained(&self) {
        loop {
            let done = self.pending.done.notified();
            tokio::pin!(done);
            // Registered before the look, so that an end between both is not missed.
            done.as_mut().enable();
            if !self.busy() {
                return;
            }
            done.await;
        }
    }

    fn enter(&mut self) -> io::Result<()> {
        super::terminal::claim();
        terminal::enable_raw_mode()
    }

    fn leave(&mut self, last: &[u8]) {
        // A panic has put it back already, and its report stands there.
        if !super::terminal::release() {
            return;
        }
        let _ = self.submit(last.to_vec());
        // A link that hangs must not keep the program: half a second, then the terminal is put back anyway.
        for _ in 0..100 {
            if !self.busy() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let _ = terminal::disable_raw_mode();
    }

    fn taken(&self) -> u64 {
        self.pending.taken.load(Ordering::Relaxed)
    }
}

/// A screen in memory, for tests and benches. Clones share it.
#[derive(Debug, Clone)]
pub struct MemorySink(Arc<Mutex<Memory>>, Arc<Notify>);

#[derive(Debug)]
struct Memory {
    size: Size,
    bytes: Vec<u8>,
}

impl MemorySink {
    /// A screen of this many columns and rows.
    pub fn new(width: u16, height: u16) -> Self {
        let memory = Memory { size: Size { width, height }, bytes: Vec::new() };
        Self(Arc::new(Mutex::new(memory)), Arc::new(Notify::new()))
    }

    /// Everything that was written.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes.clone()
    }

    /// Waits until something was written since the last call.
    pub async fn written(&self) {
        self.1.notified().await;
    }

    /// Gives it another size, as a window would get.
    pub fn resize(&self, width: u16, height: u16) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size = Size { width, height };
    }
}

impl Sink for MemorySink {
    fn size(&self) -> io::Result<Size> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).size)
    }

    fn submit(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes.extend_from_slice(&bytes);
        self.1.notify_one();
        Ok(())
    }

    fn taken(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes.len() as u64
    }
}
