//! A tab for a page of okcvm's own: its files are given by okcvm, and what it shows is measured and pictured.
//!
//! The page has the walls of every other: what it asks of hosts goes through the session's proxy. It stands in no list of
//! open pages, and goes with the stage.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{OwnedMutexGuard, mpsc};

use super::go::Rest;
use super::process::Works;
use super::program::Program;
use super::running::{Evaluated, Running};
use super::session::{Browser, Surroundings};
use super::{BrowserError, page};
use crate::browser::connection::Connection;

/// Requests that wait for their file; a page that asks for more at once goes without.
const MOST_WAITING: usize = 1_000;
/// Addresses that did not come and are told.
const MOST_FAILED: usize = 100;
/// How long a picture may take.
const PICTURE_LIMIT: Duration = Duration::from_secs(20);

/// What is given for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Gives what lies at an address. It may block.
pub type Give = Arc<dyn Fn(&str) -> Given + Send + Sync>;

/// What a page of a stage is made of.
pub struct Scenery {
    /// The window, in CSS pixels.
    pub size: (u32, u32),
    /// Addresses that are given by okcvm, `*` for any characters.
    pub addresses: Vec<String>,
    /// What is given for them.
    pub give: Give,
    /// A script that runs in the page before its own.
    pub prelude: String,
}

impl fmt::Debug for Scenery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenery").field("size", &self.size).field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// A part of a page, in CSS pixels of the document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Pixels of the picture for one of the page.
    pub scale: f64,
}

/// What the watch keeps for the tab of a stage.
#[derive(Debug)]
pub(super) struct Backstage {
    asked: mpsc::Sender<Paused>,
    urls: HashMap<String, String>,
    failed: Vec<String>,
}

/// A request that waits.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Paused {
    request_id: String,
    request: Wanted,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    url: String,
}

impl Backstage {
    /// A request was caught. False where it cannot wait.
    pub(super) fn caught(&self, paused: Paused) -> bool {
        self.asked.try_send(paused).is_ok()
    }

    /// A request goes out.
    pub(super) fn asks(&mut self, request: &str, url: &str) {
        if self.urls.len() < 10 * MOST_FAILED && url.starts_with("http") {
            self.urls.insert(request.to_owned(), url.to_owned());
        }
    }

    /// It came to its end, or did not.
    pub(super) fn came(&mut self, request: &str, well: bool) {
        if let Some(url) = self.urls.remove(request)
            && !well
            && self.failed.len() < MOST_FAILED
            && !self.failed.contains(&url)
        {
            self.failed.push(url);
        }
    }
}

/// A tab of one's own. Other calls to the browser wait until it is dropped.
#[derive(Debug)]
pub struct Stage {
    running: OwnedMutexGuard<Option<Running>>,
    browser: Browser,
    target: String,
    session: String,
    _works: Works,
}

impl Stage {
    /// Opens it; the browser is started where it does not run.
    pub async fn open(
        browser: &Browser,
        program: &Program,
        surroundings: &Surroundings,
        scenery: Scenery,
    ) -> Result<Self, BrowserError> {
        let running = browser.ready(program, surroundings).await?;
        let Some(there) = running.as_ref() else { return Err(BrowserError::Start("it is not there".to_owned())) };
        let works = there.process.works();
        let target = there.new_tab().await?;
        let session = there.session_of(&target)?;
        let stage = Self { running, browser: browser.clone(), target, session, _works: works };
        stage.set(scenery).await?;
        Ok(stage)
    }

    fn there(&self) -> Result<&Running, BrowserError> {
        self.running.as_ref().ok_or_else(|| BrowserError::Gone("the browser has ended".to_owned()))
    }

    async fn set(&self, scenery: Scenery) -> Result<(), BrowserError> {
        let there = self.there()?;
        let Scenery { size: (width, height), addresses, give, prelude } = scenery;
        let (asked, waiting) = mpsc::channel(MOST_WAITING);
        let backstage = Backstage { asked, urls: HashMap::new(), failed: Vec::new() };
        there.watch.tab(&self.target, |tab| tab.backstage = Some(backstage));
        tokio::spawn(answer(there.connection.clone(), self.session.clone(), waiting, give));
        let patterns: Vec<Value> = addresses.iter().map(|address| json!({"urlPattern": address})).collect();
        self.call::<Value>("Fetch.enable", json!({"patterns": patterns})).await?;
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call::<Value>("Emulation.setDeviceMetricsOverride", screen).await?;
        self.call::<Value>("Page.addScriptToEvaluateOnNewDocument", json!({"source": prelude})).await?;
        Ok(())
    }

    async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, BrowserError> {
        self.there()?.connection.call(Some(&self.session), method, params).await
    }

    /// Goes to an address. False where the page does not come to rest.
    pub async fn go(&self, url: &str) -> Result<bool, BrowserError> {
        match self.there()?.go(&self.target, url).await? {
            Rest::Quiet => Ok(true),
            Rest::Restless => Ok(false),
            Rest::Download => Err(BrowserError::NotLoaded("the page is a file to download".to_owned())),
            Rest::Closed => Err(BrowserError::Gone("the page closed itself".to_owned())),
        }
    }

