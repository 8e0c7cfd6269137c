//! Takes the terminal over and gives it back, whatever happens in between.
//!
//! On: alternate screen, bracketed paste. Never on: mouse capture (it takes away the terminal's own selection) and
//! keyboard enhancement (a program that dies with it on leaves a keyboard that no shell understands).

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ratatui::layout::{Rect, Size};
use ratatui::{Frame, Terminal};

use super::TuiError;
use super::frugal::FrugalBackend;
use super::output::{Sink, TerminalSink};
use super::picture::Pictures;

/// Alternate screen, bracketed paste; the wheel is not turned into arrow keys, which would walk through the history.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?1007s\x1b[?1007l";
/// Ends whatever sequence was cut off (CAN), then: synchronized update off, margins and pen reset, paste mode off, cursor
/// shown, the wheel as it was (on, where the terminal has not kept it), normal screen.
const LEAVE: &[u8] = b"\x18\x1b[?2026l\x1b[r\x1b[m\x1b[?2004l\x1b[?25h\x1b[?1007h\x1b[?1007r\x1b[?1049l";

/// Hash of the thread that holds the terminal; zero when nobody does.
static HOLDER: AtomicU64 = AtomicU64::new(0);

fn this_thread() -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    std::thread::current().id().hash(&mut hasher);
    hasher.finish() | 1
}

/// Notes that this thread holds the terminal.
pub(super) fn claim() {
    HOLDER.store(this_thread(), Ordering::Release);
}

/// Notes that nobody holds it; `false` when it has been put back already, by a panic.
pub(super) fn release() -> bool {
    HOLDER.swap(0, Ordering::AcqRel) != 0
}

/// Puts the terminal back from anywhere, if it is taken over.
pub fn restore() {
    if release() {
        // Past the lock of standard output: the screen's writer may hold it, waiting for a slow link.
        let _ = rustix::io::write(rustix::stdio::stdout(), LEAVE);
        let _ = ratatui::crossterm::terminal::disable_raw_mode();
    }
}

/// Makes a panic put the terminal back before it is reported. To be called after color-eyre's own hook is installed.
///
/// A panic of another thread than the screen's ends that thread's work only (the screen learns of it when the engine's
/// channel closes): it goes to the log, since a report on top of the screen would be read by nobody.
pub fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let holder = HOLDER.load(Ordering::Acquire);
            if holder != 0 && holder != this_thread() {
                tracing::error!(panic = %info, "a background thread panicked");
                return;
            }
            restore();
            previous(info);
        }));
    });
}

/// The terminal, taken over. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Screen<S: Sink> {
    terminal: Terminal<FrugalBackend<S>>,
    entered: bool,
}

impl Screen<TerminalSink> {
    /// Takes the terminal over.
    pub fn open() -> Result<Self, TuiError> {
        install_panic_hook();
        let sink = TerminalSink::new().map_err(TuiError::Terminal)?;
        Self::with_sink(sink).inspect_err(|_| restore())
    }
}

impl<S: Sink> Screen<S> {
    /// A screen that writes to `sink`.
    pub fn with_sink(mut sink: S) -> Result<Self, TuiError> {
        sink.enter().map_err(TuiError::Terminal)?;
        sink.submit(ENTER.to_vec()).map_err(TuiError::Terminal)?;
        let backend = FrugalBackend::new(sink).map_err(TuiError::Terminal)?;
        let terminal = Terminal::new(backend).map_err(TuiError::Terminal)?;
        Ok(Self { terminal, entered: true })
    }

    /// Says whether the terminal takes links (OSC 8).
    #[must_use]
    pub fn links(mut self, links: bool) -> Self {
        self.terminal.backend_mut().set_links(links);
        self
    }

    /// Says where the terminal's own pictures come from.
    #[must_use]
    pub fn pictures(mut self, pictures: Pictures) -> Self {
        self.terminal.backend_mut().set_pictures(pictures);
        self
    }

    /// When a picture that has just moved is to be looked at again.
    pub fn settles_at(&self) -> Option<Instant> {
        self.terminal.backend().settles_at()
    }

    /// The size of a cell in pixels, where it is known.
    pub fn cell_size(&self) -> Option<(u16, u16)> {
        self.terminal.backend().sink().cell_size()
    }

    /// The size that the next frame will have.
    pub fn size(&self) -> Size {
        self.terminal.size().unwrap_or(Size { width: 80, height: 24 })
    }

    /// Draws a frame: `prepare` is told the area, then `draw` draws.
    pub fn draw<T>(
        &mut self,
        state: &mut T,
        prepare: impl FnOnce(&mut T, Rect),
        draw: impl FnOnce(&T, &mut Frame<'_>),
    ) -> Result<(), TuiError> {
        self.terminal.autoresize().map_err(TuiError::Terminal)?;
        let area = self.terminal.get_frame().area();
        prepare(state, area);
        self.terminal.draw(|frame| draw(state, frame)).map_err(TuiError::Terminal)?;
        Ok(())
    }

    /// Whether earlier frames are still on their way.
    pub fn busy(&self) -> bool {
        self.terminal.backend().sink().busy()
    }

    /// Waits until earlier frames are written.
    pub fn drained(&self) -> impl Future<Output = ()> + Send + use<'_, S> {
        self.terminal.backend().sink().drained()
    }

    /// Forgets what the terminal shows, so that the next frame draws everything.
    pub fn forget(&mut self) {
        self.terminal.backend_mut().forget();
    }

    /// Writes bytes that are no frame, such as a clipboard sequence.
    pub fn write(&mut self, bytes: Vec<u8>) -> Result<(), TuiError> {
        self.terminal.backend_mut().sink_mut().submit(bytes).map_err(TuiError::Terminal)
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.terminal.backend().sink().taken()
    }

    /// Gives the terminal to another program for a while.
    pub fn suspend(&mut self) {
        if std::mem::take(&mut self.entered) {
            self.terminal.backend_mut().take_pictures_away();
            self.terminal.backend_mut().sink_mut().leave(LEAVE);
        }
    }

    /// Takes it back.
    pub fn resume(&mut self) -> Result<(), TuiError> {
        if !self.entered {
            let sink = self.terminal.backend_mut().sink_mut();
            sink.enter().map_err(TuiError::Terminal)?;
            sink.submit(ENTER.to_vec()).map_err(TuiError::Terminal)?;
            self.entered = true;
            self.forget();
        }
        Ok(())
    }
}

impl<S: Sink> Drop for Screen<S> {
    fn drop(&mut self) {
        self.suspend();
    }
}
