//! How the screen looks at what was made: facts about files below the session's workspace, and what they hold, which is
//! read by a process that can do nothing else.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::shots::Shots;
use crate::sandbox::LazySandbox;
use crate::tools::{Inside, Toolbox, inside};
use crate::tui::preview::{Content, FileState, Listing, PreviewFiles, PreviewSource, Recording, Subject};
use crate::workspace::{EntryKind, Workspace, WorkspaceError};

/// The folder of results.
const RESULTS: &str = "output";
/// Files of it that nobody told of, as many as are listed.
const MOST_OTHERS: usize = 200;
/// Entries that are looked at for them.
const MOST_LOOKED_AT: usize = 5_000;
/// Folders within folders.
const DEEPEST: usize = 4;

/// What lies below this workspace of a session, which may be made only later. Within a Tokio runtime.
pub(super) fn files(work: PathBuf, mount: String, sandbox: &LazySandbox, tools: &Tools, shots: &Shots) -> PreviewFiles {
    let (sandbox, tools, shots) = (sandbox.clone(), Arc::clone(tools), shots.clone());
    PreviewFiles::new(Files { work, mount, sandbox, tools, shots, runtime: Handle::current() })
}

/// The tools of the session, as soon as it is open.
pub(super) type Tools = Arc<OnceLock<Weak<Toolbox>>>;

struct Files {
    work: PathBuf,
    mount: String,
    sandbox: LazySandbox,
    tools: Tools,
    shots: Shots,
    runtime: Handle,
}

impl Files {
    fn workspace(&self) -> Result<Workspace, WorkspaceError> {
        // Without a mount of its own a tool names the folder as the host does.
        Ok(Workspace::open(&self.work, &self.mount, None)?.also_known_as(Some(&self.work)))
    }

    fn open(&self, path: &str) -> Result<File, String> {
        let file = self.workspace().and_then(|workspace| workspace.open_read(&workspace.resolve(path)?));
        file.map_err(words)
    }

    fn content(&self, path: &str, cancel: &CancellationToken) -> Content {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.open(path).map_or_else(|why| not_shown(&why), |file| self.look_into(file, name, cancel))
    }

    fn look_into(&self, file: File, name: &str, cancel: &CancellationToken) -> Content {
        let decoder = self.sandbox.decoder();
        match self.runtime.block_on(inside(&decoder, file, name, cancel)) {
            Ok(Inside::Text(text, more)) => Content::Text {
                markdown: is_markdown(name),
                summary: lines(&text, more),
                text,
                notes: if more { vec!["only its beginning is shown here".to_owned()] } else { Vec::new() },
            },
            Ok(Inside::Document(kind, document)) => {
                let mut summary = kind.label().to_owned();
                if !document.summary.is_empty() {
                    summary.push_str(", ");
                    summary.push_str(&document.summary);
                }
                Content::Text { text: document.markdown, markdown: true, summary, notes: document.notes }
            }
            Ok(Inside::Sound(sound)) => Content::Recording(Recording {
                format: sound.format,
                millis: sound.millis,
                rate: sound.rate,
                channels: sound.channels,
                loudness: sound.loudness,
            }),
            Ok(Inside::Picture) => Content::Picture,
            Ok(Inside::Empty) => Content::Words("The file is empty.".to_owned()),
            Ok(Inside::Other(what)) => Content::Words(format!("It is {what}.")),
            Err(why) => not_shown(&why),
        }
    }

    /// A page of the session's own: pictures of it, or its text where there is no browser. No other address is asked.
    fn page(&self, url: &str, cancel: &CancellationToken) -> Content {
        let Some(tools) = self.tools.get().and_then(Weak::upgrade) else {
            return Content::Words("The session is not open.".to_owned());
        };
        let Some(page) = tools.deployed_page(url) else {
            return Content::Words("It is not deployed by this session now, so nothing is asked for there.".to_owned());
        };
        // Another version of the page has another content.
        let key = format!("{} {}", page.url, page.deployment.content);
        if let Some(sheets) = self.shots.get(&key) {
            return Content::Sheets(sheets);
        }
        let made = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = cancel.cancelled() => Err("nobody looks at it any more".to_owned()),
                made = tools.page_pictures(&page) => made,
            }
        });
        let why = match made {
            Ok(pictures) => return Content::Sheets(self.shots.keep(key, pictures)),
            Err(why) => why,
        };
        match page.open_index().map_err(|error| format!("its first page cannot be read: {error}")) {
            Ok(file) => match self.look_into(file, "index.html", cancel) {
                Content::Text { text, markdown, summary, mut notes } => {
                    notes.insert(0, format!("its text only: {why}"));
                    Content::Text { text, markdown, summary, notes }
                }
                content => content,
            },
            Err(why) => not_shown(&why),
        }
    }
}

fn not_shown(why: &str) -> Content {
    Content::Words(format!("It is not shown: {why}."))
}

