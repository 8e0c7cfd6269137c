//! The program in a pseudo terminal whose screen a test can read: no sleeps, every wait has a deadline.

use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::home::TestHome;

/// How long a test waits for something to show before it fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a size of at least one cell")
}

/// A running program and the screen that it draws.
pub struct Terminal {
    parser: vt100::Parser,
    bytes: mpsc::Receiver<Vec<u8>>,
    /// Everything the program wrote, for tests on the bytes themselves.
    pub written: Vec<u8>,
    keys: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl Terminal {
    /// Starts the program in a terminal of this size.
    pub fn start(home: &TestHome, args: &[&str], columns: u16, rows: u16) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_okcvm"));
        command.args(args);
        Self::start_command(home, command, columns, rows)
    }

    /// Starts any program in a terminal of this size, in the home's environment.
    pub fn start_command(home: &TestHome, mut command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("pseudo terminal");
        command.env_clear();
        command.cwd(home.path());
        for (name, value) in home.env() {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("reader");
        let keys = pair.master.take_writer().expect("writer");
        let (send, bytes) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 || send.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            parser: vt100::Parser::new(cells(rows), cells(columns), 0),
            bytes,
            written: Vec::new(),
            keys,
            master: pair.master,
            child,
        }
    }

    /// Types keys as bytes, such as `hello\r` or `\x1b`.
    pub fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("keys");
        self.keys.flush().expect("keys");
    }

    /// Changes the size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).expect("resize");
        self.parser.screen_mut().set_size(cells(rows), cells(columns));
    }

    /// The screen as text, one line a row.
    pub fn screen(&mut self) -> String {
        self.drain();
        self.parser.screen().contents()
    }

    /// The parsed screen, for colours and the cursor.
    pub fn parsed(&mut self) -> &vt100::Screen {
        self.drain();
        self.parser.screen()
    }

    fn drain(&mut self) {
        while let Ok(chunk) = self.bytes.try_recv() {
            self.take(&chunk);
        }
    }

    fn take(&mut self, chunk: &[u8]) {
        self.written.extend_from_slice(chunk);
        self.parser.process(chunk);
    }

    /// Waits until the screen satisfies a condition; fails with the screen otherwise.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut condition: impl FnMut(&str) -> bool) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return screen;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}; the screen is:\n{screen}");
            match self.bytes.recv_timeout(left) {
                Ok(chunk) => self.take(&chunk),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let screen = self.parser.screen().contents();
                    assert!(condition(&screen), "the program ended before {what}; the screen is:\n{screen}");
                    return screen;
                }
            }
        }
    }

    /// Waits until this text is on the screen.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        self.wait_until(&format!("{text:?}"), |screen| screen.contains(text))
    }

    /// Waits until the program has written these bytes so many times, such as a sequence that is no text.
    #[track_caller]
    pub fn wait_written(&mut self, bytes: &str, times: usize) {
        let end = Instant::now() + DEADLINE;
        loop {
            self.drain();
            if String::from_utf8_lossy(&self.written).matches(bytes).count() >= times {
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{bytes:?} was not written {times} times");
            if let Ok(chunk) = self.bytes.recv_timeout(left) {
                self.take(&chunk);
            }
        }
    }

    /// Waits until this text is no longer on the screen.
    #[track_caller]
    pub fn wait_gone(&mut self, text: &str) -> String {
        self.wait_until(&format!("{text:?} to go"), |screen| !screen.contains(text))
    }

    /// Waits for the program's end and gives its exit code; what it wrote last is read too.
    #[track_caller]
    pub fn wait_exit(&mut self) -> u32 {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left.min(Duration::from_millis(50))) {
                Ok(chunk) => self.take(&chunk),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if let Some(status) = self.child.try_wait().expect("status") {
                // What it wrote last may still be on its way through the reading thread, which ends with the terminal.
                while let Ok(chunk) = self.bytes.recv_timeout(Duration::from_secs(5)) {
                    self.take(&chunk);
                }
                return status.exit_code();
            }
            assert!(!left.is_zero(), "the program did not end; the screen is:\n{}", self.parser.screen().contents());
        }
        self.child.wait().expect("status").exit_code()
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a running program")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only what a failed test left running; an ended child is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
