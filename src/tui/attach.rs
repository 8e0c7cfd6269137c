//! Files of the host that are to go along with a message: how their paths are written, and what is known of them.
//!
//! Everything that looks at the disk here is called on a thread of its own.

use std::path::{Path, PathBuf};

use crate::protocol::Attachment;
use crate::support::{sanitize, truncate};

/// A file or folder that waits for the message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Where it is.
    pub path: PathBuf,
    /// Its name, clean; a folder's ends with a slash.
    pub name: String,
    /// Regular files in it.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Pending {
    /// `data/  12 files, 3.0 MiB`.
    pub fn words(&self) -> String {
        let size = truncate::bytes(self.bytes);
        match (self.name.ends_with('/'), self.files) {
            (false, _) => format!("{}  {size}", self.name),
            (true, 1) => format!("{}  1 file, {size}", self.name),
            (true, files) => format!("{}  {files} files, {size}", self.name),
        }
    }
}

/// Looks at a file or folder that is to be attached; the error is a line for people.
pub fn examine(path: &Path) -> Result<Pending, String> {
    let shown = sanitize::line(&path.display().to_string());
    let path = std::fs::canonicalize(path).map_err(|error| format!("cannot attach {shown}: {}", words_of(&error)))?;
    let name = path.file_name().map_or_else(|| shown.clone(), |name| sanitize::line(&name.to_string_lossy()));
    let mut pending = Pending { name, files: 0, bytes: 0, path };
    let root = pending.path.clone();
    if root.is_dir() {
        pending.name.push('/');
    } else if !root.is_file() {
        return Err(format!("cannot attach {shown}: it is not a regular file"));
    }
    count(&root, true, &mut pending)?;
    if pending.files == 0 {
        return Err(format!("cannot attach {shown}: there is no file in it"));
    }
    Ok(pending)
}

fn words_of(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
        _ => error.to_string(),
    }
}

fn count(path: &Path, given: bool, pending: &mut Pending) -> Result<(), String> {
    let refused = |why: String| format!("cannot attach {}: {why}", sanitize::line(&path.display().to_string()));
    let facts = if given { std::fs::metadata(path) } else { std::fs::symlink_metadata(path) };
    let facts = facts.map_err(|error| refused(words_of(&error)))?;
    if facts.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|error| refused(words_of(&error)))? {
            count(&entry.map_err(|error| refused(words_of(&error)))?.path(), false, pending)?;
        }
        return Ok(());
    }
    if !facts.is_file() {
        return Ok(());
    }
    if facts.len() > Attachment::MOST_BYTES {
        let (has, limit) = (truncate::bytes(facts.len()), truncate::bytes(Attachment::MOST_BYTES));
        return Err(refused(format!("it has {has}, the limit is {limit}")));
    }
    std::fs::File::open(path).map_err(|error| refused(words_of(&error)))?;
    pending.files += 1;
    pending.bytes += facts.len();
    if pending.files > Attachment::MOST_FILES {
        let root = sanitize::line(&pending.path.display().to_string());
        return Err(format!("cannot attach {root}: it holds more than {} files", Attachment::MOST_FILES));
    }
    Ok(())
}

/// The words of a line as a shell would take them: quotes, backslashes, blanks between.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => word.extend(chars.next()),
                        Some(inside) => word.push(inside),
                        None => return Err(format!("a quote {c} is not closed")),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// A path as people write it: `~` is their home.
pub fn expand(path: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    match path.strip_prefix('~') {
        Some("") => home().unwrap_or_else(|| PathBuf::from(path)),
        Some(rest) if rest.starts_with('/') => {
            home().map_or_else(|| PathBuf::from(path), |home| home.join(rest.trim_start_matches('/')))
        }
        _ => PathBuf::from(path),
    }
}

/// The ways in which pasted text can be read as absolute paths, as terminals send files that are dropped on them; the
/// likelier first, none where it is something else.
pub fn readings(text: &str) -> Vec<Vec<PathBuf>> {
    let text = text.trim();
    let begins = text.starts_with(['/', '\'', '"']) || text.starts_with("file://");
    if !begins || text.len() > 16 * 1024 {
        return Vec::new();
    }
    let as_lines: Vec<String> =
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    let mut readings: Vec<Vec<PathBuf>> = Vec::new();
    for words in [Some(as_lines), words(text).ok()].into_iter().flatten() {
        let paths: Option<Vec<PathBuf>> = words.iter().map(|word| absolute(word)).collect();
        if let Some(paths) = paths.filter(|paths| !paths.is_empty())
            && !readings.contains(&paths)
        {
            readings.push(paths);
        }
    }
    readings
}

