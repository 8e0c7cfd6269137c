//! What happens in the browser by itself: tabs that open and close, pages that load, dialogs, downloads, crashes. One task
//! takes every event as it comes, also between calls; calls look at what it knows and wait for it to change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::connection::{Connection, Event};
use super::events::{
    Attached, Dialog, DownloadBegin, DownloadProgress, Lifecycle, Navigated, RequestEvent, TargetInfo,
};
use super::page::line;
use super::state::{Download, DownloadState, Load, Request, State, Tab};
use super::{BrowserError, files};

/// Dialogs of one page that are answered before its scripts are stopped.
const MOST_DIALOGS: u32 = 20;
/// Requests of a page that are followed.
const MOST_REQUESTS: usize = 2_000;
/// Tabs that pages may open by themselves and keep.
const MOST_POPUPS: usize = 8;

/// What is known, shared by the task and by calls.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    state: Arc<Mutex<State>>,
    changed: watch::Receiver<u64>,
}

impl Watch {
    /// Follows these events.
    pub(super) fn start(connection: Connection, mut events: mpsc::Receiver<Event>, size: (u32, u32)) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let (change, changed) = watch::channel(0);
        let change = Arc::new(change);
        let mut task = Task { connection, state: Arc::clone(&state), size, change: Arc::clone(&change) };
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                task.take(&event);
                change.send_modify(|count| *count += 1);
            }
        });
        Self { state, changed }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a tab; `None` where it is gone.
    pub(super) fn tab<T>(&self, target: &str, look: impl FnOnce(&mut Tab) -> T) -> Option<T> {
        self.lock().tabs.iter_mut().find(|tab| tab.target == target).map(look)
    }

    /// Waits until something is so; nothing when the browser ends before.
    pub(super) async fn until<T>(&self, mut so: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let mut changed = self.changed.clone();
        loop {
            changed.borrow_and_update();
            if let Some(found) = so(&mut self.lock()) {
                return Some(found);
            }
            changed.changed().await.ok()?;
        }
    }

    /// Whether a download runs.
    pub(super) fn downloads(&self) -> bool {
        self.lock().downloads.iter().any(|download| download.state == DownloadState::Running)
    }

    /// Waits until no download runs that began since then, or until a moment.
    pub(super) async fn downloaded(&self, since: Instant, until: Instant) {
        let done = self.until(|state| {
            let runs = |download: &Download| download.state == DownloadState::Running && download.began >= since;
            (!state.downloads.iter().any(runs)).then_some(())
        });
        // What runs on is told as running.
        let _ = tokio::time::timeout_at(until, done).await;
    }

    /// Waits for the next event, or until a moment.
    pub(super) async fn stir(&self, until: Instant) {
        let mut changed = self.changed.clone();
        changed.borrow_and_update();
        let _ = tokio::time::timeout_at(until, changed.changed()).await;
    }
}

struct Task {
    connection: Connection,
    state: Arc<Mutex<State>>,
    size: (u32, u32),
    change: Arc<watch::Sender<u64>>,
}

