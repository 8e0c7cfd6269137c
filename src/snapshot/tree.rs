//! Git's tree objects as bytes: written and read by ourselves, because libgit2 would check and refuse names.

use git2::Oid;

use super::error::SnapshotError;
use super::name;

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A file.
    File,
    /// A file that its owner may execute.
    Exec,
    /// A symbolic link.
    Link,
    /// A folder.
    Dir,
}

impl Kind {
    fn mode(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Exec => "100755",
            Self::Link => "120000",
            Self::Dir => "40000",
        }
    }

    fn from_mode(mode: &[u8]) -> Option<Self> {
        [Self::File, Self::Exec, Self::Link, Self::Dir].into_iter().find(|kind| kind.mode().as_bytes() == mode)
    }

    /// Whether it is a file, executable or not.
    pub(crate) fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Exec)
    }
}

/// One entry: a name as the workspace has it, what it is, and its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) id: Oid,
}

/// A tree object under construction.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    /// Stored name, with a slash behind it for folders: the order that Git wants.
    rows: Vec<(Vec<u8>, Kind, Oid)>,
}

impl Builder {
    /// Adds an entry under the name that the workspace has for it.
    pub(crate) fn add(&mut self, name: &[u8], kind: Kind, id: Oid) {
        let mut key = name::encode(name);
        if kind == Kind::Dir {
            key.push(b'/');
        }
        self.rows.push((key, kind, id));
    }

    /// The bytes of the tree object.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut bytes = Vec::with_capacity(self.rows.iter().map(|row| row.0.len() + 28).sum());
        for (key, kind, id) in &self.rows {
            let stored = if *kind == Kind::Dir { &key[..key.len() - 1] } else { &key[..] };
            bytes.extend_from_slice(kind.mode().as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(stored);
            bytes.push(0);
            bytes.extend_from_slice(id.as_bytes());
        }
        bytes
    }
}

/// Reads a tree object. Names are decoded and sorted by their bytes in the workspace; what this program would not have
/// written is damage.
pub(crate) fn parse(id: Oid, bytes: &[u8]) -> Result<Vec<Entry>, SnapshotError> {
    let wrong = |what: &str| SnapshotError::Damaged(format!("tree {id} {what}"));
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(|| wrong("is cut short"))?;
        let kind = Kind::from_mode(&rest[..space]).ok_or_else(|| wrong("has an entry of an unknown kind"))?;
        let tail = &rest[space + 1..];
        let end = tail.iter().position(|byte| *byte == 0).ok_or_else(|| wrong("is cut short"))?;
        let name = name::decode(&tail[..end]).map_err(|error| wrong(&format!("has a bad name: {error}")))?;
        let (hash, after) = tail[end + 1..].split_at_checked(20).ok_or_else(|| wrong("is cut short"))?;
        entries.push(Entry { name, kind, id: Oid::from_bytes(hash).map_err(SnapshotError::git("read an object id"))? });
        rest = after;
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if entries.windows(2).any(|pair| pair[0].name == pair[1].name) {
        return Err(wrong("names a file twice"));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_ordered_as_git_orders_them() {
        let id = Oid::from_bytes(&[7; 20]).expect("id");
        let mut builder = Builder::default();
        for (name, kind) in [("a", Kind::Dir), ("a.b", Kind::File), ("a0", Kind::Exec), (".git", Kind::Dir)] {
            builder.add(name.as_bytes(), kind, id);
        }
        let bytes = builder.finish();
        let text = String::from_utf8_lossy(&bytes);
        let at = |what: &str| text.find(what).expect(what);
        assert!(at("40000 %2Egit\0") < at("100644 a.b\0"));
        assert!(at("100644 a.b\0") < at("40000 a\0") && at("40000 a\0") < at("100755 a0\0"));
        let names: Vec<Vec<u8>> = parse(id, &bytes).expect("parse").into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, [b".git".to_vec(), b"a".to_vec(), b"a.b".to_vec(), b"a0".to_vec()]);
    }

    #[test]
    fn a_tree_that_was_tampered_with_is_refused() {
        let id = Oid::from_bytes(&[7; 20]).expect("id");
        let entry = |mode: &str, name: &str| [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[1; 20][..]].concat();
        assert!(parse(id, &entry("100644", "fine")).is_ok());
        for bad in [
            entry("100644", ".."),
            entry("100644", ".git"),
            entry("100644", "a/b"),
            entry("160000", "module"),
            entry("100600", "odd"),
            [entry("100644", "twice"), entry("40000", "twice")].concat(),
            b"100644 cut".to_vec(),
        ] {
            assert!(parse(id, &bad).is_err(), "{}", String::from_utf8_lossy(&bad));
        }
    }
}
