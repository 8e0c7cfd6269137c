//! The log for us: a file that is rotated by day, never the terminal (the screen would be torn).
//!
//! Every line passes the redactor, so that a key that slipped into an error cannot reach the disk. Prompts and tool
//! outputs are logged at level `trace` only. Keys that come to be known later, from the setup screen or by the user's word, are
//! removed from then on ([`start`] again, or [`also_remove`]); none is ever forgotten.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{LazyLock, PoisonError, RwLock};

use tracing_appender::rolling::{Builder, RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::secret::Redactor;

/// Days that are kept.
const KEEP: usize = 7;

/// Starts logging into `folder`. `filter` is a `tracing` directive such as `okcvm=debug`; nothing but warnings is
/// written without one. A second call in the same process only adds its keys. The folder is closed to others.
pub fn start(folder: &Path, filter: Option<&str>, redactor: &Redactor) -> io::Result<()> {
    also_remove(redactor);
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    let appender = Builder::new()
        .rotation(Rotation::DAILY)
        .filename_prefix("okcvm")
        .filename_suffix("log")
        .max_log_files(KEEP)
        .build(folder)
        .map_err(io::Error::other)?;
    close_files(folder)?;
    let filter = filter.and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new("warn"));
    // An error means that a subscriber is set already, as in tests of the library: theirs stays.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Clean { appender, keys: &KEYS })
        .try_init();
    Ok(())
}

/// The keys that are removed from every line.
static KEYS: LazyLock<RwLock<Redactor>> = LazyLock::new(RwLock::default);

/// Removes these keys too, from now on.
pub fn also_remove(redactor: &Redactor) {
    let mut keys = KEYS.write().unwrap_or_else(PoisonError::into_inner);
    *keys = keys.and(redactor);
}

/// The text without any key that is known.
pub fn redact(text: &str) -> String {
    KEYS.read().unwrap_or_else(PoisonError::into_inner).redact(text).into_owned()
}

/// The appender makes its files readable for all; those of another day are made in a folder that is closed.
fn close_files(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            std::fs::set_permissions(entry.path(), Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// Makes a writer for each line, as `tracing-subscriber` wants it.
struct Clean {
    appender: RollingFileAppender,
    keys: &'static RwLock<Redactor>,
}

impl<'a> MakeWriter<'a> for Clean {
    type Writer = CleanLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        CleanLine { out: self.appender.make_writer(), keys: self.keys }
    }
}

/// Redacts what is written in one call; the formatter writes whole lines.
struct CleanLine<'a> {
    out: <RollingFileAppender as MakeWriter<'a>>::Writer,
    keys: &'static RwLock<Redactor>,
}

impl Write for CleanLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.out.write_all(keys.redact(&text).as_bytes())?;
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
    fn a_key_does_not_reach_the_log_whenever_it_came_to_be_known() {
        let folder = tempfile::tempdir().expect("folder");
        let appender = Builder::new().rotation(Rotation::NEVER).filename_prefix("okcvm").build(folder.path());
        let clean = Clean { appender: appender.expect("appender"), keys: &KEYS };
        also_remove(&Redactor::new([Secret::new("sk-secret")]));
        clean.make_writer().write_all(b"refused: sk-secret\n").expect("write");
        also_remove(&Redactor::new([Secret::new("sk-later")]));
        clean.make_writer().write_all(b"refused: sk-secret sk-later\n").expect("write");
        let file = std::fs::read_dir(folder.path()).expect("list").next().expect("a file").expect("entry").path();
        let told = std::fs::read_to_string(file).expect("read");
        assert_eq!(told, "refused: [key removed]\nrefused: [key removed] [key removed]\n");
    }

    #[test]
    fn the_log_is_closed_to_others() {
        let folder = tempfile::tempdir().expect("folder");
        let log = folder.path().join("log");
        std::fs::create_dir(&log).expect("folder");
        std::fs::write(log.join("okcvm.old.log"), "old").expect("file");
        start(&log, None, &Redactor::default()).expect("start");
        let mode = |path: &Path| std::fs::metadata(path).expect("facts").permissions().mode() & 0o777;
        assert_eq!(mode(&log), 0o700);
        let files: Vec<_> = std::fs::read_dir(&log).expect("list").flatten().collect();
        assert!(files.len() == 2 && files.iter().all(|file| mode(&file.path()) == 0o600), "{files:?}");
    }
}
