//! What would be written to a project, as text: for people, and in the form that `git apply` reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git2::{DiffFormat, DiffLine, DiffOptions, Index, IndexEntry, IndexTime, Odb, Oid, Repository};

use super::apply::Step;
use super::merge::Entry;

/// How much of a patch is shown where somebody has to scroll through it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Lines of one file.
    pub file_lines: u64,
    /// Bytes of one file.
    pub file_bytes: usize,
    /// Lines of all files.
    pub lines: u64,
}

/// How much a path changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) added: u64,
    pub(super) removed: u64,
    pub(super) binary: bool,
}

/// A patch for people.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) text: Vec<u8>,
    pub(super) counts: BTreeMap<PathBuf, Count>,
}

/// The difference that the steps make, as `git apply` reads it.
pub(super) fn text(steps: &[Step]) -> Result<Vec<u8>, git2::Error> {
    let mut text = Vec::new();
    print(steps, true, |_, line| {
        if matches!(line.origin(), '+' | '-' | ' ') {
            text.push(line.origin() as u8);
        }
        text.extend_from_slice(line.content());
    })?;
    Ok(text)
}

/// The same for people: binary files are only named. What a limit leaves out is told where it would stand.
pub(super) fn shown(steps: &[Step], limits: Option<Limits>) -> Result<Shown, git2::Error> {
    let mut showing = Showing { shown: Shown::default(), limits, all: 0, skipped: 0, file: None };
    print(steps, false, |path, line| showing.line(path, line))?;
    Ok(showing.finish())
}

struct Showing {
    shown: Shown,
    limits: Option<Limits>,
    /// Lines so far.
    all: u64,
    /// Files that came when there was no room for anything.
    skipped: u64,
    file: Option<File>,
}

/// The file that is being shown.
struct File {
    path: PathBuf,
    is_skipped: bool,
    lines: u64,
    bytes: usize,
    left_out: u64,
}

impl Showing {
    fn line(&mut self, path: &Path, line: &DiffLine<'_>) {
        if self.file.as_ref().is_none_or(|file| file.path != path) {
            self.end_file();
            let is_skipped = self.limits.is_some_and(|limits| self.all >= limits.lines);
            self.skipped += u64::from(is_skipped);
            self.file = Some(File { path: path.to_owned(), is_skipped, lines: 0, bytes: 0, left_out: 0 });
        }
        let Some(file) = &mut self.file else { return };
        let count = self.shown.counts.entry(path.to_owned()).or_default();
        match line.origin() {
            '+' => count.added += 1,
            '-' => count.removed += 1,
            'B' => count.binary = true,
            _ => {}
        }
        if file.is_skipped {
            return;
        }
        let content = line.content();
        let room = self.limits.map_or(usize::MAX, |limits| {
            let full = file.lines >= limits.file_lines || file.left_out > 0;
            if full { 0 } else { limits.file_bytes.saturating_sub(file.bytes) }
        });
        if room == 0 {
            // What is no line of the file is a heading.
            file.left_out += u64::from(matches!(line.origin(), '+' | '-' | ' '));
            return;
        }
        if matches!(line.origin(), '+' | '-' | ' ') {
            self.shown.text.push(line.origin() as u8);
        }
        if content.len() > room {
            self.shown.text.extend_from_slice(&content[..room]);
            let more = content.len() - room;
            self.shown.text.extend_from_slice(format!("\n\\ {more} more bytes of this line\n").as_bytes());
        } else {
            self.shown.text.extend_from_slice(content);
        }
        // The heading of a file comes as one piece.
        let lines = line_ends(content).max(1);
        file.lines += lines;
        self.all += lines;
        file.bytes += content.len();
    }

    fn end_file(&mut self) {
        if let Some(file) = self.file.take().filter(|file| file.left_out > 0) {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let more = format!("\\ {} more lines of {}\n", file.left_out, name.replace('\n', " "));
            self.shown.text.extend_from_slice(more.as_bytes());
        }
    }

    fn finish(mut self) -> Shown {
        self.end_file();
        if self.skipped > 0 {
            let things =
                if self.skipped == 1 { "1 more file".to_owned() } else { format!("{} more files", self.skipped) };
            // As a heading of Git's, so that it is never taken for a line of the file before it.
            let words =
                format!("diff --git\n\\ what changes in {things} is not shown here; `okcvm files apply` shows it\n");
            self.shown.text.extend_from_slice(words.as_bytes());
        }
        self.shown
    }
}

fn line_ends(content: &[u8]) -> u64 {
    content.split(|byte| *byte == b'\n').count() as u64 - 1
}

/// Gives every line of the difference to `each`, with the path that it belongs to.
fn print(steps: &[Step], binary: bool, mut each: impl FnMut(&Path, &DiffLine<'_>)) -> Result<(), git2::Error> {
    // Objects live in memory only.
    let odb = Odb::new()?;
    odb.add_new_mempack_backend(1)?;
    let repo = Repository::from_odb(odb)?;
    let old = tree(&repo, steps.iter().map(|step| (step, step.before.as_ref())))?;
    let new = tree(&repo, steps.iter().map(|step| (step, step.after.as_ref())))?;
    let (old, new) = (repo.find_tree(old)?, repo.find_tree(new)?);
    let mut options = DiffOptions::new();
    options.context_lines(3).show_binary(binary).id_abbrev(if binary { 40 } else { 8 });
    let diff = repo.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))?;
    diff.print(DiffFormat::Patch, |delta, _, line| {
        let path = delta.new_file().path().or_else(|| delta.old_file().path());
        each(path.unwrap_or(Path::new("")), &line);
        true
    })
}

fn tree<'a>(
    repo: &Repository,
    entries: impl Iterator<Item = (&'a Step, Option<&'a Entry>)>,
) -> Result<Oid, git2::Error> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut index = Index::new()?;
    for (step, entry) in entries {
        let (mode, bytes) = match entry {
            Some(Entry::File { bytes, exec }) => (if *exec { 0o100_755 } else { 0o100_644 }, bytes),
            Some(Entry::Link(target)) => (0o120_000, target),
            None => continue,
        };
        let zero = IndexTime::new(0, 0);
        index.add(&IndexEntry {
            ctime: zero,
            mtime: zero,
            dev: 0,
            ino: 0,
            mode,
            uid: 0,
            gid: 0,
            file_size: 0,
            id: repo.blob(bytes)?,
            flags: 0,
            flags_extended: 0,
            path: step.path.as_os_str().as_bytes().to_vec(),
        })?;
    }
    index.write_tree_to(repo)
}