impl PreviewSource for Files {
    fn list(&self, paths: &[String]) -> Listing {
        let workspace = match self.workspace() {
            Ok(workspace) => workspace,
            Err(error) => {
                let closed = FileState::Closed(words(error));
                return Listing { states: vec![closed; paths.len()], others: Vec::new() };
            }
        };
        let states = paths.iter().map(|path| state(&workspace, path)).collect();
        Listing { states, others: others(&workspace) }
    }

    fn read(&self, subject: &Subject, cancel: &CancellationToken) -> Content {
        match (&subject.url, &subject.path) {
            (None, Some(path)) => self.content(path, cancel),
            (Some(url), _) => self.page(url, cancel),
            (None, None) => Content::Words("There is nothing to be seen of it here.".to_owned()),
        }
    }
}

fn words(error: WorkspaceError) -> String {
    match error {
        WorkspaceError::Missing { .. } => "it is not there any more".to_owned(),
        WorkspaceError::Outside { .. } => "it is outside the workspace".to_owned(),
        error => error.to_string(),
    }
}

fn lines(text: &str, more: bool) -> String {
    match text.lines().count() {
        1 => "1 line".to_owned(),
        count => format!("{count} lines{}", if more { " and more" } else { "" }),
    }
}

fn is_markdown(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| ["md", "markdown", "mdown"].contains(&extension.as_str()))
}

fn state(workspace: &Workspace, path: &str) -> FileState {
    let looked = workspace.resolve(path).and_then(|path| {
        let entry = workspace.metadata(&path)?;
        Ok((entry, workspace.modified(&path)?))
    });
    match looked {
        Ok((entry, modified)) => state_of(entry.kind, entry.bytes, modified),
        Err(WorkspaceError::Missing { .. }) => FileState::Gone,
        Err(error) => FileState::Closed(words(error)),
    }
}

fn state_of(kind: EntryKind, bytes: u64, modified: Option<SystemTime>) -> FileState {
    match kind {
        EntryKind::File => FileState::File { bytes, modified },
        EntryKind::Folder => FileState::Folder { modified },
        EntryKind::Link | EntryKind::Other => FileState::Closed("it is neither a file nor a folder".to_owned()),
    }
}

/// Files of the folder of results, the latest first. Hidden ones and links are nobody's results.
fn others(workspace: &Workspace) -> Vec<(String, FileState)> {
    let mut found: Vec<(String, FileState)> = Vec::new();
    let mut folders = vec![(format!("{}/{RESULTS}", workspace.mount()), 0)];
    let mut looked_at = 0;
    while let Some((folder, depth)) = folders.pop() {
        let entries = workspace.resolve(&folder).and_then(|folder| workspace.entries(&folder));
        for (name, entry) in entries.unwrap_or_default() {
            looked_at += 1;
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let path = format!("{folder}/{name}");
            match entry.kind {
                EntryKind::File => {
                    let modified = workspace.resolve(&path).and_then(|path| workspace.modified(&path));
                    found.push((path, state_of(entry.kind, entry.bytes, modified.ok().flatten())));
                }
                EntryKind::Folder if depth < DEEPEST => folders.push((path, depth + 1)),
                _ => {}
            }
        }
        if looked_at > MOST_LOOKED_AT {
            break;
        }
    }
    found.sort_by(|(one, a), (other, b)| b.modified().cmp(&a.modified()).then_with(|| one.cmp(other)));
    found.truncate(MOST_OTHERS);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNT: &str = "/mnt/okcvm-0123456789abcdef";

    #[test]
    fn files_are_told_with_size_and_age_and_nothing_outside_is() {
        let place = tempfile::tempdir().expect("folder");
        let work = place.path().join("work");
        std::fs::create_dir_all(work.join("output/deep/.hidden")).expect("folders");
        std::fs::write(place.path().join("secret.txt"), b"secret").expect("secret");
        std::fs::write(work.join("output/a.txt"), b"hello").expect("file");
        std::fs::write(work.join("output/deep/b.md"), b"# b").expect("file");
        std::fs::write(work.join("output/deep/.hidden/c.md"), b"# c").expect("file");
        std::os::unix::fs::symlink("../../secret.txt", work.join("output/link.txt")).expect("link");
        let workspace = Workspace::open(&work, MOUNT, None).expect("workspace");
        let others = others(&workspace);
        let mut paths: Vec<&str> = others.iter().map(|(path, _)| &path[MOUNT.len()..]).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["/output/a.txt", "/output/deep/b.md"]);
        let state = |path: &str| state(&workspace, path);
        assert!(matches!(state(&format!("{MOUNT}/output/a.txt")), FileState::File { bytes: 5, modified: Some(_) }));
        assert!(matches!(state(&format!("{MOUNT}/output")), FileState::Folder { modified: Some(_) }));
        assert_eq!(state(&format!("{MOUNT}/output/gone.txt")), FileState::Gone);
        for outside in [format!("{MOUNT}/output/link.txt"), format!("{MOUNT}/../secret.txt"), "/etc/passwd".to_owned()]
        {
            assert!(matches!(state(&outside), FileState::Closed(_)), "{outside}: {:?}", state(&outside));
        }
    }
}