    /// Lets no script of the page run any more.
    pub async fn stop_scripts(&self) -> Result<(), BrowserError> {
        let there = self.there()?;
        // A script that runs holds the other one up.
        there.connection.post(Some(&self.session), "Runtime.terminateExecution", json!({}));
        self.call::<Value>("Emulation.setScriptExecutionDisabled", json!({"value": true})).await?;
        there.connection.post(Some(&self.session), "Page.stopLoading", json!({}));
        Ok(())
    }

    /// Evaluates an expression in a world of okcvm's own, in which the page changes nothing.
    pub async fn evaluate<T: DeserializeOwned>(&self, expression: &str, limit: Duration) -> Result<T, BrowserError> {
        self.there()?.evaluate(&self.target, expression, limit).await
    }

    /// Evaluates an expression in the world of the page, which may answer anything.
    pub async fn ask_page<T: DeserializeOwned>(&self, expression: &str, limit: Duration) -> Result<T, BrowserError> {
        let wanted = json!({"expression": expression, "returnByValue": true});
        let connection = &self.there()?.connection;
        let answer =
            connection.call_within::<Evaluated<T>>(limit, Some(&self.session), "Runtime.evaluate", wanted).await?;
        answer.value()
    }

    /// Whether what the page does not paint is left clear in pictures.
    pub async fn clear(&self, clear: bool) -> Result<(), BrowserError> {
        let colour = if clear { json!({"color": {"r": 0, "g": 0, "b": 0, "a": 0}}) } else { json!({}) };
        self.call::<Value>("Emulation.setDefaultBackgroundColorOverride", colour).await.map(drop)
    }

    /// A picture of a part of the page: PNG, or JPEG of a quality.
    pub async fn picture(&self, clip: Clip, jpeg: Option<u8>) -> Result<Vec<u8>, BrowserError> {
        #[derive(Deserialize)]
        struct Shot {
            data: String,
        }
        let Clip { x, y, width, height, scale } = clip;
        let mut wanted = json!({
            "format": if jpeg.is_some() { "jpeg" } else { "png" },
            "captureBeyondViewport": true,
            "clip": {"x": x, "y": y, "width": width, "height": height, "scale": scale},
        });
        if let Some(quality) = jpeg {
            wanted["quality"] = json!(quality);
        }
        let connection = &self.there()?.connection;
        let shot: Shot =
            connection.call_within(PICTURE_LIMIT, Some(&self.session), "Page.captureScreenshot", wanted).await?;
        BASE64_STANDARD
            .decode(shot.data)
            .map_err(|error| BrowserError::Refused(format!("a picture of the page cannot be read: {error}")))
    }

    /// Addresses that the page asked for in vain.
    pub fn failed(&self) -> Vec<String> {
        let failed = self.there().ok().and_then(|there| {
            there.watch.tab(&self.target, |tab| tab.backstage.as_ref().map(|backstage| backstage.failed.clone()))
        });
        failed.flatten().unwrap_or_default().iter().map(|url| page::line(url, 300)).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(there) = self.running.as_ref() {
            // What computes for ever does not close.
            there.connection.post(Some(&self.session), "Runtime.terminateExecution", json!({}));
            let opened: Vec<String> = {
                let state = there.watch.lock();
                let of_it = state.tabs.iter().filter(|tab| tab.opener.as_deref() == Some(&self.target));
                of_it.map(|tab| tab.target.clone()).collect()
            };
            for target in opened.iter().chain([&self.target]) {
                there.connection.post(None, "Target.closeTarget", json!({"targetId": target}));
            }
        }
        self.browser.rest_later();
    }
}

/// Bytes that are given to one page.
const MOST_GIVEN: usize = 500 << 20;

/// Answers what the page asks for, one after the other, until its tab is gone.
async fn answer(connection: Connection, session: String, mut waiting: mpsc::Receiver<Paused>, give: Give) {
    let mut left = MOST_GIVEN;
    while let Some(Paused { request_id, request }) = waiting.recv().await {
        let give = Arc::clone(&give);
        let given = tokio::task::spawn_blocking(move || give(&request.url)).await;
        let nothing = |status| Given { status, media_type: String::new(), bytes: Vec::new() };
        let mut given = given.unwrap_or_else(|_| nothing(500));
        match left.checked_sub(given.bytes.len()) {
            Some(rest) => left = rest,
            None => given = nothing(404),
        }
        let header = |name: &str, value: &str| json!({"name": name, "value": value});
        let headers = vec![
            header("Content-Type", &given.media_type),
            header("Access-Control-Allow-Origin", "*"),
            header("Cache-Control", "no-store"),
        ];
        let answer = json!({
            "requestId": request_id,
            "responseCode": given.status,
            "responseHeaders": headers,
            "body": BASE64_STANDARD.encode(&given.bytes),
        });
        // One after the other: what the browser has not taken yet would lie in this process. A tab that is gone refuses it.
        let _: Result<serde_json::Value, _> = connection.call(Some(&session), "Fetch.fulfillRequest", answer).await;
    }
}
