//! Downloads: from the browser's own folder into the workspace.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde_json::json;
use tokio::time::Instant;

use super::connection::Connection;
use super::events::{DownloadBegin, DownloadProgress};
use super::running::Running;
use super::session::Surroundings;
use super::state::{Download, DownloadState, State};
use crate::support::sanitize;
use crate::workspace::{ConfinedPath, Workspace};

/// The folder of the workspace in which downloads land.
const FOLDER: &str = "downloads";
/// Characters of a file's name.
const MOST_NAME: usize = 120;
/// Downloads that no call has taken yet.
const MOST_DOWNLOADS: usize = 20;
/// Bytes of all of them.
const MOST_DOWNLOAD: f64 = (1_u64 << 30) as f64;
/// Names that are tried.
const MOST_TRIES: usize = 1_000;

impl Running {
    /// Copies what has been downloaded into the workspace. Gives the paths, and what is to be said of the others.
    pub(super) async fn take_downloads(&self, surroundings: &Surroundings) -> (Vec<String>, Vec<String>) {
        let ended: Vec<Download> = {
            let mut state = self.watch.lock();
            let (running, ended) =
                std::mem::take(&mut state.downloads).into_iter().partition(|d| d.state == DownloadState::Running);
            state.downloads = running;
            ended
        };
        let (mut files, mut told) = (Vec::new(), Vec::new());
        for download in ended {
            let name = file_name(&download.name);
            let place = downloads_folder(surroundings).join(&download.guid);
            if download.state == DownloadState::Failed {
                let _ = std::fs::remove_file(&place);
                told.push(format!("the download of {name} from {} failed or was too large", download.url));
                continue;
            }
            let workspace = surroundings.workspace.clone();
            let moved = tokio::task::spawn_blocking(move || take(&workspace, &place, &name)).await;
            match moved.map_err(|error| error.to_string()).and_then(|moved| moved) {
                Ok(path) => files.push(path),
                Err(error) => told.push(format!("a download could not be kept: {error}")),
            }
        }
        for download in &self.watch.lock().downloads {
            let size = if download.total > 0.0 {
                format!("{:.0} of {:.0} bytes", download.received, download.total)
            } else {
                format!("{:.0} bytes so far", download.received)
            };
            let name = file_name(&download.name);
            told.push(format!("{name} is being downloaded ({size}); browser_state tells when it is there"));
        }
        (files, told)
    }
}

/// A download begins, in the place of a page or beside one.
pub(super) fn download_begins(connection: &Connection, state: &mut State, begin: DownloadBegin) {
    let DownloadBegin { guid, url, suggested_filename: name, frame_id } = begin;
    // The end of its request is told by the download alone, or before that.
    if let Some(frame) = &frame_id {
        state.tabs.iter_mut().for_each(|tab| tab.stays(frame));
    }
    // What no call has taken yet counts with all that it may become.
    if state.downloads.len() >= MOST_DOWNLOADS {
        connection.post(None, "Browser.cancelDownload", json!({"guid": guid}));
        return;
    }
    let running = DownloadState::Running;
    state.downloads.push(Download {
        guid,
        frame: frame_id,
        url: super::page::line(&url, 300),
        name,
        received: 0.0,
        total: 0.0,
        state: running,
        began: Instant::now(),
    });
}

/// More of a download has come, or it has ended.
pub(super) fn download_goes_on(connection: &Connection, state: &mut State, progress: &DownloadProgress) {
    let all: f64 = state.downloads.iter().map(|download| download.received).sum();
    let Some(download) = state.downloads.iter_mut().find(|download| download.guid == progress.guid) else { return };
    download.received = progress.received_bytes;
    download.total = progress.total_bytes;
    match progress.state.as_str() {
        "completed" => download.state = DownloadState::Done,
        "canceled" => download.state = DownloadState::Failed,
        _ if download.received.max(download.total) > MOST_DOWNLOAD || all > MOST_DOWNLOAD => {
            download.state = DownloadState::Failed;
            connection.post(None, "Browser.cancelDownload", json!({"guid": progress.guid}));
        }
        _ => {}
    }
}

/// Where the browser's downloads lie on the host.
fn downloads_folder(surroundings: &Surroundings) -> PathBuf {
    surroundings.folders.of_browser(Vec::new()).tmp.join("downloads")
}

/// Moves a file of the browser's into the workspace.
fn take(workspace: &Workspace, place: &Path, name: &str) -> Result<String, String> {
    // What lies there was put there by a browser that shows hostile pages: only a file itself is taken.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(place, flags, Mode::empty()).map_err(|error| error.to_string())?;
    let mut file = std::fs::File::from(file);
    let facts = file.metadata().map_err(|error| error.to_string())?;
    if !facts.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let kept = keep(workspace, &mut file, name);
    let _ = std::fs::remove_file(place);
    kept
}

/// Writes a download into the workspace under a name that is free, and tells its path.
pub(super) fn keep(workspace: &Workspace, content: &mut dyn Read, name: &str) -> Result<String, String> {
    let folder = workspace.resolve(FOLDER).map_err(|error| error.to_string())?;
    workspace.create_dirs(&folder).map_err(|error| error.to_string())?;
    let taken: Vec<_> = workspace.list(&folder).map_err(|error| error.to_string())?;
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 10 => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let mut names = (1..MOST_TRIES).map(|number| match number {
        1 => name.to_owned(),
        _ => format!("{stem} ({number}){extension}"),
    });
    let free = names.find(|name| taken.iter().all(|(known, _)| known != OsStr::new(name.as_str())));
    let free = free.ok_or("too many files of that name")?;
    let path: ConfinedPath = folder.join(OsStr::new(&free)).ok_or("its name is no file name")?;
    workspace.write_from(&path, content, None, true).map_err(|error| error.to_string())?;
    Ok(path.shown().to_owned())
}

/// A name that a server proposes as one that a file can have.
pub(super) fn file_name(proposed: &str) -> String {
    let line = sanitize::line(proposed);
    let kept: String = line.chars().map(|c| if matches!(c, '/' | '\\' | '\0') { '_' } else { c }).collect();
    let kept = kept.trim().trim_start_matches('.');
    let mut name: String = kept.chars().take(MOST_NAME).collect();
    if name.is_empty() {
        "download".clone_into(&mut name);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_name_becomes_one_that_stays_in_its_folder() {
        assert_eq!(file_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(file_name("report.pdf"), "report.pdf");
        assert_eq!(file_name("..."), "download");
        assert_eq!(file_name(".bashrc"), "bashrc");
        assert!(!file_name("a\u{1b}[31mb\n").contains(['\u{1b}', '\n']));
        assert_eq!(file_name(&"x".repeat(500)).len(), MOST_NAME);
    }
}
