//! Reads a small text file without trusting it to be one.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// More than any configuration needs.
const LARGEST: u64 = 1 << 20;

/// What a path holds.
pub(super) enum Text {
    /// Nothing.
    Missing,
    /// A file that is no text of ours.
    Odd { line: Option<usize>, message: String },
    /// A text, with the permission bits of its file.
    Whole { text: String, mode: u32 },
}

/// Reads a file of at most 1 MiB. A pipe, a device or a folder at the path is told and never waited for.
pub(super) fn read_text(path: &Path) -> io::Result<Text> {
    read_text_up_to(path, LARGEST)
}

/// The same for a file of at most `largest` bytes.
pub(super) fn read_text_up_to(path: &Path, largest: u64) -> io::Result<Text> {
    let without_waiting = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(without_waiting).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Text::Missing);
        }
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let odd = |line, message: &str| Ok(Text::Odd { line, message: message.to_owned() });
    if !metadata.is_file() {
        return odd(None, "is not a file");
    }
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return odd(None, &format!("is larger than {} KiB", largest >> 10));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Text::Whole { text, mode: metadata.mode() & 0o7777 }),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = String::from_utf8_lossy(valid).matches('\n').count() + 1;
            odd(Some(line), "is not UTF-8 text")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_file_is_told_at_once() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        assert!(matches!(read_text(&at("none")), Ok(Text::Missing)));
        assert!(matches!(read_text(folder.path()), Ok(Text::Odd { line: None, .. })));
        std::fs::write(at("latin1"), b"a: 1\nb: \xe9\n").expect("write");
        assert!(matches!(read_text(&at("latin1")), Ok(Text::Odd { line: Some(2), .. })));
        let pipe = at("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("pipe");
        assert!(matches!(read_text(&pipe), Ok(Text::Odd { line: None, .. })));
        std::fs::write(at("big"), vec![b'a'; 1 << 21]).expect("write");
        assert!(matches!(read_text(&at("big")), Ok(Text::Odd { line: None, .. })));
    }
}
