//! Names of files for what is typed after `@`: a bounded walk, and a fuzzy match over what it found.
//!
//! Both run on a thread of their own. A walk follows no link, ends after some time, and is kept while the popup stays
//! open.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::support::sanitize;

use super::attach;

/// Names that one walk finds.
const MOST_NAMES: usize = 20_000;
/// Folders in folders of the workspace.
const WORKSPACE_DEPTH: usize = 16;
/// Folders in folders of the host: the way there is typed.
const HOST_DEPTH: usize = 2;
/// How long a walk may take.
const WALK_TIME: Duration = Duration::from_millis(400);
/// Rows that are given back.
const MOST_ROWS: usize = 100;
/// Folders that nobody means by a part of a name.
const SKIPPED: [&str; 2] = ["node_modules", "__pycache__"];

/// What is asked.
#[derive(Debug, Clone)]
pub struct Query {
    /// Tells a late answer from the one that is waited for.
    pub number: u64,
    /// What stands after the `@`.
    pub text: String,
    /// The workspace on the host.
    pub workspace: PathBuf,
    /// An earlier walk.
    pub walked: Option<Arc<Walked>>,
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        (self.number, &self.text, &self.workspace) == (other.number, &other.text, &other.workspace)
    }
}

impl Eq for Query {}

/// What a walk found.
#[derive(Debug)]
pub struct Walked {
    base: PathBuf,
    hidden: bool,
    names: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    /// Relative to the base.
    path: PathBuf,
    shown: String,
    folder: bool,
}

/// One suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// As it is listed, clean.
    pub shown: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// What it is.
    pub place: Place,
}

/// Where a suggestion lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the workspace; the path is relative to the mount.
    Workspace(String),
    /// On the host; what is typed for it, and where it is.
    Host {
        /// As it would be typed.
        typed: String,
        /// The path.
        path: PathBuf,
    },
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The question's number.
    pub number: u64,
    /// Suggestions, best first.
    pub rows: Vec<Row>,
    /// The walk, for the next question.
    pub walked: Option<Arc<Walked>>,
}

/// Whether what is typed names a file of the host.
pub fn is_host(text: &str) -> bool {
    ["/", "~/", "./", "../"].iter().any(|start| text.starts_with(start)) || matches!(text, "~" | "." | "..")
}

/// A name as it is typed after an `@`: each blank behind a backslash.
pub fn escaped(name: &str) -> String {
    name.chars().fold(String::new(), |mut out, c| {
        out.extend((c.is_whitespace() || c == '\\').then_some('\\'));
        out.push(c);
        out
    })
}

/// The name that was typed so.
fn plain(typed: &str) -> String {
    let mut chars = typed.chars().peekable();
    let mut out = String::new();
    while let Some(c) = chars.next() {
        let escapes = c == '\\' && chars.peek().is_some_and(|next| next.is_whitespace() || *next == '\\');
        out.extend(if escapes { chars.next() } else { Some(c) });
    }
    out
}

/// The paths of the host that a message names as `@./path`, as they are typed; each once.
pub fn named(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = None;
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        // A blank after a backslash belongs to the name.
        if c.is_whitespace() && before != Some('\\') {
            let path = word.trim_start_matches(['(', '[', '{', '"', '\'', '`']).strip_prefix('@').unwrap_or_default();
            if path.contains('/') && is_host(path) && !found.iter().any(|other| other == path) {
                found.push(path.to_owned());
            }
            word.clear();
        } else {
            word.push(c);
        }
        before = Some(c);
    }
    found
}

/// What is there of a name in a message: as it is typed and, where punctuation follows, without that. Nothing where no
/// such file is.
pub fn find(typed: &str) -> Option<(String, PathBuf)> {
    let bare = typed.trim_end_matches(|c: char| ".,;:!?)]}\"'`".contains(c));
    [typed, bare].into_iter().find_map(|typed| {
        let path = attach::expand(&plain(typed));
        path.exists().then(|| (typed.to_owned(), path))
    })
}

