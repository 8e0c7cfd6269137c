//! The browser's process: started in a sandbox of its own, watched, ended.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::BrowserError;
use super::connection::{Connection, Event};
use super::program::Program;
use crate::config::schema::LimitSection;
use crate::sandbox::{Child, Disk, DiskTrouble, SandboxSession, Step};

/// How long it may take to come up.
const START_LIMIT: Duration = Duration::from_secs(40);
/// How long it may take to end by itself.
const END_LIMIT: Duration = Duration::from_secs(2);
/// Bytes of its last words.
const MOST_WORDS: usize = 4096;

/// Where it lies inside that downloads go before they are copied.
pub(super) const DOWNLOADS: &str = "/tmp/downloads";

/// What becomes the browser: standard input is the socket to okcvm, and the browser wants it as descriptors 3 and 4.
const SCRIPT: &str = r#"proxy=${HTTP_PROXY#http://}; proxy=${proxy##*@}
unset HTTP_PROXY http_proxy HTTPS_PROXY https_proxy NO_PROXY no_proxy
mkdir -p "$TMPDIR/downloads" "$TMPDIR/profile/Default"
printf '%s' "$1" > "$TMPDIR/profile/Default/Preferences"
shift
exec "$@" --user-data-dir="$TMPDIR/profile" ${proxy:+"--proxy-server=http://$proxy"} about:blank 3<&0 4>&0 </dev/null"#;

/// What of the browser would ask hosts of its maker about what is typed: words for a dictionary, passwords for known leaks,
/// addresses for suggestions.
const PREFERENCES: &str = r#"{"browser":{"enable_spellchecking":false},"spellcheck":{"dictionaries":[],"use_spelling_service":false},
"credentials_enable_service":false,"profile":{"password_manager_enabled":false,"password_manager_leak_detection":false},
"safebrowsing":{"enabled":false},"search":{"suggest_enabled":false},"translate":{"enabled":false},"signin":{"allowed":false},
"plugins":{"always_open_pdf_externally":true},"alternate_error_pages":{"enabled":false},"net":{"network_prediction_options":2}}"#;

/// What it says where it cannot build the walls that it has of its own.
const NO_WALLS: [&str; 4] =
    ["No usable sandbox", "SUID sandbox helper", "--no-sandbox", "Failed to move to new namespace"];

/// The browser's own switches.
const SWITCHES: &[&str] = &[
    "--headless=new",
    "--remote-debugging-pipe",
    // Graphics are painted by the processor, and shared memory lies in the temporary folder.
    "--disable-gpu",
    "--disable-dev-shm-usage",
    // It tells nobody anything, and fetches nothing that no page asked for.
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-pings",
    "--no-service-autorun",
    "--password-store=basic",
    "--use-mock-keychain",
    "--mute-audio",
    "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,AutofillServerCommunication,\
     InterestFeedContentSuggestions,CertificateTransparencyComponentUpdater,PaintHolding,BackForwardCache,NetworkTimeServiceQuerying",
    // There are requests that no switch turns off: to look for parts of its own, and for an account that nobody has.
    "--component-updater=url-source=http://127.0.0.1:1/",
    "--gaia-url=http://127.0.0.1:1",
    // Datagrams would go past the proxy.
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    // A page that is not in front works on all the same.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-hang-monitor",
    "--disable-ipc-flooding-protection",
    "--disable-popup-blocking",
    "--hide-scrollbars",
    "--disk-cache-size=67108864",
    "--js-flags=--max-old-space-size=1024",
];

/// A browser that runs. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Process {
    orders: mpsc::UnboundedSender<Order>,
    ended: watch::Receiver<Option<Arc<str>>>,
    /// It runs without the walls that it builds itself.
    pub(super) bare: bool,
}

#[derive(Debug)]
enum Order {
    /// A call begins or ends.
    Works(bool),
    Freeze,
    Thaw,
    End,
}

impl Process {
    /// Starts it and waits until it answers. `size` is that of the window.
    pub(super) async fn start(
        session: &SandboxSession,
        program: &Program,
        size: (u32, u32),
    ) -> Result<(Self, Connection, mpsc::Receiver<Event>), BrowserError> {
        match Self::start_with(session, program, size, false).await {
            // Where no further user namespace can be made, okcvm's own walls are those that stand.
            Err(BrowserError::Start(why))
                if session.sandbox().confines() && NO_WALLS.iter().any(|words| why.contains(words)) =>
            {
                Self::start_with(session, program, size, true).await
            }
            other => other,
        }
    }

    async fn start_with(
        session: &SandboxSession,
        program: &Program,
        size: (u32, u32),
        bare: bool,
    ) -> Result<(Self, Connection, mpsc::Receiver<Event>), BrowserError> {
        let mut argv: Vec<String> = ["/bin/sh", "-c", SCRIPT, "okcvm-browser"].map(ToOwned::to_owned).to_vec();
        argv.push(PREFERENCES.to_owned());
        argv.push(program.path.to_string_lossy().into_owned());
        argv.extend(SWITCHES.iter().map(|switch| (*switch).to_owned()));
        argv.push(format!("--window-size={},{}", size.0, size.1));
        if bare {
            argv.push("--no-sandbox".to_owned());
        }
        let refused = |error: &dyn std::fmt::Display| BrowserError::Start(error.to_string());
        let (mut child, socket) = session.spawn_connected(argv).await.map_err(|error| refused(&error))?;
        let (connection, events) = Connection::open(socket).map_err(|error| refused(&error))?;
        let mut words = Words::default();
        let asked = connection.clone();
        let hello = asked.call_within::<serde_json::Value>(START_LIMIT, None, "Browser.getVersion", json!({}));
        tokio::pin!(hello);
        loop {
            tokio::select! {
                // Its end first: a socket that closes says nothing of why.
                biased;
                step = child.next() => match step {
                    Step::Output(_, bytes) => words.push(&bytes),
                    Step::Ended { .. } | Step::Gone => return Err(BrowserError::Start(words.last())),
                    _ => {}
                },
                said = &mut hello => match said {
                    Ok(_) => break,
                    // Its process says more, and is about to.
                    Err(BrowserError::Gone(_)) => {
                        while let Ok(step) = tokio::time::timeout(END_LIMIT, child.next()).await {
                            match step {
                                Step::Output(_, bytes) => words.push(&bytes),
                                Step::Ended { .. } | Step::Gone => break,
                                _ => {}
                            }
                        }
                        return Err(BrowserError::Start(words.last()));
                    }
                    Err(error) => return Err(refused(&error)),
                },
            }
        }
        let most = session.sandbox().limits().map(LimitSection::total_memory_mb);
        let (orders, taken) = mpsc::unbounded_channel();
        let (tell, ended) = watch::channel(None);
        tokio::spawn(live(child, taken, tell, words, most, session.disk()));
        Ok((Self { orders, ended, bare }, connection, events))
    }

