//! Going to a page, and waiting until it has come to rest.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::BrowserError;
use super::running::Running;
use super::state::{Download, Load, State};

/// How long a server may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long a page may take to load from then on; what is there then is shown.
const LOAD_LIMIT: Duration = Duration::from_secs(15);
/// How long requests may go on after a page has loaded.
const PATIENCE: Duration = Duration::from_secs(4);
/// Without a request for so long, a page counts as being at rest.
const QUIET: Duration = Duration::from_millis(60);
/// Without a change for so long, too; both are watched at once.
const STILL: Duration = Duration::from_millis(90);
/// How long changes of the page are waited for.
const CHANGES: Duration = Duration::from_millis(1_500);

/// How a page came to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// It has.
    Quiet,
    /// It gave a file, and the page that was there stays.
    Download,
    /// It still loads, or changes all the time.
    Restless,
    /// It was closed.
    Closed,
}

/// What an address gave.
enum Came {
    Page,
    Download,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Navigation {
    error_text: Option<String>,
    /// None where the page stays and only its fragment is another one.
    loader_id: Option<String>,
}

impl Running {
    /// Takes a tab to an address and waits until the page is at rest. What becomes a download leaves the page that was
    /// there.
    pub(super) async fn go(&self, target: &str, url: &str) -> Result<Rest, BrowserError> {
        let began = Instant::now();
        let left = self.watch.tab(target, super::state::Tab::leave);
        let navigated = self.navigate(target, url).await;
        if matches!(navigated, Ok(Came::Page)) {
            return self.rest(target, began).await;
        }
        self.watch.tab(target, |tab| left.map(|left| tab.stay(left)));
        navigated.map(|_| Rest::Download)
    }