/// Answers a question.
pub fn answer(query: Query) -> Answer {
    let Query { number, text, workspace, walked } = query;
    let text = plain(&text);
    let host = is_host(&text);
    // Of a path of the host everything up to the last slash is where to look.
    let (typed, rest) = match text.rfind('/') {
        Some(at) if host => text.split_at(at + 1),
        _ if host => (text.as_str(), ""),
        _ => ("", text.as_str()),
    };
    let base = if host { attach::expand(typed) } else { workspace };
    let hidden = rest.split('/').any(|part| part.starts_with('.'));
    let reusable = walked.filter(|walked| walked.base == base && walked.hidden == hidden);
    let walked =
        reusable.or_else(|| walk(&base, hidden, if host { HOST_DEPTH } else { WORKSPACE_DEPTH }).map(Arc::new));
    let Some(walked) = walked else { return Answer { number, rows: Vec::new(), walked: None } };
    let typed = if host && !typed.ends_with('/') { format!("{typed}/") } else { typed.to_owned() };
    let rows = best(&walked, rest).into_iter().map(|name| row(name, host, &typed, &walked.base)).collect();
    Answer { number, rows, walked: Some(walked) }
}

fn row(name: &Name, host: bool, typed: &str, base: &Path) -> Row {
    let slash = if name.folder { "/" } else { "" };
    let place = if host {
        Place::Host { typed: format!("{typed}{}{slash}", name.shown), path: base.join(&name.path) }
    } else {
        Place::Workspace(format!("{}{slash}", name.shown))
    };
    Row { shown: format!("{}{slash}", name.shown), folder: name.folder, place }
}

/// The names that fit best. Without words those at the top; among equals the shorter.
fn best<'a>(walked: &'a Walked, words: &str) -> Vec<&'a Name> {
    if words.is_empty() {
        let top = walked.names.iter().filter(|name| name.path.components().count() == 1);
        return top.take(MOST_ROWS).collect();
    }
    let pattern = Pattern::parse(words, CaseMatching::Smart, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT.match_paths());
    let mut buffer = Vec::new();
    let score = |name: &'a Name| {
        let score = pattern.score(Utf32Str::new(&name.shown, &mut buffer), &mut matcher)?;
        Some((std::cmp::Reverse(score), name.shown.len(), name))
    };
    let mut scored: Vec<_> = walked.names.iter().filter_map(score).collect();
    scored.sort_by(|a, b| (a.0, a.1, &a.2.shown).cmp(&(b.0, b.1, &b.2.shown)));
    scored.into_iter().take(MOST_ROWS).map(|(_, _, name)| name).collect()
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Finds the names below a folder, level by level, so that what is cut off lies deepest.
fn walk(base: &Path, hidden: bool, depth: usize) -> Option<Walked> {
    let until = Instant::now() + WALK_TIME;
    let start = rustix::fs::open(base, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty()).ok()?;
    let mut walked = Walked { base: base.to_owned(), hidden, names: Vec::new() };
    let mut level = vec![PathBuf::from(".")];
    for _ in 0..depth {
        let mut next = Vec::new();
        for path in level {
            if walked.names.len() >= MOST_NAMES || Instant::now() > until {
                return Some(walked);
            }
            list(&start, &path, hidden, &mut walked.names, &mut next);
        }
        level = next;
    }
    Some(walked)
}

/// Opens a folder below, no link followed; where the kernel cannot promise that, only the last part is sure.
fn open_below(start: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(start, path, FOLDER, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(start, path, FOLDER, Mode::empty()),
        other => other,
    }
}