    /// Why it has ended, if it has.
    pub(super) fn ended(&self) -> Option<Arc<str>> {
        self.ended.borrow().clone()
    }

    /// Whether it ends within this time.
    pub(super) async fn ends_within(&self, limit: Duration) -> bool {
        let mut ended = self.ended.clone();
        tokio::time::timeout(limit, ended.wait_for(Option::is_some)).await.is_ok()
    }

    /// A call begins, and ends when the guard goes: what rests is looked at seldom.
    pub(super) fn works(&self) -> Works {
        let _ = self.orders.send(Order::Works(true));
        Works(self.orders.clone())
    }

    /// Makes it stand still until it is thawed: pages of an idle browser go on computing otherwise.
    pub(super) fn freeze(&self) {
        let _ = self.orders.send(Order::Freeze);
    }

    pub(super) fn thaw(&self) {
        let _ = self.orders.send(Order::Thaw);
    }

    /// Ends it and waits for that.
    pub(super) async fn end(&self) {
        let _ = self.orders.send(Order::End);
        self.ends_within(2 * END_LIMIT).await;
    }
}

/// A call that runs.
#[derive(Debug)]
pub(super) struct Works(mpsc::UnboundedSender<Order>);

impl Drop for Works {
    fn drop(&mut self) {
        let _ = self.0.send(Order::Works(false));
    }
}

/// Follows the process until it has ended.
async fn live(
    mut child: Child,
    mut orders: mpsc::UnboundedReceiver<Order>,
    tell: watch::Sender<Option<Arc<str>>>,
    mut words: Words,
    most_mb: Option<u64>,
    disk: Disk,
) {
    let mut why: Option<String> = None;
    let mut end_at: Option<Instant> = None;
    let trouble = disk.until_trouble();
    tokio::pin!(trouble);
    // What stands still writes nothing.
    let (mut watched, mut still) = (true, false);
    loop {
        let late = async {
            match end_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            step = child.next() => match step {
                Step::Output(_, bytes) => words.push(&bytes),
                Step::Memory { .. } => {
                    if let Some(most) = most_mb && child.account().is_too_much(most.saturating_mul(1 << 20)) {
                        why = Some(format!("the browser used more than {most} MiB of memory and was ended"));
                        child.kill();
                        end_at.get_or_insert(Instant::now() + END_LIMIT);
                    }
                }
                Step::Ended { exit, .. } => {
                    // Nothing that it wrote says so.
                    if exit.signal == Some(rustix::process::Signal::KILL.as_raw()) {
                        why.get_or_insert_with(|| "the browser was killed from outside".to_owned());
                    }
                    child.kill();
                    end_at.get_or_insert(Instant::now() + END_LIMIT);
                }
                Step::Gone => break,
                _ => {}
            },
            what = &mut trouble, if watched && !still => {
                watched = false;
                why = Some(match what {
                    DiskTrouble::Full => "the disk is nearly full, so the browser was ended".to_owned(),
                    DiskTrouble::TooLarge => "the browser's files became too large, so it was ended".to_owned(),
                });
                child.kill();
                end_at.get_or_insert(Instant::now() + END_LIMIT);
            }
            order = orders.recv() => match order {
                Some(Order::Works(busy)) => child.works(busy),
                Some(Order::Freeze) => still = child.freeze(),
                Some(Order::Thaw) => {
                    child.thaw();
                    still = false;
                }
                // Nobody holds it any more, or somebody says so.
                Some(Order::End) | None => {
                    why.get_or_insert_with(|| "the browser was ended".to_owned());
                    child.kill();
                    end_at.get_or_insert(Instant::now() + END_LIMIT);
                    if orders.is_closed() {
                        break;
                    }
                }
            },
            () = late => {
                child.destroy();
                break;
            }
        }
    }
    let why = why.unwrap_or_else(|| format!("the browser crashed: {}", words.last()));
    tracing::info!(%why, "the browser has ended");
    let _ = tell.send(Some(why.into()));
}

/// The end of what it wrote.
#[derive(Debug, Default)]
struct Words(Vec<u8>);

impl Words {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let beyond = self.0.len().saturating_sub(MOST_WORDS);
        self.0.drain(..beyond);
    }

    /// The last line that says what is wrong, without the place in its sources.
    fn last(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let wrong = lines.iter().rev().find(|line| line.contains(":FATAL:") || line.contains("sandbox"));
        let line = wrong.or(lines.last()).copied().unwrap_or("it ended without a word");
        let line = line.split_once("] ").map_or(line, |(_, rest)| rest);
        crate::support::truncate::prefix(line, 300).to_owned()
    }
}
