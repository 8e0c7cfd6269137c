//! What a deployed folder holds: the files that are served, each with its size and hash.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::support::hash;

/// Files of one site.
pub(super) const MOST_FILES: usize = 20_000;
/// Folders in folders.
pub(super) const DEEPEST: usize = 32;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its size in bytes.
    pub bytes: u64,
    /// A strong entity tag (RFC 9110, section 8.8.3), with its quotation marks: a hash of the content.
    pub tag: String,
    /// Whether it is UTF-8, as far as its first part tells.
    pub utf8: bool,
}

/// The files of a site, by their paths with `/` between the parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    folder: PathBuf,
    files: BTreeMap<String, Served>,
}

/// Why a folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", place.display())]
    Io {
        /// What.
        place: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is more in it than a site may have.
    #[error("the folder holds more than {MOST_FILES} files, or folders more than {DEEPEST} deep")]
    TooMuch,
}

/// What a path of a request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A file, with its name in the folder.
    File(&'a str, &'a Served),
    /// A folder that is named without its slash.
    Folder,
    /// Nothing.
    Nothing,
}

impl Contents {
    /// Looks through a folder that okcvm copied. Names that begin with a dot, and whatever is neither file nor folder,
    /// are not served.
    pub fn read(folder: &Path) -> Result<Self, ContentsError> {
        let mut contents = Self { folder: folder.to_owned(), files: BTreeMap::new() };
        contents.add(folder, "", 0)?;
        Ok(contents)
    }

    fn add(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), ContentsError> {
        let wrong = |source| ContentsError::Io { place: folder.to_owned(), source };
        if depth > DEEPEST {
            return Err(ContentsError::TooMuch);
        }
        for entry in std::fs::read_dir(folder).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            // A name that is not UTF-8 cannot stand in a link as browsers write it.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            let kind = entry.file_type().map_err(wrong)?;
            let name = format!("{prefix}{name}");
            if kind.is_dir() {
                self.add(&path, &format!("{name}/"), depth + 1)?;
            } else if kind.is_file() {
                let served = served(&path).map_err(|source| ContentsError::Io { place: path, source })?;
                self.files.insert(name, served);
                if self.files.len() > MOST_FILES {
                    return Err(ContentsError::TooMuch);
                }
            }
        }
        Ok(())
    }

    /// The same files in another folder, to which they were moved.
    #[must_use]
    pub(super) fn moved(self, folder: PathBuf) -> Self {
        Self { folder, ..self }
    }

    /// Where its files lie.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many files there are, and their bytes.
    pub fn totals(&self) -> (usize, u64) {
        (self.files.len(), self.files.values().map(|file| file.bytes).sum())
    }

    /// A hash over the names of all files and the hashes of their contents, in hexadecimal digits.
    pub fn hash(&self) -> String {
        let mut whole = Sha256::new();
        for (name, file) in &self.files {
            // No name holds a NUL, so no two lists are written the same.
            whole.update(name);
            whole.update([0]);
            whole.update(&file.tag);
            whole.update([0]);
        }
        hash::hex(&whole.finalize())
    }

    /// Whether there is such a file.
    pub fn holds(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The names of its files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// What a decoded path means: a file, or the `index.html` of a folder.
    pub(super) fn find(&self, path: &str) -> Found<'_> {
        if let Some((name, served)) = self.files.get_key_value(path) {
            return Found::File(name, served);
        }
        if path.is_empty() || path.ends_with('/') {
            return match self.files.get_key_value(&format!("{path}index.html")) {
                Some((name, served)) => Found::File(name, served),
                None => Found::Nothing,
            };
        }
        let index = format!("{path}/index.html");
        if self.files.contains_key(&index) { Found::Folder } else { Found::Nothing }
    }
}

fn served(path: &Path) -> io::Result<Served> {
    let mut file = std::fs::File::open(path)?;
    let mut whole = Sha256::new();
    let mut part = vec![0; 64 << 10];
    let (mut bytes, mut utf8) = (0, true);
    loop {
        let read = file.read(&mut part)?;
        if read == 0 {
            break;
        }
        whole.update(&part[..read]);
        if bytes == 0 {
            // A character may be cut off at the end of the part.
            let wrong = std::str::from_utf8(&part[..read]).err();
            utf8 = wrong.is_none_or(|error| error.error_len().is_none() && read == part.len());
        }
        bytes += read as u64;
    }
    Ok(Served { bytes, tag: format!("\"{}\"", hash::hex(&whole.finalize())), utf8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_were_there_are_found() {
        let place = tempfile::tempdir().expect("folder");
        let site = place.path().join("site");
        std::fs::create_dir_all(site.join("a/.git")).expect("folders");
        std::fs::write(place.path().join("secret"), "secret").expect("file");
        for name in ["index.html", "b.css", ".env", "a/index.html", "a/.git/config"] {
            std::fs::write(site.join(name), name).expect("file");
        }
        std::os::unix::fs::symlink("../secret", site.join("link")).expect("link");
        let contents = Contents::read(&site).expect("contents");
        assert_eq!(contents.names().collect::<Vec<_>>(), ["a/index.html", "b.css", "index.html"]);
        assert_eq!(contents.totals(), (3, 27));
        assert!(matches!(contents.find(""), Found::File("index.html", _)));
        assert!(matches!(contents.find("a/"), Found::File("a/index.html", _)));
        assert_eq!(contents.find("a"), Found::Folder);
        for nothing in ["link", ".env", "../secret", "a/../index.html", "/index.html", "b.css/", "a/.git/config", "a//"]
        {
            assert_eq!(contents.find(nothing), Found::Nothing, "{nothing}");
        }
        let Found::File(_, index) = contents.find("index.html") else { panic!("a file") };
        let Found::File(_, other) = contents.find("a/index.html") else { panic!("a file") };
        assert!(index.tag.starts_with('"') && index.tag.ends_with('"') && index.tag != other.tag);
    }
}