impl Task {
    /// Takes one event. Never waits.
    fn take(&mut self, event: &Event) {
        let state = Arc::clone(&self.state);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let session = event.session.as_deref();
        match event.method.as_str() {
            "Target.attachedToTarget" => {
                if let Some(attached) = event.params::<Attached>() {
                    self.attached(&mut state, session, attached);
                }
            }
            "Target.detachedFromTarget" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Detached {
                    session_id: String,
                }
                if let Some(Detached { session_id }) = event.params() {
                    detached(&mut state, &session_id);
                }
            }
            "Target.targetInfoChanged" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Changed {
                    target_info: TargetInfo,
                }
                if let Some(Changed { target_info: info }) = event.params::<Changed>()
                    && let Some(tab) = state.tabs.iter_mut().find(|tab| tab.target == info.target_id)
                {
                    tab.title = info.title;
                    tab.url = info.url;
                }
            }
            "Target.targetCrashed" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Crashed {
                    target_id: String,
                }
                if let Some(Crashed { target_id }) = event.params()
                    && let Some(tab) = state.tabs.iter_mut().find(|tab| tab.target == target_id)
                {
                    tab.crashed = true;
                }
            }
            "Browser.downloadWillBegin" => {
                if let Some(begin) = event.params::<DownloadBegin>() {
                    files::download_begins(&self.connection, &mut state, begin);
                }
            }
            "Browser.downloadProgress" => {
                if let Some(progress) = event.params::<DownloadProgress>() {
                    files::download_goes_on(&self.connection, &mut state, &progress);
                }
            }
            _ => self.of_page(&mut state, event),
        }
    }

    fn of_page(&self, state: &mut State, event: &Event) {
        let Some(session) = event.session.as_deref() else { return };
        let Some((target, _)) = state.sessions.get(session) else { return };
        let Some(tab) = state.tabs.iter_mut().find(|tab| tab.target == *target) else { return };
        // What a request is called is unique only within its session.
        let request = |id: &str| format!("{session}/{id}");
        match event.method.as_str() {
            "Inspector.targetCrashed" if session == tab.session => tab.crashed = true,
            "Page.lifecycleEvent" => {
                let Some(Lifecycle { frame_id, loader_id, name }) = event.params() else { return };
                if name == "DOMContentLoaded" {
                    tab.page_came(&frame_id, &loader_id);
                }
                if frame_id != tab.target {
                    return;
                }
                if tab.load.loader != loader_id {
                    // What a fresh page tells of its empty beginning is not the load that is waited for.
                    if name != "init" && name != "commit" {
                        return;
                    }
                    tab.load = Load { loader: loader_id, ..Load::default() };
                    tab.heading = None;
                }
                match name.as_str() {
                    "DOMContentLoaded" => tab.load.parsed = true,
                    "load" => tab.load.loaded = true,
                    _ => {}
                }
            }
            "Page.frameStoppedLoading" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Stopped {
                    frame_id: String,
                }
                // The browser's own word, which comes also where a page tells nothing.
                if event.params().is_some_and(|Stopped { frame_id }| frame_id == tab.target) {
                    tab.stopped_loading();
                }
            }
            "Page.frameNavigated" => {
                let Some(Navigated { frame }) = event.params() else { return };
                if frame.parent_id.is_none() && frame.id == tab.target {
                    tab.url = frame.url + &frame.url_fragment;
                }
            }
            "Page.navigatedWithinDocument" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Within {
                    frame_id: String,
                    url: String,
                }
                if let Some(Within { frame_id, url }) = event.params()
                    && frame_id == tab.target
                {
                    tab.url = url;
                }
            }
            "Page.javascriptDialogOpening" => {
                if let Some(dialog) = event.params::<Dialog>() {
                    self.dialog(tab, session, &dialog);
                }
            }
            "Page.fileChooserOpened" => {
                tab.notice("the page asks for a file: give its path to the file element with browser_input".to_owned());
            }
            "Fetch.requestPaused" => {
                let caught = |paused| tab.backstage.as_ref().is_some_and(|backstage| backstage.caught(paused));
                if !event.params().is_some_and(caught) {
                    tab.notice("the page asks for more at once than is given".to_owned());
                }
            }
            "Network.requestWillBeSent" => {
                let Some(RequestEvent { request_id, kind, frame_id, request: wanted, .. }) = event.params() else {
                    return;
                };
                if let (Some(backstage), Some(wanted)) = (&mut tab.backstage, &wanted) {
                    backstage.asks(&request_id, &wanted.url);
                }
                let page_of = frame_id.filter(|_| kind.as_deref() == Some("Document"));
                if page_of.as_deref() == Some(&tab.target) {
                    tab.heading = Some((request_id.clone(), Instant::now()));
                }
                // What stays open by its nature is not waited for.
                let lasts =
                    matches!(kind.as_deref(), Some("EventSource" | "WebSocket" | "Ping" | "Media" | "Prefetch"));
                // Of what the page holds itself no end is told.
                let comes = wanted.is_some_and(|wanted| wanted.url.starts_with("http"));
                if comes && !lasts && tab.requests.len() < MOST_REQUESTS {
                    tab.requests.insert(request(&request_id), Request { began: Instant::now(), page_of });
                    tab.stirred = Instant::now();
                }
            }
            "Network.responseReceived" => {
                let Some(RequestEvent { request_id, kind, frame_id, response, .. }) = event.params() else { return };
                if let (Some(backstage), Some(response)) = (&mut tab.backstage, &response)
                    && response.status >= 400
                {
                    backstage.came(&request_id, false);
                }
                if kind.as_deref() == Some("Document") && frame_id.as_deref() == Some(&tab.target) {
                    tab.response = response;
                }
            }
            "Network.loadingFinished" | "Network.loadingFailed" => {
                let Some(RequestEvent { request_id, .. }) = event.params() else { return };
                if let Some(backstage) = &mut tab.backstage {
                    backstage.came(&request_id, event.method == "Network.loadingFinished");
                }
                tab.heading.take_if(|(heading, _)| *heading == request_id);
                if tab.requests.remove(&request(&request_id)).is_some() {
                    tab.stirred = Instant::now();
                }
            }
            _ => {}
        }
    }

    fn attached(&self, state: &mut State, parent: Option<&str>, attached: Attached) {
        let Attached { session_id: session, target_info: info } = attached;
        let connection = &self.connection;
        let post = |method: &str, params: Value| connection.post(Some(&session), method, params);
        match info.kind.as_str() {
            "page" => {
                if state.tabs.iter().any(|tab| tab.target == info.target_id) {
                    return;
                }
                let popups = state.tabs.iter().filter(|tab| tab.opener.is_some() && !tab.adopted).count();
                if let Some(opener) = &info.opener_id {
                    let opener = state.tabs.iter_mut().find(|tab| tab.target == *opener);
                    let shut = popups >= MOST_POPUPS;
                    if let Some(opener) = opener {
                        opener.notice(if shut {
                            format!("the page opened more than {MOST_POPUPS} tabs at once; further ones are closed")
                        } else {
                            "the page opened a new tab".to_owned()
                        });
                    }
                    if shut {
                        connection.post(None, "Target.closeTarget", json!({"targetId": info.target_id}));
                        return;
                    }
                }
                let target = info.target_id;
                self.show(&session);
                state.tabs.push(Tab::new(target.clone(), session.clone(), info.opener_id, info.url));
                state.sessions.insert(session.clone(), (target, None));
            }
            "iframe" => {
                let Some((target, _)) = parent.and_then(|parent| state.sessions.get(parent)).cloned() else { return };
                state.sessions.insert(session.clone(), (target.clone(), Some(info.target_id.clone())));
                if let Some(tab) = state.tabs.iter_mut().find(|tab| tab.target == target) {
                    tab.frames.push((session.clone(), info.target_id));
                }
            }
            _ => {
                post("Runtime.runIfWaitingForDebugger", json!({}));
                return;
            }
        }
        post("Page.enable", json!({}));
        post("Page.setInterceptFileChooserDialog", json!({"enabled": true}));
        post("Network.enable", json!({"maxTotalBufferSize": 0, "maxResourceBufferSize": 0}));
        post("DOM.enable", json!({}));
        post("Target.setAutoAttach", super::running::attach_frames());
        // The last one that the page itself has to take.
        let heard = connection.begin(Some(&session), "Page.setLifecycleEventsEnabled", json!({"enabled": true}));
        post("Runtime.runIfWaitingForDebugger", json!({}));
        let (state, change) = (Arc::clone(&self.state), self.change.clone());
        tokio::spawn(async move {
            // A page that was told to go elsewhere before would crash, or tell nothing of what comes.
            if matches!(heard.await, Ok(_) | Err(BrowserError::Refused(_))) {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.tabs.iter_mut().filter(|tab| tab.session == session).for_each(|tab| tab.ready = true);
                drop(state);
                change.send_modify(|count| *count += 1);
            }
        });
    }

    /// Gives a tab the size of a window, and lets its page believe that it is looked at.
    fn show(&self, session: &str) {
        let (width, height) = self.size;
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.connection.post(Some(session), "Emulation.setDeviceMetricsOverride", screen);
        self.connection.post(Some(session), "Emulation.setFocusEmulationEnabled", json!({"enabled": true}));
    }

    /// Answers a dialog at once: nothing of the page goes on before that.
    fn dialog(&self, tab: &mut Tab, session: &str, dialog: &Dialog) {
        tab.dialogs += 1;
        let answer = json!({"accept": true, "promptText": dialog.default_prompt.clone().unwrap_or_default()});
        if tab.dialogs > MOST_DIALOGS {
            self.connection.post(Some(session), "Runtime.terminateExecution", json!({}));
            self.connection.post(Some(session), "Page.handleJavaScriptDialog", json!({"accept": false}));
            tab.warn(format!("the page showed more than {MOST_DIALOGS} dialogs, so its script was stopped"));
            return;
        }
        self.connection.post(Some(session), "Page.handleJavaScriptDialog", answer);
        let message = line(&dialog.message, 300);
        tab.notice(match dialog.kind.as_str() {
            "alert" => format!("the page showed an alert: {message:?}"),
            "confirm" => format!("the page asked {message:?}, and OK was answered"),
            "prompt" => {
                let given = dialog.default_prompt.as_deref().unwrap_or_default();
                format!("the page asked {message:?}, and {:?} was answered", line(given, 100))
            }
            _ => "the page asked whether it may be left, and yes was answered".to_owned(),
        });
    }
}

fn detached(state: &mut State, session: &str) {
    let Some((target, frame)) = state.sessions.remove(session) else { return };
    if frame.is_none() {
        state.tabs.retain(|tab| tab.target != target);
        state.sessions.retain(|_, (of, _)| *of != target);
    } else if let Some(tab) = state.tabs.iter_mut().find(|tab| tab.target == target) {
        tab.frames.retain(|(known, _)| known != session);
        let prefix = format!("{session}/");
        tab.requests.retain(|request, _| !request.starts_with(&prefix));
    }
}
