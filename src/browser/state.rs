//! What is known of the browser: its tabs, how far their pages are, its downloads.

use std::collections::HashMap;

use reqwest::Url;
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
    /// Whether it hears what it is told, and can be sent elsewhere.
    pub(super) ready: bool,
    /// The tab that opened it, if a page did.
    pub(super) opener: Option<String>,
    pub(super) url: String,
    pub(super) title: String,
    /// Frames of other processes: session, and the frame's name.
    pub(super) frames: Vec<(String, String)>,
    pub(super) load: Load,
    /// Requests that are under way.
    pub(super) requests: HashMap<String, Request>,
    /// The request for the page that comes next, and when it began.
    pub(super) heading: Option<(String, Instant)>,
    /// When the last one began or ended.
    pub(super) stirred: Instant,
    /// How the page's own request was answered.
    pub(super) response: Option<Response>,
    pub(super) crashed: bool,
    /// What the next call tells.
    pub(super) notices: Vec<String>,
    pub(super) dialogs: u32,
    /// A call has given it a number.
    pub(super) adopted: bool,
    /// It shows a page of okcvm's own.
    pub(super) backstage: Option<super::stage::Backstage>,
}

/// A request of a page that is under way.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) began: Instant,
    /// The frame whose next page it fetches.
    pub(super) page_of: Option<String>,
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
    url: String,
    #[serde(default)]
    headers: Headers,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Headers {
    #[serde(rename = "proxy-status", alias = "Proxy-Status")]
    proxy_status: Option<String>,
}

impl Response {
    /// Whether the session's proxy answered instead of the server.
    pub(super) fn is_of_proxy(&self) -> bool {
        let said = self.headers.proxy_status.as_deref();
        said.is_some_and(|said| Url::parse(&self.url).is_ok_and(|url| super::is_of_proxy(&url, said)))
    }
}

/// What is known of a page that is about to be left.
pub(super) type Left = (Load, Option<Response>);

/// A download.
#[derive(Debug, Clone)]
pub(super) struct Download {
    pub(super) guid: String,
    /// The frame that asked for it.
    pub(super) frame: Option<String>,
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
            ready: false,
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
            adopted: false,
            backstage: None,
        }
    }

    /// Requests that are under way and began since then. Others, such as those that wait for news, may go on for ever.
    pub(super) fn requests_since(&self, then: Instant) -> usize {
        self.requests.values().filter(|request| request.began >= then).count()
    }

    /// Whether another page was asked for since then and has not come yet.
    pub(super) fn is_leaving_since(&self, then: Instant) -> bool {
        self.heading.as_ref().is_some_and(|(_, began)| *began >= then)
    }

    /// The page that a frame asked for is there. The end of its request is not told where it came into another process.
    pub(super) fn page_came(&mut self, frame: &str, loader: &str) {
        let came = |name: &str, request: &Request| {
            // Such a request has the name of its load.
            request.page_of.as_deref() == Some(frame) && name.rsplit('/').next() == Some(loader)
        };
        self.requests.retain(|name, request| !came(name, request));
    }

    /// Nothing of the page is loading any more.
    pub(super) fn stopped_loading(&mut self) {
        (self.load.parsed, self.load.loaded) = (true, true);
        self.heading = None;
        self.requests.retain(|_, request| request.page_of.is_none());
        self.stirred = Instant::now();
    }

    /// What was to be the next page of a frame is a file to download: the page that is there stays.
    pub(super) fn stays(&mut self, frame: &str) {
        if frame == self.target {
            self.heading = None;
        }
        self.requests.retain(|_, request| request.page_of.as_deref() != Some(frame));
        self.stirred = Instant::now();
    }

    /// A call begins: dialogs are counted anew.
    pub(super) fn begin(&mut self) {
        self.dialogs = 0;
    }

    /// The page is about to be left for another. Gives what is to be put back where it stays after all.
    pub(super) fn leave(&mut self) -> Left {
        let left = (std::mem::take(&mut self.load), self.response.take());
        self.requests.clear();
        self.heading = None;
        self.crashed = false;
        self.stirred = Instant::now();
        left
    }

    /// No other page has come.
    pub(super) fn stay(&mut self, (load, response): Left) {
        if self.load == Load::default() {
            (self.load, self.response) = (load, response);
        }
    }

    pub(super) fn notice(&mut self, notice: String) {
        if self.notices.len() < MOST_NOTICES && self.notices.last() != Some(&notice) {
            self.notices.push(notice);
        }
    }

    /// Told however much there is to tell.
    pub(super) fn warn(&mut self, notice: String) {
        if !self.notices.contains(&notice) {
            self.notices.truncate(MOST_NOTICES);
            self.notices.push(notice);
        }
    }
}
