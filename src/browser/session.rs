//! The browser of one session: started with the first call, shared by all that follow, ended with the session.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::BrowserError;
use super::citations::Citations;
use super::plain::Plain;
use super::program::{Missing, Program};
use super::running::Running;
use crate::sandbox::network::Network;
use crate::sandbox::{Decoder, Mounted, SandboxFolders, SandboxSession};
use crate::workspace::Workspace;

/// How long one call may take, whatever its page does.
const CALL_LIMIT: Duration = Duration::from_secs(120);
/// Without a call for so long, the browser stands still until the next one.
const IDLE: Duration = Duration::from_secs(30);

/// A session's browser. Cheap to clone; all clones are the same one.
#[derive(Debug, Clone)]
pub struct Browser(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Held by the call that runs.
    running: Arc<tokio::sync::Mutex<Option<Running>>>,
    /// The same where there is no program.
    plain: tokio::sync::Mutex<Option<Plain>>,
    /// What the next call tells.
    lost: Mutex<Option<String>>,
}

/// What the browser needs of its session.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The sandbox of commands, beside which the browser gets its own.
    pub sandbox: SandboxSession,
    /// What commands see.
    pub folders: Arc<SandboxFolders>,
    /// What may be reached.
    pub network: Network,
    /// Where downloads go.
    pub workspace: Workspace,
    /// What reads pages where there is no program.
    pub decoder: Decoder,
    /// The numbers of pages.
    pub citations: Arc<Citations>,
}

impl Surroundings {
    /// A sandbox for what browses, its folders ready and empty; `mounted` is what it sees besides.
    pub(super) async fn of_browser(
        &self,
        mounted: Vec<Mounted>,
    ) -> Result<(SandboxSession, Arc<SandboxFolders>), BrowserError> {
        let folders = Arc::new(self.folders.of_browser(mounted));
        let sandbox = self.sandbox.for_browser(Arc::clone(&folders));
        let (prepared, own) = (sandbox.sandbox().clone(), Arc::clone(&folders));
        let ready = tokio::task::spawn_blocking(move || {
            let place = own.home.parent().map(ToOwned::to_owned);
            // What an earlier one has left: a fresh browser knows nothing.
            if let Some(place) = place.filter(|place| place.exists()) {
                std::fs::remove_dir_all(place)?;
            }
            prepared.prepare(&own)
        });
        let ready = ready.await.map_err(std::io::Error::other).and_then(|ready| ready);
        ready.map_err(|error| BrowserError::Start(format!("its folders are not ready: {error}")))?;
        Ok((sandbox, folders))
    }
}

/// Which page a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The page of an address; it is opened where no tab shows it.
    Url(String),
    /// The page of a number.
    Id(u32),
    /// The page of the latest call.
    Latest,
}

/// What is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It is loaded anew.
    Visit,
    /// It is only looked at.
    Look,
    /// An element is clicked.
    Click(i64),
    /// Something is put into a field.
    Input(i64, String),
    /// A word is looked for: `skip` of its places are passed over.
    Find(String, usize),
    /// It is scrolled down, or up where that is negative, by so many pixels.
    Scroll(i64),
}

/// What a call gives.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The number of the page that is shown.
    pub id: u32,
    /// Its address.
    pub url: String,
    /// Its title.
    pub title: String,
    /// HTTP status of the page, where it was answered.
    pub status: Option<u16>,
    /// What is seen of it as Markdown.
    pub markdown: String,
    /// What can be acted on, each in a line.
    pub elements: Vec<String>,
    /// How many more there are above, below, and beside the window.
    pub elsewhere: (usize, usize, usize),
    /// The first pixel row that is seen, how many are, and how many there are.
    pub scrolled: (f64, f64, f64),
    /// Other pages that are open: number, address, title.
    pub others: Vec<(u32, String, String)>,
    /// What happened besides.
    pub notices: Vec<String>,
    /// Files that were downloaded, as paths under the mount.
    pub downloads: Vec<String>,
    /// A picture of the window: JPEG in base64.
    pub picture: Option<String>,
    /// Why the call was not done, where the page is shown all the same.
    pub refused: Option<String>,
    /// What the call found or did, in a line.
    pub done: Option<String>,
}

impl Browser {
    /// For one session. Nothing is started yet.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Does something with a page and shows what came of it: with this program, or without one. One call at a time;
    /// dropping it leaves the page as it is, but for what it still loads.
    pub async fn call(
        &self,
        program: Result<&Program, &Missing>,
        surroundings: &Surroundings,
        place: Place,
        action: Action,
    ) -> Result<Seen, BrowserError> {
        let missing = match program {
            Ok(program) => return self.call_program(program, surroundings, place, action).await,
            Err(missing) => missing,
        };
        let mut plain = self.0.plain.lock().await;
        if plain.is_none() {
            *plain = Some(Plain::start(surroundings).await?);
        }
        let Some(plain) = plain.as_mut() else { return Err(BrowserError::Start("it is not there".to_owned())) };
        plain.act(missing, surroundings, &place, &action).await
    }

