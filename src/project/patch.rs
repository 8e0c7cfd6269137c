//! What would be written to a project, as text: for people, and in the form that `git apply` reads.

use git2::{DiffFormat, DiffOptions, Index, IndexEntry, IndexTime, Odb, Oid, Repository};

use super::apply::Step;
use super::merge::Entry;

/// The difference that the steps make. With `binary` it holds everything and `git apply` can read it; without it is for
/// people.
pub(super) fn text(steps: &[Step], binary: bool) -> Result<Vec<u8>, git2::Error> {
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
    let mut text = Vec::new();
    diff.print(DiffFormat::Patch, |_, _, line| {
        if matches!(line.origin(), '+' | '-' | ' ') {
            text.push(line.origin() as u8);
        }
        text.extend_from_slice(line.content());
        true
    })?;
    Ok(text)
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
