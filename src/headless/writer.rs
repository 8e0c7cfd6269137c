//! Output by a thread of its own.

use std::io::{self, Write};

use tokio::sync::{mpsc, oneshot};

/// A thread that writes lines as they come; its result comes when all is written or nothing more can be.
pub(super) fn writer(
    mut out: impl Write + Send + 'static,
) -> (mpsc::UnboundedSender<String>, oneshot::Receiver<io::Result<()>>) {
    let (sender, mut lines) = mpsc::unbounded_channel::<String>();
    let (done, written) = oneshot::channel();
    std::thread::spawn(move || {
        let mut write_all = || -> io::Result<()> {
            while let Some(line) = lines.blocking_recv() {
                out.write_all(line.as_bytes())?;
                // What is there already goes out together.
                while let Ok(more) = lines.try_recv() {
                    out.write_all(more.as_bytes())?;
                }
                out.flush()?;
            }
            Ok(())
        };
        // Nobody waits any more after the second Ctrl-C.
        let _ = done.send(write_all());
    });
    (sender, written)
}