fn list(start: &OwnedFd, path: &Path, hidden: bool, names: &mut Vec<Name>, next: &mut Vec<PathBuf>) {
    let Ok(fd) = open_below(start, path) else { return };
    let Ok(entries) = rustix::fs::Dir::read_from(&fd) else { return };
    let path = path.strip_prefix(".").unwrap_or(path);
    let mut found: Vec<Name> = Vec::new();
    for entry in entries.flatten() {
        let bytes = entry.file_name().to_bytes();
        let (dots, git) = (matches!(bytes, b"." | b".."), bytes == b".git");
        // A name that cannot be typed cannot be completed.
        let Ok(name) = std::str::from_utf8(bytes) else { continue };
        if dots || git || (!hidden && name.starts_with('.')) || sanitize::line(name) != name {
            continue;
        }
        let path = path.join(std::ffi::OsStr::from_bytes(bytes));
        let shown = path.to_string_lossy().into_owned();
        found.push(Name { path, shown, folder: entry.file_type() == FileType::Directory });
    }
    found.sort_by(|a, b| a.shown.cmp(&b.shown));
    for name in found {
        let Some(last) = name.path.file_name() else { continue };
        if names.len() >= MOST_NAMES {
            return;
        }
        if name.folder && !SKIPPED.iter().any(|skipped| last == *skipped) {
            next.push(name.path.clone());
        }
        names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_in_a_name_is_typed_behind_a_backslash() {
        for name in ["~/sp dir/", "a\\ b", "plain", "/x/\\"] {
            assert_eq!(plain(&escaped(name)), name);
        }
        assert_eq!(escaped("sp dir/"), "sp\\ dir/");
        assert_eq!(plain("a\\b"), "a\\b", "elsewhere it is itself");
    }

    #[test]
    fn paths_that_a_message_names_are_told_from_other_words() {
        let text = "see @./a.csv, (@~/b\\ c.txt) and @x/y or me@./d @./a.csv, @. @/e";
        assert_eq!(named(text), ["./a.csv,", "~/b\\ c.txt)", "/e"]);
        let folder = folder();
        let path = folder.path().join("notes.md");
        let typed = path.to_str().expect("text");
        assert_eq!(find(&format!("{typed},")), Some((typed.to_owned(), path.clone())));
        assert_eq!(find(&format!("{typed}x")), None);
    }

    fn ask(workspace: &Path, text: &str) -> Vec<String> {
        let query = Query { number: 1, text: text.to_owned(), workspace: workspace.to_owned(), walked: None };
        answer(query).rows.into_iter().map(|row| row.shown).collect()
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        for path in ["src/main.rs", "src/tui/app.rs", "notes.md", ".env", ".git/config", "node_modules/x/main.js"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folders");
            std::fs::write(path, "").expect("file");
        }
        std::os::unix::fs::symlink("/etc", folder.path().join("etc")).expect("link");
        folder
    }

    #[test]
    fn names_are_found_by_parts_of_them() {
        let folder = folder();
        assert_eq!(ask(folder.path(), ""), ["etc", "node_modules/", "notes.md", "src/"]);
        assert_eq!(ask(folder.path(), "main"), ["src/main.rs"]);
        assert_eq!(ask(folder.path(), "tuiapp"), ["src/tui/app.rs"]);
        assert_eq!(ask(folder.path(), ".en"), [".env"], "hidden files are found by their dot");
        assert!(ask(folder.path(), "env").is_empty());
        assert!(ask(folder.path(), "passwd").is_empty(), "no link is followed");
        assert!(ask(folder.path(), ".gitconfig").is_empty());
    }

    #[test]
    fn paths_of_the_host_are_looked_up_where_they_lead() {
        let folder = folder();
        let base = folder.path().to_str().expect("text");
        let query =
            Query { number: 7, text: format!("{base}/src/ma"), workspace: PathBuf::from("/nonexistent"), walked: None };
        let answer = answer(query);
        let path = folder.path().join("src/main.rs");
        let place = Place::Host { typed: format!("{base}/src/main.rs"), path };
        assert_eq!((answer.number, &answer.rows[0].place), (7, &place));
        assert!(ask(folder.path(), "/nonexistent/x").is_empty());
        assert!(is_host("~/x") && is_host("./x") && is_host("~") && !is_host("src/main.rs") && !is_host(".env"));
    }
}
