//! A browser that runs: one call from its beginning to its end.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::Connection;
use super::go::Rest;
use super::page;
use super::process::Process;
use super::program::Program;
use super::session::{Action, Place, Seen, Surroundings};
use super::tabs::Open;
use super::watch::Watch;
use super::{BrowserError, pass};
use crate::config::schema::NetworkMode;
use crate::sandbox::SandboxSession;

/// The window, in CSS pixels.
const SIZE: (u32, u32) = (1280, 1200);
/// How long a call waits for downloads that it began.
pub(super) const DOWNLOAD: Duration = Duration::from_secs(5);
/// How long a browser whose page has gone may take to go too.
pub(super) const END: Duration = Duration::from_millis(500);

/// A browser that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) process: Process,
    pub(super) connection: Connection,
    pub(super) watch: Watch,
    pub(super) size: (u32, u32),
    pub(super) sandbox: SandboxSession,
    /// The network that it was started with.
    network: NetworkMode,
    /// Tabs with a number, the latest last.
    pub(super) open: Vec<Open>,
    pub(super) last_call: Instant,
    /// What the next call tells of how it began.
    pub(super) news: Vec<String>,
}

/// What new frames and tabs are attached with.
pub(super) fn attach_frames() -> Value {
    json!({
        "autoAttach": true,
        "waitForDebuggerOnStart": true,
        "flatten": true,
        "filter": [{"type": "page"}, {"type": "iframe"}, {"exclude": true}],
    })
}

impl Running {
    pub(super) async fn start(program: &Program, surroundings: &Surroundings) -> Result<Self, BrowserError> {
        let (sandbox, folders) = surroundings.of_browser(program.mounted.clone()).await?;
        let network = sandbox.network_mode();
        let (process, connection, events) = Process::start(&sandbox, program, SIZE).await?;
        let events = pass::let_through(&connection, events, &surroundings.network).await?;
        let watch = Watch::start(connection.clone(), events, SIZE);
        let downloads = if sandbox.sandbox().remounts() {
            PathBuf::from(super::process::DOWNLOADS)
        } else {
            folders.tmp.join("downloads")
        };
        let allowed = json!({"behavior": "allowAndName", "downloadPath": downloads, "eventsEnabled": true});
        connection.call::<Value>(None, "Browser.setDownloadBehavior", allowed).await?;
        connection.call::<Value>(None, "Target.setDiscoverTargets", json!({"discover": true})).await?;
        connection.call::<Value>(None, "Target.setAutoAttach", attach_frames()).await?;
        if process.bare {
            tracing::warn!("the browser runs without its own inner sandbox; the one around it is active");
        }
        let (open, news) = (Vec::new(), Vec::new());
        Ok(Self { process, connection, watch, size: SIZE, sandbox, network, open, last_call: Instant::now(), news })
    }

    /// Whether it was started with another network than the present one.
    pub(super) fn has_other_network(&self) -> bool {
        self.network != self.sandbox.network_mode()
    }

    /// Ends it, and its sandbox.
    pub(super) async fn end(self) {
        self.process.end().await;
        self.sandbox.close().await;
    }

    /// Why it has ended, if it has.
    pub(super) fn ended(&self) -> Option<String> {
        let by_process = self.process.ended().map(|why| why.to_string());
        by_process.or_else(|| self.connection.has_ended().then(|| "the browser has ended".to_owned()))
    }

    /// The session that drives a tab.
    pub(super) fn session_of(&self, target: &str) -> Result<String, BrowserError> {
        let session = self.watch.tab(target, |tab| tab.session.clone());
        session.ok_or_else(|| BrowserError::Gone("the page was closed".to_owned()))
    }

    /// Evaluates an expression in a world of okcvm's own, in which a page changes nothing.
    pub(super) async fn evaluate<T: DeserializeOwned>(
        &self,
        target: &str,
        expression: &str,
        limit: Duration,
    ) -> Result<T, BrowserError> {
        let session = self.session_of(target)?;
        self.evaluate_in(&session, target, expression, limit).await
    }

    /// The same in one of its frames.
    pub(super) async fn evaluate_in<T: DeserializeOwned>(
        &self,
        session: &str,
        frame: &str,
        expression: &str,
        limit: Duration,
    ) -> Result<T, BrowserError> {
        let context = self.world(session, frame).await?;
        let wanted = json!({
            "expression": expression, "contextId": context, "awaitPromise": true, "returnByValue": true,
        });
        let answer = self.connection.call_within::<Evaluated<T>>(limit, Some(session), "Runtime.evaluate", wanted);
        answer.await?.value()
    }

