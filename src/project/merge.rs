//! One path, three ways: as it was copied (base), as the project has it now (ours), as the session has it now (theirs).

use git2::{MergeFileInput, MergeFileOptions};

/// A file or link with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File {
        /// Its content.
        bytes: Vec<u8>,
        /// Whether its owner may execute it.
        exec: bool,
    },
    /// A symbolic link.
    Link(Vec<u8>),
}

/// What becomes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The project has it already.
    Same,
    /// This, or nothing, is to stand there.
    To(Option<Entry>),
    /// Both sides changed it in ways that do not go together.
    Conflict {
        /// How, in a few words.
        why: &'static str,
        /// What stands there where conflicts are written down: a text with markers, or the side that was kept.
        marked: Option<Entry>,
        /// Whether that holds what both sides wrote.
        both: bool,
    },
}

/// Words in the markers for the project's side.
pub const OURS: &str = "project";
/// Words in the markers for the session's side.
pub const THEIRS: &str = "session";

/// How far into a file Git looks for the byte that no text has.
const PROBE: usize = 8000;

/// Merges what both sides made of one path.
pub fn merge(base: Option<&Entry>, ours: Option<&Entry>, theirs: Option<&Entry>) -> Merged {
    if ours == theirs {
        return Merged::Same;
    }
    if ours == base {
        return Merged::To(theirs.cloned());
    }
    if theirs == base {
        return Merged::Same;
    }
    let conflict = |why, marked: Option<&Entry>| Merged::Conflict { why, marked: marked.cloned(), both: false };
    match (base, ours, theirs) {
        (_, Some(ours), None) => conflict("changed in the project, removed in the session", Some(ours)),
        (_, None, Some(theirs)) => conflict("removed in the project, changed in the session", Some(theirs)),
        (base, Some(Entry::File { bytes: ours, exec }), Some(Entry::File { bytes: theirs, exec: theirs_exec })) => {
            let (base, base_exec) = match base {
                Some(Entry::File { bytes, exec }) => (bytes.as_slice(), Some(*exec)),
                _ => (&[][..], None),
            };
            // Whoever changed the bit has decided it.
            let exec = if base_exec == Some(*theirs_exec) { *exec } else { *theirs_exec };
            match contents(base, ours, theirs, exec) {
                // Two new files of one name are two files, however well they would go together.
                Merged::To(marked) if base_exec.is_none() => {
                    Merged::Conflict { why: "new on both sides", marked, both: true }
                }
                merged => merged,
            }
        }
        (_, Some(ours), _) => conflict("changed on both sides", Some(ours)),
        (_, None, None) => Merged::Same,
    }
}

fn contents(base: &[u8], ours: &[u8], theirs: &[u8], exec: bool) -> Merged {
    let file = |bytes: Vec<u8>| Entry::File { bytes, exec };
    if ours == theirs || theirs == base {
        return Merged::To(Some(file(ours.to_vec())));
    }
    if ours == base {
        return Merged::To(Some(file(theirs.to_vec())));
    }
    if [base, ours, theirs].into_iter().any(is_binary) {
        let (why, marked) = ("binary and changed on both sides", Some(file(ours.to_vec())));
        return Merged::Conflict { why, marked, both: false };
    }
    match texts(base, ours, theirs) {
        Some((true, bytes)) => Merged::To(Some(file(bytes))),
        Some((false, bytes)) => {
            Merged::Conflict { why: "changed on both sides", marked: Some(file(bytes)), both: true }
        }
        None => Merged::Conflict { why: "cannot be merged", marked: Some(file(ours.to_vec())), both: false },
    }
}