/// An absolute path, or the one of a `file://` address.
fn absolute(word: &str) -> Option<PathBuf> {
    if let Some(rest) = word.strip_prefix("file://") {
        // A host's name may stand there; only this machine's files can be read.
        let path = rest.strip_prefix("localhost").unwrap_or(rest);
        return path.starts_with('/').then(|| PathBuf::from(percent_decoded(path)));
    }
    (word.starts_with('/') && word.len() > 1).then(|| PathBuf::from(word))
}

/// The bytes that a percent-encoded text stands for.
pub fn percent_decoded(text: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt as _;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| first == b'%') {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    std::ffi::OsString::from_vec(bytes)
}

/// What was dropped, if one reading of it names files that are there. An error tells why one of them cannot go along.
pub fn dropped(readings: &[Vec<PathBuf>]) -> Option<Result<Vec<Pending>, String>> {
    let paths = readings.iter().find(|paths| paths.iter().all(|path| path.exists()))?;
    Some(paths.iter().map(|path| examine(path)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        let shown = |paths: Vec<PathBuf>| paths.iter().map(|path| path.display().to_string()).collect();
        readings(text).into_iter().map(shown).collect()
    }

    #[test]
    fn terminals_send_dropped_files_in_many_spellings() {
        assert_eq!(read("/a/b.txt"), [["/a/b.txt"]]);
        assert_eq!(read("'/a/my file.txt' "), [["/a/my file.txt"]]);
        assert_eq!(read("/a/my\\ file.txt"), [["/a/my\\ file.txt"], ["/a/my file.txt"]]);
        assert_eq!(read("\"/a/x\" '/b/y'"), [["/a/x", "/b/y"]]);
        assert_eq!(read("/a/x /b/y"), [vec!["/a/x /b/y"], vec!["/a/x", "/b/y"]]);
        assert_eq!(read("file:///a/my%20file.txt\r\nfile:///b\n"), [["/a/my file.txt", "/b"]]);
        assert_eq!(read("file://localhost/a"), [["/a"]]);
        for prose in ["see /etc/hosts", "hello", "/", "// comment", "/a and more", "", "'quoted'", "~/x"] {
            let paths = read(prose);
            assert!(paths.len() <= 1, "{prose}: {paths:?}");
        }
        assert!(read("see /etc/hosts").is_empty() && read("/").is_empty() && read("~/x").is_empty());
    }

    #[test]
    fn only_what_is_there_counts_as_dropped() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("a b.txt");
        std::fs::write(&file, "text").expect("file");
        let path = file.to_str().expect("text");
        for text in [
            path.to_owned(),
            format!("'{path}'"),
            path.replace(' ', "\\ "),
            format!("file://{}", path.replace(' ', "%20")),
        ] {
            let found = dropped(&readings(&text)).expect("a file").expect("readable");
            assert_eq!((found[0].name.as_str(), found[0].bytes), ("a b.txt", 4), "{text}");
        }
        assert!(dropped(&readings(&format!("{path} /nonexistent"))).is_none());
        assert!(dropped(&readings("/nonexistent/x")).is_none());
    }

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(words(r#"a 'b c' "d \"e" f\ g"#).expect("words"), ["a", "b c", "d \"e", "f g"]);
        assert_eq!(words("  ").expect("none"), Vec::<String>::new());
        assert_eq!(words("''").expect("empty"), [""]);
        assert!(words("'open").is_err());
    }

    #[test]
    fn what_cannot_go_along_is_told_by_name() {
        let folder = tempfile::tempdir().expect("folder");
        let missing = examine(&folder.path().join("missing\u{1b}[31m")).expect_err("missing");
        assert!(missing.ends_with("missing: there is no such file"), "{missing}");
        let large = folder.path().join("large");
        std::fs::File::create(&large).and_then(|file| file.set_len(Attachment::MOST_BYTES + 1)).expect("file");
        let told = examine(&large).expect_err("large");
        assert!(told.contains("the limit is 100.0 MiB"), "{told}");
        assert!(examine(Path::new("/dev/null")).expect_err("device").contains("not a regular file"));
        std::fs::remove_file(&large).expect("file");
        assert!(examine(folder.path()).expect_err("empty").contains("no file in it"));
        for n in 0..=Attachment::MOST_FILES {
            std::fs::write(folder.path().join(n.to_string()), "").expect("file");
        }
        assert!(examine(folder.path()).expect_err("many").contains("more than 100 files"));
    }
}
