//! Two states of the files, entry by entry.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use git2::Oid;

use super::commit::Counts;
use super::error::SnapshotError;
use super::kept::NotKept;
use super::repo::Repo;
use super::tree::{self, Entry, Kind};

/// A state of the files: a tree, and what the tree cannot say.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) tree: Option<Oid>,
    /// Bits other than the usual ones, by path.
    pub(crate) modes: BTreeMap<Vec<u8>, u32>,
    pub(crate) not_kept: Vec<NotKept>,
}

impl State {
    /// The permission bits of an entry.
    pub(crate) fn bits(&self, path: &[u8], kind: Kind) -> u32 {
        let usual = match kind {
            Kind::File => 0o644,
            Kind::Exec | Kind::Dir => 0o755,
            Kind::Link => return 0o777,
        };
        self.modes.get(path).copied().unwrap_or(usual)
    }
}

/// Where trees come from: the store, and what a walk has found but not stored.
pub(crate) struct Trees<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) found: Option<&'a HashMap<Oid, Vec<u8>>>,
    /// Whether a tree that cannot be read counts as empty. For numbers that people are shown, and nothing else.
    pub(crate) lenient: bool,
}

impl<'a> Trees<'a> {
    pub(crate) fn new(repo: &'a Repo, found: &'a HashMap<Oid, Vec<u8>>) -> Self {
        Self { repo, found: Some(found), lenient: false }
    }

    pub(crate) fn entries(&self, id: Oid) -> Result<Vec<Entry>, SnapshotError> {
        let entries = match self.found.and_then(|found| found.get(&id)) {
            Some(bytes) => tree::parse(id, bytes),
            None => self.repo.tree(id),
        };
        if self.lenient { Ok(entries.unwrap_or_default()) } else { entries }
    }
}

/// One side of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) kind: Kind,
    pub(crate) id: Oid,
    pub(crate) bits: u32,
}

/// A path where two states differ. A folder that is in both differs only in its bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: Vec<u8>,
    pub(crate) old: Option<Side>,
    pub(crate) new: Option<Side>,
}

/// All differences, a folder before what is in it, in the order of the paths' parts.
pub(crate) fn compare(trees: &Trees<'_>, old: &State, new: &State) -> Result<Vec<Difference>, SnapshotError> {
    // Entries whose objects are equal may still differ in their bits.
    let bits: BTreeSet<&[u8]> = old
        .modes
        .iter()
        .filter(|(path, bits)| new.modes.get(*path) != Some(bits))
        .chain(new.modes.iter().filter(|(path, _)| !old.modes.contains_key(*path)))
        .map(|(path, _)| path.as_slice())
        .collect();
    let mut compare = Compare { trees, old, new, bits, out: Vec::new(), path: Vec::new() };
    compare.folders(old.tree, new.tree)?;
    Ok(compare.out)
}

struct Compare<'a> {
    trees: &'a Trees<'a>,
    old: &'a State,
    new: &'a State,
    /// Paths whose bits differ in the lists.
    bits: BTreeSet<&'a [u8]>,
    out: Vec<Difference>,
    path: Vec<u8>,
}

impl Compare<'_> {
    fn folders(&mut self, old: Option<Oid>, new: Option<Oid>) -> Result<(), SnapshotError> {
        if old == new && !self.has_bits_below() {
            return Ok(());
        }
        let read = |id: Option<Oid>| id.map_or_else(|| Ok(Vec::new()), |id| self.trees.entries(id));
        let mut before = read(old)?.into_iter().peekable();
        let mut after = read(new)?.into_iter().peekable();
        loop {
            let order = match (before.peek(), after.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(a), Some(b)) => a.name.cmp(&b.name),
            };
            let a = if order.is_le() { before.next() } else { None };
            let b = if order.is_ge() { after.next() } else { None };
            self.pair(a.as_ref(), b.as_ref())?;
        }
    }

    fn has_bits_below(&self) -> bool {
        if self.path.is_empty() {
            return !self.bits.is_empty();
        }
        let below = [&self.path[..], b"/"].concat();
        self.bits.range(below.as_slice()..).next().is_some_and(|path| path.starts_with(&below))
    }

    fn pair(&mut self, a: Option<&Entry>, b: Option<&Entry>) -> Result<(), SnapshotError> {
        let Some(name) = a.or(b).map(|entry| &entry.name) else {
            return Ok(());
        };
        let length = self.path.len();
        if length > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
        let side = |entry: &Entry, state: &State| Side {
            kind: entry.kind,
            id: entry.id,
            bits: state.bits(&self.path, entry.kind),
        };
        let old = a.map(|entry| side(entry, self.old));
        let new = b.map(|entry| side(entry, self.new));
        let folder = |side: Option<Side>| side.filter(|side| side.kind == Kind::Dir).map(|side| side.id);
        let differs = if folder(old).is_some() && folder(new).is_some() {
            old.map(|side| side.bits) != new.map(|side| side.bits)
        } else {
            old != new
        };
        if differs {
            self.out.push(Difference { path: self.path.clone(), old, new });
        }
        self.folders(folder(old), folder(new))?;
        self.path.truncate(length);
        Ok(())
    }
}

/// How many files differ. Folders do not count; paths that the new state could not keep are no removals.
pub(crate) fn count(repo: &Repo, differences: &[Difference], new: &State) -> Counts {
    let mut counts = Counts::default();
    for Difference { path, old, new: after } in differences {
        let file = |side: &Option<Side>| side.filter(|side| side.kind != Kind::Dir);
        match (file(old), file(after)) {
            (None, Some(side)) => {
                counts.added += 1;
                counts.bytes += repo.size(side.id).unwrap_or(0);
            }
            (Some(_), Some(side)) => {
                counts.modified += 1;
                counts.bytes += repo.size(side.id).unwrap_or(0);
            }
            (Some(_), None) if !new.not_kept.iter().any(|item| item.path == *path) => counts.removed += 1,
            _ => {}
        }
    }
    counts
}