    /// okcvm's own world in a frame.
    pub(super) async fn world(&self, session: &str, frame: &str) -> Result<i64, BrowserError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct World {
            execution_context_id: i64,
        }
        let wanted = json!({"frameId": frame, "worldName": "okcvm"});
        let world: World = self.connection.call(Some(session), "Page.createIsolatedWorld", wanted).await?;
        Ok(world.execution_context_id)
    }

    /// One call from its beginning to its end.
    pub(super) async fn act(
        &mut self,
        surroundings: &Surroundings,
        place: Place,
        action: Action,
    ) -> Result<Seen, BrowserError> {
        let since = Instant::now();
        // What opened since the last call.
        self.adopt(surroundings);
        let known: Vec<String> = self.watch.lock().tabs.iter().map(|tab| tab.target.clone()).collect();
        let mut rest = Rest::Quiet;
        let (mut target, fresh) = self.page(surroundings, &place, &action).await?;
        self.watch.tab(&target, super::state::Tab::begin);
        let mut loading = Loading::of(self, &target);
        self.connection.post(None, "Target.activateTarget", json!({"targetId": target}));
        if let Some(url) = fresh {
            let mut gone = self.go(&target, &url).await;
            if matches!(gone, Err(BrowserError::Gone(_))) && !self.process.ends_within(END).await {
                // A page that crashed may do so by chance, on a machine with much to do above all.
                target = self.fresh_tab(&target).await?;
                loading.target.clone_from(&target);
                gone = self.go(&target, &url).await;
            }
            match gone {
                Ok(rested) => rest = rested,
                Err(error) => {
                    self.close_empty(&target);
                    return Err(error);
                }
            }
            if rest == Rest::Download && self.is_empty(&target) {
                return self.only_download(surroundings, &target, url, since).await;
            }
        }
        let (mut refused, mut done) = (None, None);
        let url = self.url_of(&target);
        match self.perform(surroundings, &target, &action).await {
            Ok(said) => done = said,
            Err(BrowserError::Refused(why) | BrowserError::Slow(why)) => refused = Some(why),
            Err(error) => return Err(error),
        }
        if !matches!(action, Action::Visit | Action::Look) {
            rest = self.rest(&target, since).await?;
            if self.url_of(&target) != url {
                // It is no longer what was asked for.
                self.open.iter_mut().filter(|open| open.target == target).for_each(|open| open.asked.clear());
            }
        }
        // What it opened is what the model wants to see.
        let opened = {
            let state = self.watch.lock();
            let by_this = |tab: &&super::state::Tab| {
                !known.contains(&tab.target) && tab.opener.as_deref() == Some(target.as_str())
            };
            state.tabs.iter().rev().find(by_this).map(|tab| tab.target.clone())
        };
        let mut told: Vec<String> = self.watch.tab(&target, |tab| std::mem::take(&mut tab.notices)).unwrap_or_default();
        self.adopt(surroundings);
        if let Some(opened) = opened {
            let shown = self.rest(&opened, since).await?;
            if shown == Rest::Closed {
                told.push("the tab that it opened has closed itself again".to_owned());
            } else {
                (target, rest) = (opened, shown);
            }
        }
        if rest == Rest::Closed {
            told.push("the page closed itself".to_owned());
            let left = self.open.iter().rev().map(|open| open.target.clone()).find(|open| *open != target);
            target =
                left.ok_or_else(|| BrowserError::Gone("the page closed itself, and no other is open".to_owned()))?;
        }
        self.watch.downloaded(since, Instant::now() + DOWNLOAD).await;
        let mut seen = self.show(surroundings, &target).await?;
        if rest == Rest::Restless {
            told.push("the page still loads or keeps changing; this is what is there by now".to_owned());
        }
        told.append(&mut seen.notices);
        (seen.notices, seen.done) = (told, done);
        seen.refused = refused.or(seen.refused);
        loading.keep();
        let (files, running) = self.take_downloads(surroundings).await;
        seen.downloads = files;
        seen.notices.extend(running);
        Ok(seen)
    }
}

/// Lets no page load on whose call was stopped.
struct Loading {
    connection: Connection,
    watch: Watch,
    target: String,
    goes_on: bool,
}

impl Loading {
    fn of(running: &Running, target: &str) -> Self {
        let (connection, watch) = (running.connection.clone(), running.watch.clone());
        Self { connection, watch, target: target.to_owned(), goes_on: false }
    }

    /// The call came to its end.
    fn keep(mut self) {
        self.goes_on = true;
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if self.goes_on {
            return;
        }
        let loads =
            |tab: &mut super::state::Tab| (!tab.load.loaded || tab.heading.is_some()).then(|| tab.session.clone());
        if let Some(session) = self.watch.tab(&self.target, loads).flatten() {
            self.connection.post(Some(&session), "Page.stopLoading", json!({}));
        }
    }
}

/// What an expression gave.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Evaluated<T> {
    result: Remote<T>,
    exception_details: Option<Exception>,
}

#[derive(Deserialize)]
struct Remote<T> {
    value: Option<T>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(default)]
    text: String,
    exception: Option<Thrown>,
}

#[derive(Deserialize)]
struct Thrown {
    description: Option<String>,
}

impl<T> Evaluated<T> {
    pub(super) fn value(self) -> Result<T, BrowserError> {
        if let Some(Exception { text, exception }) = self.exception_details {
            let said = exception.and_then(|thrown| thrown.description).unwrap_or(text);
            return Err(BrowserError::Refused(format!(
                "the page does not let that be done: {}",
                page::line(&said, 200)
            )));
        }
        self.result.value.ok_or_else(|| BrowserError::Refused("the page gave nothing back".to_owned()))
    }
}