/// The merged text, and whether it went without a conflict; `None` where Git gives up.
fn texts(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<(bool, Vec<u8>)> {
    // The library is started by the first thing that is made with it, and a merge makes none.
    let _started = git2::Index::new().ok()?;
    let input = |bytes: &[u8]| -> Option<Vec<u8>> { (bytes.len() < i32::MAX as usize).then(|| bytes.to_vec()) };
    let (base, ours, theirs) = (input(base)?, input(ours)?, input(theirs)?);
    let (mut a, mut b, mut c) = (MergeFileInput::new(), MergeFileInput::new(), MergeFileInput::new());
    a.content(&base);
    b.content(&ours);
    c.content(&theirs);
    let mut options = MergeFileOptions::new();
    options.our_label(OURS).their_label(THEIRS).style_standard(true).simplify_alnum(true);
    let result = git2::merge_file(&a, &b, &c, Some(&mut options)).ok()?;
    Some((result.is_automergeable(), result.content().to_vec()))
}

/// Whether Git takes it for something else than text.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(PROBE)].contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Entry {
        Entry::File { bytes: text.as_bytes().to_vec(), exec: false }
    }

    fn merged(base: &str, ours: &str, theirs: &str) -> Merged {
        merge(Some(&file(base)), Some(&file(ours)), Some(&file(theirs)))
    }

    #[test]
    fn changes_in_different_places_go_together() {
        let base = "one\ntwo\nthree\nfour\nfive\n";
        let both = merged(base, &base.replace("one", "ONE"), &base.replace("five", "FIVE"));
        assert_eq!(both, Merged::To(Some(file("ONE\ntwo\nthree\nfour\nFIVE\n"))));
        assert_eq!(merged(base, "x\n", "x\n"), Merged::Same);
        assert_eq!(merged(base, "x\n", base), Merged::Same, "what only the project changed stays");
    }

    #[test]
    fn changes_in_one_place_are_marked() {
        let Merged::Conflict { marked: Some(Entry::File { bytes, .. }), .. } = merged("a\n", "b\n", "c\n") else {
            panic!("no conflict");
        };
        assert_eq!(String::from_utf8_lossy(&bytes), "<<<<<<< project\nb\n=======\nc\n>>>>>>> session\n");
    }

    #[test]
    fn what_one_side_removed_and_the_other_changed_is_a_conflict() {
        let (base, other) = (file("a"), file("b"));
        for (ours, theirs) in [(Some(&other), None), (None, Some(&other))] {
            let Merged::Conflict { marked, .. } = merge(Some(&base), ours, theirs) else { panic!("no conflict") };
            assert_eq!(marked, Some(other.clone()));
        }
        assert_eq!(merge(Some(&base), Some(&base), None), Merged::To(None));
        assert_eq!(merge(Some(&base), None, Some(&base)), Merged::Same);
        assert_eq!(merge(None, None, Some(&other)), Merged::To(Some(other.clone())));
    }

    #[test]
    fn binary_files_and_links_are_taken_whole_or_not_at_all() {
        let binary = |text: &str| Entry::File { bytes: format!("\0{text}").into_bytes(), exec: false };
        let (a, b, c) = (binary("a"), binary("b"), binary("c"));
        assert_eq!(merge(Some(&a), Some(&a), Some(&b)), Merged::To(Some(b.clone())));
        assert!(matches!(merge(Some(&a), Some(&c), Some(&b)), Merged::Conflict { marked, .. } if marked == Some(c)));
        let link = |to: &str| Entry::Link(to.as_bytes().to_vec());
        assert!(matches!(merge(Some(&link("a")), Some(&link("b")), Some(&link("c"))), Merged::Conflict { .. }));
    }

    #[test]
    fn the_bit_of_execution_is_merged_by_itself() {
        let with = |text: &str, exec| Entry::File { bytes: text.as_bytes().to_vec(), exec };
        let base = with("a\nb\nc\nd\n", false);
        let ours = with("A\nb\nc\nd\n", false);
        let theirs = with("a\nb\nc\nd\n", true);
        assert_eq!(merge(Some(&base), Some(&ours), Some(&theirs)), Merged::To(Some(with("A\nb\nc\nd\n", true))));
        assert_eq!(merge(Some(&base), Some(&theirs), Some(&ours)), Merged::To(Some(with("A\nb\nc\nd\n", true))));
    }
}