    /// Asks for an address, until its page comes; or until something else has.
    async fn navigate(&self, target: &str, url: &str) -> Result<Came, BrowserError> {
        let session = self.session_of(target)?;
        let began = Instant::now();
        let own = |state: &mut State| {
            let own = |download: &Download| download.began >= began && download.frame.as_deref() == Some(target);
            state.downloads.iter().any(own).then_some(())
        };
        let call = self.connection.call_within::<Navigation>(
            ANSWER_LIMIT,
            Some(&session),
            "Page.navigate",
            json!({"url": url}),
        );
        let download = self.watch.until(own);
        let navigation = tokio::select! {
            navigation = call => navigation,
            Some(()) = download => return Ok(Came::Download),
        };
        match navigation {
            Ok(Navigation { error_text: None, loader_id: Some(_) }) => Ok(Came::Page),
            Ok(Navigation { error_text: None, loader_id: None }) => {
                self.connection.call::<Value>(Some(&session), "Page.reload", json!({})).await?;
                Ok(Came::Page)
            }
            Ok(Navigation { error_text: Some(error), .. }) => {
                if error == "net::ERR_ABORTED" {
                    // A download is announced a moment later.
                    let announced = self.watch.until(own);
                    if let Ok(Some(())) = tokio::time::timeout(Duration::from_millis(500), announced).await {
                        return Ok(Came::Download);
                    }
                }
                Err(BrowserError::NotLoaded(format!("{url} did not load: {}", explained(&error))))
            }
            Err(BrowserError::Slow(_)) => {
                self.connection.post(Some(&session), "Page.stopLoading", json!({}));
                let seconds = ANSWER_LIMIT.as_secs();
                Err(BrowserError::NotLoaded(format!("{url} did not answer within {seconds} s")))
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until a page is at rest: loaded, without requests that began since then, and without changes.
    pub(super) async fn rest(&self, target: &str, since: Instant) -> Result<Rest, BrowserError> {
        let began = Instant::now();
        let mut loaded_at = None;
        for _ in 0..20 {
            // Requests first.
            loop {
                let now = Instant::now();
                let known = self.watch.tab(target, |tab| {
                    (tab.load.clone(), tab.requests_since(since), tab.stirred, tab.crashed, tab.is_leaving_since(since))
                });
                let Some((load, requests, stirred, crashed, leaving)) = known else { return Ok(Rest::Closed) };
                if crashed {
                    return Err(self::crashed());
                }
                if let Some(why) = self.process.ended() {
                    return Err(BrowserError::Gone(why.to_string()));
                }
                if now > began + LOAD_LIMIT {
                    return Ok(Rest::Restless);
                }
                let Load { loaded, parsed, .. } = load;
                if !loaded {
                    loaded_at = None;
                } else if loaded_at.is_none() {
                    loaded_at = Some(now);
                }
                // Whether anything further comes is seen while the page is watched for changes.
                let quiet = requests == 0;
                let long = loaded_at.is_some_and(|at| now > at + PATIENCE);
                if !leaving && (long || (quiet && loaded) || (quiet && parsed && now > stirred + 4 * QUIET)) {
                    break;
                }
                self.watch.stir((now + QUIET).min(began + LOAD_LIMIT)).await;
            }
            let before = self.watch.tab(target, |tab| tab.load.loader.clone());
            match self.changes(target).await {
                Ok(quiet) => {
                    let known = self.watch.tab(target, |tab| {
                        let left = Some(tab.load.loader.clone()) != before || tab.is_leaving_since(since);
                        (left, tab.requests_since(since) == 0 && tab.stirred.elapsed() >= QUIET)
                    });
                    let Some((left, silent)) = known else { return Ok(Rest::Closed) };
                    // Otherwise another page came meanwhile, or the page went on asking.
                    if !left && (silent || began.elapsed() >= PATIENCE) {
                        return Ok(if quiet { Rest::Quiet } else { Rest::Restless });
                    }
                }
                // The page was left while it was asked.
                Err(BrowserError::Refused(_)) => {}
                Err(BrowserError::Slow(_)) => return Ok(Rest::Restless),
                Err(error) => return Err(error),
            }
        }
        Ok(Rest::Restless)
    }

    /// Waits until nothing in the page has changed for a moment; false when it goes on and on.
    async fn changes(&self, target: &str) -> Result<bool, BrowserError> {
        let (quiet, most) = (STILL.as_millis(), CHANGES.as_millis());
        let script = format!(
            "new Promise(done => {{
                let last = performance.now(), began = last;
                const seen = new MutationObserver(() => {{ last = performance.now(); }});
                seen.observe(document, {{subtree: true, childList: true, characterData: true}});
                const look = () => {{
                    const now = performance.now();
                    if (now - last >= {quiet} || now - began >= {most}) {{
                        seen.disconnect();
                        done(now - last >= {quiet});
                    }} else setTimeout(look, 10);
                }};
                setTimeout(look, {quiet});
            }})"
        );
        self.evaluate(target, &script, 2 * CHANGES).await
    }
}

/// What is said of a page that crashed.
pub(super) fn crashed() -> BrowserError {
    BrowserError::Gone("the page crashed; visit it again for a fresh one".to_owned())
}

/// The browser's word for what went wrong, in words for people.
fn explained(error: &str) -> String {
    let words = match error {
        "net::ERR_NAME_NOT_RESOLVED" => "there is no host of that name, or it cannot be looked up from here",
        "net::ERR_CONNECTION_REFUSED" => "nothing listens there",
        "net::ERR_CONNECTION_RESET" | "net::ERR_EMPTY_RESPONSE" | "net::ERR_CONNECTION_CLOSED" => {
            "the server ended the connection without an answer"
        }
        "net::ERR_CONNECTION_TIMED_OUT" | "net::ERR_TIMED_OUT" => "the server did not answer",
        "net::ERR_INTERNET_DISCONNECTED" | "net::ERR_ADDRESS_UNREACHABLE" | "net::ERR_NETWORK_ACCESS_DENIED" => {
            "there is no way to that address from here"
        }
        "net::ERR_TUNNEL_CONNECTION_FAILED" => "the network policy does not admit it, or the host was not reached",
        "net::ERR_TOO_MANY_REDIRECTS" => "it leads in a circle of redirects",
        "net::ERR_ABORTED" => "the server gave no page to show",
        "net::ERR_INVALID_AUTH_CREDENTIALS" => {
            "the server asks for a name and a password; an address can hold them: https://name:password@host/"
        }
        "net::ERR_INVALID_URL" => "the address is not valid",
        _ if error.starts_with("net::ERR_CERT") || error.starts_with("net::ERR_SSL") => {
            "its certificate or encryption is not valid"
        }
        _ => return error.to_owned(),
    };
    format!("{words} ({error})")
}
