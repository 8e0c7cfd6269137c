//! What is known of the browser: its tabs, how far their pages are, its downloads.

use std::collections::HashMap;

use serde::Deserialize;
use tokio::time::Instant;

/// Things that happened to a tab and were not told yet.
const MOST_NOTICES: usize = 20;

/// What is known of the browser.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) tabs: Vec<Tab>,
    pub(super) downloads: Vec<Download>,
    /// Which tab a session of the protocol belongs to, and the frame that it is for where it is not the tab itself.
    pub(super) sessions: HashMap<String, (String, Option<String>)>,
}

/// A tab.
#[derive(Debug)]
pub(super) struct Tab {
    /// The browser's name for it.
    pub(super) target: String,
    /// The session that drives it.
    pub(super) session: String,
    /// The tab that opened it, if a page did.
    pub(super) opener: Option<String>,
    pub(super) url: String,
    pub(super) title: String,
    /// Frames of other processes: session, and the frame's name.
    pub(super) frames: Vec<(String, String)>,
    pub(super) load: Load,
    /// Requests that are under way, and since when.
    pub(super) requests: HashMap<String, Instant>,
    /// The request for the page that comes next.
    pub(super) heading: Option<String>,
    /// When the last one began or ended.
    pub(super) stirred: Instant,
    /// How the page's own request was answered.
    pub(super) response: Option<Response>,
    pub(super) crashed: bool,
    /// What the next call tells.
    pub(super) notices: Vec<String>,
    pub(super) dialogs: u32,
    /// Dialogs came without end, and so its scripts were stopped.
    pub(super) stopped: bool,
}

/// How far a page is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// The browser's name for this load.
    pub(super) loader: String,
    /// `DOMContentLoaded`.
    pub(super) parsed: bool,
    /// `load`.
    pub(super) loaded: bool,
}

/// How the request for a page was answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    #[serde(default)]
    pub(super) status: u16,
    #[serde(default)]
    pub(super) mime_type: String,
}

/// A download.
#[derive(Debug, Clone)]
pub(super) struct Download {
    pub(super) guid: String,
    pub(super) url: String,
    /// The name that the server proposes.
    pub(super) name: String,
    pub(super) received: f64,
    pub(super) total: f64,
    pub(super) state: DownloadState,
    pub(super) began: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DownloadState {
    Running,
    Done,
    Failed,
}

impl Tab {
    pub(super) fn new(target: String, session: String, opener: Option<String>, url: String) -> Self {
        Self {
            target,
            session,
            opener,
            url,
            title: String::new(),
            frames: Vec::new(),
            load: Load::default(),
            requests: HashMap::new(),
            heading: None,
            stirred: Instant::now(),
            response: None,
            crashed: false,
            notices: Vec::new(),
            dialogs: 0,
            stopped: false,
        }
    }

    /// Requests that are under way and began since then. Others, such as those that wait for news, may go on for ever.
    pub(super) fn requests_since(&self, then: Instant) -> usize {
        self.requests.values().filter(|began| **began >= then).count()
    }

    /// Whether another page was asked for and has not come yet.
    pub(super) fn is_leaving(&self) -> bool {
        self.heading.is_some()
    }

    /// A call begins: what was told is forgotten, dialogs are counted anew.
    pub(super) fn begin(&mut self) {
        self.dialogs = 0;
        self.stopped = false;
    }

    /// The page is about to be left for another.
    pub(super) fn leave(&mut self) {
        self.response = None;
        self.load = Load::default();
        self.requests.clear();
        self.heading = None;
        self.crashed = false;
        self.stirred = Instant::now();
    }

    pub(super) fn notice(&mut self, notice: String) {
        if self.notices.len() < MOST_NOTICES && self.notices.last() != Some(&notice) {
            self.notices.push(notice);
        }
    }
}
