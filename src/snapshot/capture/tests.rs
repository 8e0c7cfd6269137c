//! The walk, on files of its own.

use std::cell::Cell;
use std::fs;
use std::io::Read;

use super::super::object::{HashSink, hash};
use super::*;

/// Writes to the file while it is read, so many times.
struct Meddler<'a> {
    inner: HashSink,
    path: &'a std::path::Path,
    times: Cell<u32>,
}

impl Meddler<'_> {
    fn meddle(&self) {
        if self.times.get() > 0 {
            self.times.set(self.times.get() - 1);
            fs::write(self.path, format!("version {}", self.times.get())).expect("write");
        }
    }
}

impl Sink for Meddler<'_> {
    fn put(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<git2::Oid, SnapshotError> {
        if kind == ObjectKind::Blob {
            self.meddle();
        }
        self.inner.put(kind, bytes)
    }

    fn stream(&mut self, size: u64, from: &mut dyn Read) -> Result<Streamed, SnapshotError> {
        self.meddle();
        self.inner.stream(size, from)
    }
}

fn found(content: &[u8], times: u32) -> Found {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("file");
    fs::write(&path, content).expect("write");
    let handle = File::open(dir.path()).expect("open");
    let mut sink = Meddler { inner: HashSink::default(), path: &path, times: Cell::new(times) };
    walk(handle.as_fd(), Caps::default(), None, &mut sink).expect("walk")
}

#[test]
fn a_file_that_changes_while_it_is_read_is_tried_again_then_listed() {
    for content in [b"short".to_vec(), vec![b'x'; 2 * STREAM_FROM as usize]] {
        let once = found(&content, 2);
        assert!(once.not_kept.is_empty());
        let expected = hash(ObjectKind::Blob, b"version 0").expect("hash");
        assert!(matches!(&once.cache.entries[0].node, CachedNode::Leaf { id, .. } if *id == expected));
        let always = found(&content, 99);
        assert_eq!(always.not_kept.len(), 1);
        assert_eq!(always.not_kept[0].line(), "file: changed while it was read");
        assert!(always.cache.entries.is_empty());
    }
}

fn age(dir: &mut CachedDir) {
    for entry in &mut dir.entries {
        match &mut entry.node {
            CachedNode::Leaf { racy, .. } => *racy = false,
            CachedNode::Dir(dir) => age(dir),
        }
    }
}

#[test]
fn an_unchanged_workspace_gives_the_same_tree_without_reading() {
    let dir = tempfile::tempdir().expect("folder");
    fs::create_dir_all(dir.path().join("a/b")).expect("folders");
    fs::write(dir.path().join("a/b/file"), "x").expect("write");
    // A file of the past, so that it is not racy.
    let file = File::options().write(true).open(dir.path().join("a/b/file")).expect("open");
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60)).expect("times");
    let handle = File::open(dir.path()).expect("open");
    let mut first = walk(handle.as_fd(), Caps::default(), None, &mut HashSink::default()).expect("walk");
    // The time of change cannot be set; the test lets the entry be older instead.
    age(&mut first.cache);
    let mut sink = HashSink::default();
    let tree = first.cache.tree;
    let again = walk(handle.as_fd(), Caps::default(), Some(first.cache), &mut sink).expect("walk");
    assert!(!again.changed && !again.refreshed);
    assert_eq!(again.cache.tree, tree);
    assert!(sink.trees.is_empty(), "no tree was made anew");
}
