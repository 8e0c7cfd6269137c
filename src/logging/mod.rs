//! The log for us: a file that is rotated by day, never the terminal (the screen would be torn).
//!
//! Every line passes the redactor, so that a key that slipped into an error cannot reach the disk. Prompts and tool
//! outputs are logged at level `trace` only.

use std::io::{self, Write};
use std::path::Path;

use tracing_appender::rolling::{Builder, RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::secret::Redactor;

/// Days that are kept.
const KEEP: usize = 7;

/// Starts logging into `folder`. `filter` is a `tracing` directive such as `okcvm=debug`; nothing but warnings is
/// written without one. A second call in the same process changes nothing.
pub fn start(folder: &Path, filter: Option<&str>, redactor: Redactor) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let appender = Builder::new()
        .rotation(Rotation::DAILY)
        .filename_prefix("okcvm")
        .filename_suffix("log")
        .max_log_files(KEEP)
        .build(folder)
        .map_err(io::Error::other)?;
    let filter = filter.and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new("warn"));
    // An error means that a subscriber is set already, as in tests of the library: theirs stays.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Clean { appender, redactor })
        .try_init();
    Ok(())
}

/// Makes a writer for each line, as `tracing-subscriber` wants it.
struct Clean {
    appender: RollingFileAppender,
    redactor: Redactor,
}

impl<'a> MakeWriter<'a> for Clean {
    type Writer = CleanLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        CleanLine { out: self.appender.make_writer(), redactor: &self.redactor }
    }
}

/// Redacts what is written in one call; the formatter writes whole lines.
struct CleanLine<'a> {
    out: <RollingFileAppender as MakeWriter<'a>>::Writer,
    redactor: &'a Redactor,
}

impl Write for CleanLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.out.write_all(self.redactor.redact(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::secret::Secret;

    #[test]
    fn a_key_does_not_reach_the_log() {
        let folder = tempfile::tempdir().expect("folder");
        let appender = Builder::new().rotation(Rotation::NEVER).filename_prefix("okcvm").build(folder.path());
        let clean =
            Clean { appender: appender.expect("appender"), redactor: Redactor::new([Secret::new("sk-secret")]) };
        clean.make_writer().write_all(b"refused: sk-secret\n").expect("write");
        let file = std::fs::read_dir(folder.path()).expect("list").next().expect("a file").expect("entry").path();
        assert_eq!(std::fs::read_to_string(file).expect("read"), "refused: [key removed]\n");
    }
}
