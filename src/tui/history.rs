//! The file of messages sent before, and private files for the editor.
//!
//! One JSON string a line, so that a message of several lines is one entry and a torn line costs only itself. Only the
//! owner may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes that are read from the file's end.
const READ: u64 = 512 * 1024;
/// A message above this size is not remembered.
const LONGEST: usize = 64 * 1024;

/// The messages of the file, oldest first; none when it cannot be read.
pub fn read(file: &Path) -> Vec<String> {
    let Ok(mut file) = File::open(file) else { return Vec::new() };
    let size = file.metadata().map_or(0, |meta| meta.len());
    let mut bytes = Vec::new();
    let from = size.saturating_sub(READ);
    if file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut bytes)).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    // A cut first line is no JSON string and drops out by itself.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Adds a message.
pub fn append(file: &Path, text: &str) -> io::Result<()> {
    if text.trim().is_empty() || text.len() > LONGEST {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut line = serde_json::to_string(text)?;
    line.push('\n');
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
    file.write_all(line.as_bytes())
}

/// A new file that only the owner can read, in the folder for temporary files.
pub fn private_file(bytes: &[u8]) -> io::Result<PathBuf> {
    let name = format!("okcvm-{}.md", uuid::Uuid::new_v4().simple());
    let path = std::env::temp_dir().join(name);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
    file.write_all(bytes)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn messages_come_back_whole_and_in_order() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("state/history.jsonl");
        assert!(read(&file).is_empty());
        append(&file, "first").expect("written");
        append(&file, "second\nwith a line and \"quotes\"").expect("written");
        append(&file, "  ").expect("ignored");
        fs::OpenOptions::new().append(true).open(&file).expect("file").write_all(b"\"torn").expect("written");
        assert_eq!(read(&file), ["first", "second\nwith a line and \"quotes\""]);
        let mode = fs::metadata(&file).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