    /// The same with a program. Starts it where it does not run.
    async fn call_program(
        &self,
        program: &Program,
        surroundings: &Surroundings,
        place: Place,
        action: Action,
    ) -> Result<Seen, BrowserError> {
        let mut running = self.ready(program, surroundings).await?;
        let mut notices: Vec<String> =
            running.as_mut().map(|browser| std::mem::take(&mut browser.news)).unwrap_or_default();
        let Some(browser) = running.as_mut() else { return Err(BrowserError::Start("it is not there".to_owned())) };
        let works = browser.process.works();
        // Also where this call is dropped.
        let _rests = RestsLater(self);
        let outcome = tokio::time::timeout(CALL_LIMIT, browser.act(surroundings, place, action)).await;
        let outcome = outcome.unwrap_or_else(|_| {
            let seconds = CALL_LIMIT.as_secs();
            Err(BrowserError::Slow(format!("the page kept the browser busy for {seconds} s; the call was given up")))
        });
        drop(works);
        browser.last_call = Instant::now();
        if matches!(outcome, Err(BrowserError::Gone(_))) {
            // Its pages end before it does.
            browser.process.ends_within(super::running::END).await;
        }
        let ended = browser.ended();
        if let Some(why) = ended {
            *running = None;
            self.lose(why.clone());
            return Err(BrowserError::Gone(format!("{why}; the next call starts a fresh one")));
        }
        drop(running);
        let mut seen = outcome.map_err(|error| match error {
            // What was lost is why there is nothing.
            BrowserError::Refused(why) if !notices.is_empty() => {
                BrowserError::Refused(format!("{}. {why}", notices.join(". ")))
            }
            error => error,
        })?;
        notices.append(&mut seen.notices);
        seen.notices = notices;
        Ok(seen)
    }

    /// The browser, awake and for one call alone. Starts it where it does not run.
    pub(super) async fn ready(
        &self,
        program: &Program,
        surroundings: &Surroundings,
    ) -> Result<OwnedMutexGuard<Option<Running>>, BrowserError> {
        let mut running = Arc::clone(&self.0.running).lock_owned().await;
        if let Some(ended) = running.as_ref().and_then(Running::ended) {
            *running = None;
            self.lose(ended);
        }
        if let Some(browser) = running.take_if(|browser| browser.has_other_network()) {
            browser.end().await;
            self.lose("the network was changed, so the browser was ended".to_owned());
        }
        if running.is_none() {
            let mut browser = Running::start(program, surroundings).await?;
            let lost = self.0.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
            browser.news.extend(lost.map(|why| format!("{why}; this is a fresh one, without the cookies of before")));
            *running = Some(browser);
        }
        if let Some(browser) = running.as_mut() {
            browser.process.thaw();
            browser.last_call = Instant::now();
        }
        Ok(running)
    }

    fn lose(&self, why: String) {
        *self.0.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// Lets the browser stand still after a while without calls.
    pub(super) fn rest_later(&self) {
        let running = Arc::downgrade(&self.0.running);
        // A call may be dropped by the end of everything.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(IDLE).await;
                let Some(running) = running.upgrade() else { return };
                // A call that runs now lets it rest later.
                let Ok(running) = running.try_lock() else { return };
                let Some(browser) = running.as_ref() else { return };
                if browser.last_call.elapsed() < IDLE {
                    return;
                }
                if !browser.watch.downloads() {
                    browser.process.freeze();
                    return;
                }
            }
        });
    }

    /// Ends the browser.
    pub async fn close(&self) {
        if let Some(browser) = self.0.running.lock().await.take() {
            let own = browser.sandbox.folders().home.parent().map(ToOwned::to_owned);
            browser.end().await;
            // Its history and its cookies go with it. What a killed okcvm leaves goes before the next one starts.
            if let Some(own) = own {
                let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(own)).await;
            }
        }
        if let Some(plain) = self.0.plain.lock().await.take() {
            plain.end().await;
        }
    }

    /// The network was changed: a browser that was started with another ends, after the call that it works on.
    pub fn network_changed(&self) {
        let browser = self.clone();
        tokio::spawn(async move {
            let ended = browser.0.running.lock().await.take_if(|browser| browser.has_other_network());
            if let Some(ended) = ended {
                browser.lose("the network was changed, so the browser was ended".to_owned());
                ended.end().await;
            }
        });
    }
}

/// A call is over, be it that it was dropped.
struct RestsLater<'a>(&'a Browser);

impl Drop for RestsLater<'_> {
    fn drop(&mut self) {
        self.0.rest_later();
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}
