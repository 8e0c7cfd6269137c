//! The websites of one session: which there are, where they lie, and the server that shows them.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::contents::{Contents, ContentsError};
use super::copy::{self, CopyError};
use super::server::{Preview, PreviewServer, SiteName};
use super::shelf::{Shelf, Shelved, Unshelved};
use crate::protocol::{DEPLOYMENTS, Deployment, DeploymentsFile, Event, ServedSite, SiteRequest};
use crate::workspace::{ConfinedPath, Workspace};

/// The first port that is tried, and how many there are to choose from: below those that systems give out themselves.
const PORTS: (u16, u16) = (20_000, 10_000);
/// How many ports after the session's own are tried.
const NEXT: u16 = 100;
/// Requests are told at most this often.
const TOLD_EVERY: Duration = Duration::from_millis(250);
/// Requests that are told at once.
const MOST_TOLD: usize = 20;
/// Deployments of one session.
const MOST: usize = 50;

/// How the websites of a session are shown.
#[derive(Debug, Clone)]
pub struct DeploymentsPlace {
    /// The folder of all copies.
    pub dir: PathBuf,
    /// The session's id.
    pub session: String,
    /// The port that the session has had so far.
    pub port: Option<u16>,
    /// What addresses begin with, where a proxy of the user's stands before the server.
    pub base_url: Option<String>,
    /// Bytes of the largest file that a site may have, and of all: what snapshots can bring back.
    pub most_file: u64,
    /// Bytes of all files of a site.
    pub most_bytes: u64,
}

impl DeploymentsPlace {
    /// Of a session that has had no port yet, without a proxy before it.
    pub fn new(dir: PathBuf, session: &str) -> Self {
        Self { dir, session: session.to_owned(), port: None, base_url: None, most_file: u64::MAX, most_bytes: u64::MAX }
    }
}

/// Takes what is told besides calls.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// The websites of one session. Cheap to clone; all clones are the same ones.
#[derive(Clone)]
pub struct Deployments(Arc<Inner>);

struct Inner {
    place: DeploymentsPlace,
    shelf: Shelf,
    list: Mutex<Vec<Deployment>>,
    /// Whether there was ever one in this run: an empty list is then a fact of its own.
    ever: AtomicBool,
    preview: Preview,
    servers: Mutex<Servers>,
    tell: Tell,
    /// Held while copies are looked through, so that an older look never shows over a newer one.
    order: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Servers {
    host: Option<PreviewServer>,
    /// On the session's own network.
    inside: Option<PreviewServer>,
    /// Tells the requests.
    teller: Option<AbortOnDropHandle<()>>,
}

/// A folder that was deployed.
#[derive(Debug)]
pub struct Deployed {
    /// The deployment.
    pub deployment: Deployment,
    /// Where it is to be seen.
    pub url: String,
    /// Whether it took the place of an earlier one of the same folder.
    pub again: bool,
    /// Whether that one had the same content.
    pub unchanged: bool,
    /// What was not copied, and why.
    pub left_out: Vec<String>,
    /// The port that is not the session's usual one, where another program holds that.
    pub other_port: Option<u16>,
}

/// Why a folder was not deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// It was not copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The copy cannot be served.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// The system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// There is no first page.
    #[error("{0} has no index.html directly in it")]
    NoIndex(String),
    /// There are too many.
    #[error(
        "this session has {MOST} deployed folders already; deploy one of them again with other files. The user can remove one with `okcvm deploy remove ID` while the session is closed"
    )]
    TooMany,
}

/// A copy that was looked through and is not shown yet.
#[derive(Debug)]
pub struct Copied {
    new: Unshelved,
    /// Its files.
    pub contents: Contents,
    left_out: Vec<String>,
    folder: String,
}

impl Copied {
    /// Reads a file of the copy, at most so many bytes of it.
    pub fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        std::fs::File::open(self.new.site().join(name))?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Deployments {
    /// Of a session that has none yet; [`Deployments::load`] brings those that it has. Nothing listens before there is one.
    pub fn new(place: DeploymentsPlace, tell: Tell) -> Self {
        let shelf = Shelf::new(place.dir.clone());
        let preview = Preview::default();
        Self(Arc::new(Inner {
            place,
            shelf,
            list: Mutex::default(),
            ever: AtomicBool::new(false),
            preview,
            servers: Mutex::default(),
            tell,
            order: tokio::sync::Mutex::default(),
        }))
    }

    /// The deployments, oldest first.
    pub fn list(&self) -> Vec<Deployment> {
        lock(&self.0.list).clone()
    }

    /// Takes one off the list; whether it was there.
    pub fn remove(&self, id: &str) -> bool {
        let mut list = lock(&self.0.list);
        let before = list.len();
        list.retain(|deployment| deployment.id != id);
        list.len() < before
    }

    /// What goes into a node; nothing where there never was a deployment.
    pub fn save(&self) -> Option<(String, Vec<u8>)> {
        let list = self.list();
        let ever = self.0.ever.load(Ordering::Relaxed) || !list.is_empty();
        self.0.ever.store(ever, Ordering::Relaxed);
        ever.then(|| (DEPLOYMENTS.to_owned(), DeploymentsFile::bytes(list)))
    }

    /// Takes the list of a node. [`Deployments::refresh`] shows what is in it.
    pub fn load(&self, state: &[(String, Vec<u8>)]) {
        let list = DeploymentsFile::of(state);
        self.0.ever.fetch_or(!list.is_empty(), Ordering::Relaxed);
        *lock(&self.0.list) = list;
    }

    /// The port that answers now.
    pub fn port(&self) -> Option<u16> {
        lock(&self.0.servers).host.as_ref().map(PreviewServer::port)
    }

    /// The port that the session keeps: the one that it has had, or the first one that it got.
    pub fn kept_port(&self) -> Option<u16> {
        self.0.place.port.or_else(|| self.port())
    }

    /// The server's requests and sites.
    pub fn preview(&self) -> &Preview {
        &self.0.preview
    }

    /// Where a deployment is to be seen, once the server runs.
    pub fn url(&self, deployment: &Deployment) -> Option<String> {
        let name = SiteName::of(deployment)?;
        match &self.0.place.base_url {
            Some(base) => Some(format!("{}/{name}/", with_port(base, self.port()))),
            None => self.port().map(|port| format!("http://127.0.0.1:{port}/{name}/")),
        }
    }

    /// Where the copy of a deployment lies, while it is there.
    pub fn site(&self, deployment: &Deployment) -> Option<PathBuf> {
        let holds = self.0.shelf.holds(&self.0.place.session, deployment);
        self.0.shelf.site(deployment).filter(|_| holds)
    }

    /// The websites that can be seen now.
    pub fn served(&self) -> Vec<ServedSite> {
        let list = self.list();
        let shown = list
            .iter()
            .filter(|deployment| SiteName::of(deployment).is_some_and(|name| self.0.preview.contents(&name).is_some()));
        let site = |deployment: &Deployment| {
            let url = self.url(deployment)?;
            Some(ServedSite { id: deployment.id.clone(), title: deployment.title.clone(), url })
        };
        shown.filter_map(site).collect()
    }

    /// The port that answers, where it is not the one that the session has had.
    pub fn other_port(&self) -> Option<u16> {
        self.port().filter(|port| self.0.place.port.is_some_and(|usual| usual != *port))
    }

    /// Serves what is in the list and nothing else. What cannot be shown is told, one sentence each. Within a Tokio runtime.
    pub async fn refresh(&self) -> Result<Vec<String>, DeployError> {
        let _in_order = self.0.order.lock().await;
        let list = self.list();
        if list.is_empty() {
            self.0.preview.show_only(HashMap::new());
            return Ok(Vec::new());
        }
        // Before anything is read: the port is the session's, and what was shown stays so meanwhile.
        self.serve()?;
        let own = Arc::clone(&self.0);
        let (sites, told) = blocking(move || {
            let (mut sites, mut told) = (HashMap::new(), Vec::new());
            for deployment in &list {
                match own.look(deployment) {
                    Ok((name, contents)) => {
                        sites.insert(name, contents);
                    }
                    Err(why) => told.push(format!(
                        "The website {} of {} is not served: {why}. Deploying the folder again makes a new copy.",
                        deployment.id, deployment.folder
                    )),
                }
            }
            (sites, told)
        })
        .await?;
        self.0.preview.show_only(sites);
        Ok(told)
    }

    /// Copies a folder and looks it through. Blocks.
    pub fn copy(
        &self,
        workspace: &Workspace,
        folder: &ConfinedPath,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Copied, DeployError> {
        let begun = self.0.shelf.begin();
        let new = begun.map_err(|source| DeployError::Io { action: "make a folder for the copy", source })?;
        let most = (self.0.place.most_file, self.0.place.most_bytes);
        let left_out = copy::copy(workspace, folder, new.site(), most, stopped)?;
        let contents = Contents::read(new.site())?;
        if !contents.holds("index.html") {
            return Err(DeployError::NoIndex(folder.shown().to_owned()));
        }
        let folder = folder.relative().to_string_lossy().into_owned();
        Ok(Copied { new, contents, left_out: left_out.lines(), folder })
    }

    /// Shows a copy. A folder that was deployed before keeps its address. Begun, it comes to its end whether or not
    /// somebody waits for it. Within a Tokio runtime; `time` is RFC 3339.
    pub async fn deploy(&self, copied: Copied, title: String, time: String) -> Result<Deployed, DeployError> {
        self.serve()?;
        let own = self.clone();
        let done = tokio::spawn(async move {
            let _in_order = own.0.order.lock().await;
            let inner = own.clone();
            blocking(move || inner.put(copied, title, time)).await?
        });
        done.await.map_err(|error| DeployError::Io { action: "deploy", source: io::Error::other(error) })?
    }

    /// The copy gets its place, then it is shown, then it is on the list. Blocks.
    fn put(&self, copied: Copied, title: String, time: String) -> Result<Deployed, DeployError> {
        let Copied { new, contents, left_out, folder } = copied;
        let inner = &*self.0;
        let session = inner.place.session.clone();
        let before = self.list().into_iter().find(|known| known.folder == folder);
        // A number that came with the session from another machine may be somebody else's here.
        let before = before.filter(|known| !inner.shelf.is_of_another(&session, &known.id));
        if before.is_none() && self.list().len() >= MOST {
            return Err(DeployError::TooMany);
        }
        let (id, token) = match &before {
            Some(known) => (known.id.clone(), known.token.clone()),
            None => (String::new(), uuid::Uuid::new_v4().simple().to_string()),
        };
        let (files, bytes) = contents.totals();
        let content = contents.hash();
        let deployment = Deployment { id, token, folder, title, content, files: files as u64, bytes, time };
        let mut shelved = Shelved { session, deployment };
        let kept = inner.shelf.keep(&new, &mut shelved);
        kept.map_err(|source| DeployError::Io { action: "put the copy in its place", source })?;
        let deployment = shelved.deployment;
        if let (Some(name), Some(site)) = (SiteName::of(&deployment), inner.shelf.site(&deployment)) {
            inner.preview.show(name, contents.moved(site));
        }
        let mut list = lock(&inner.list);
        list.retain(|known| known.folder != deployment.folder || known.id == deployment.id);
        match list.iter_mut().find(|known| known.id == deployment.id) {
            Some(known) => *known = deployment.clone(),
            None => list.push(deployment.clone()),
        }
        drop(list);
        inner.shelf.forget_others(&deployment);
        let url = self.url(&deployment).unwrap_or_default();
        Ok(Deployed {
            again: before.is_some(),
            unchanged: before.is_some_and(|before| before.content == deployment.content),
            deployment,
            url,
            left_out,
            other_port: self.other_port(),
        })
    }

    /// Serves on the session's own network too, in place of a listener from before.
    pub fn serve_inside(&self, listener: TcpListener) -> io::Result<()> {
        let server = self.0.preview.serve(listener)?;
        lock(&self.0.servers).inside = Some(server);
        Ok(())
    }

    /// Ends the servers.
    pub fn close(&self) {
        *lock(&self.0.servers) = Servers::default();
    }

    fn serve(&self) -> Result<(), DeployError> {
        let mut servers = lock(&self.0.servers);
        if servers.host.is_some() {
            return Ok(());
        }
        let refused = |source| DeployError::Io { action: "listen on 127.0.0.1 for the website", source };
        let listener = listen(self.0.place.port, &self.0.place.session).map_err(refused)?;
        let server = self.0.preview.serve(listener).map_err(refused)?;
        let base = self.0.place.base_url.as_ref().map(|base| with_port(base, Some(server.port())));
        if let Some(url) = base.and_then(|base| url::Url::parse(&base).ok()) {
            self.0.preview.also_known_as(&url);
        }
        servers.host = Some(server);
        servers.teller = Some(self.tell_requests());
        Ok(())
    }

    /// Tells requests as they come, many at once where many come.
    fn tell_requests(&self) -> AbortOnDropHandle<()> {
        let (log, tell) = (self.0.preview.log().clone(), Arc::clone(&self.0.tell));
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut told = 0;
            loop {
                log.changed().await;
                let (count, latest) = log.read();
                let new = usize::try_from(count - told).unwrap_or(usize::MAX);
                let shown = new.min(MOST_TOLD).min(latest.len());
                told = count;
                let latest: Vec<SiteRequest> = latest[latest.len() - shown..].to_vec();
                tell(Event::SiteRequests { latest, more: (new - shown) as u64 });
                tokio::time::sleep(TOLD_EVERY).await;
            }
        }))
    }
}

impl Inner {
    /// The files of a deployment, if they are those that were deployed. Blocks.
    fn look(&self, deployment: &Deployment) -> Result<(SiteName, Arc<Contents>), String> {
        let (Some(name), Some(site)) = (SiteName::of(deployment), self.shelf.site(deployment)) else {
            return Err("it has no name that a website has".to_owned());
        };
        let shown = self.preview.contents(&name).filter(|contents| contents.hash() == deployment.content);
        if let Some(contents) = shown.filter(|_| site.is_dir()) {
            return Ok((name, contents));
        }
        if !self.shelf.holds(&self.place.session, deployment) {
            return Err("its copy is gone or cut short".to_owned());
        }
        let contents = Contents::read(&site).map_err(|error| error.to_string())?;
        if contents.hash() != deployment.content {
            return Err("its copy holds something else".to_owned());
        }
        Ok((name, Arc::new(contents)))
    }
}

impl std::fmt::Debug for Deployments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The addresses are secrets of a sort.
        f.debug_struct("Deployments").field("session", &self.0.place.session).finish_non_exhaustive()
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DeployError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.map_err(|error| DeployError::Io { action: "look through the copy", source: io::Error::other(error) })
}

/// A listener on loopback: on the port that the session has had, else on the one that its id leads to; where another
/// program holds that, on the next free one.
pub fn listen(had: Option<u16>, session: &str) -> io::Result<TcpListener> {
    let first = had.filter(|port| *port >= 1024).unwrap_or_else(|| usual_port(session));
    for port in first..first.saturating_add(NEXT) {
        match TcpListener::bind(("127.0.0.1", port)) {
            Err(error) if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {}
            other => return other,
        }
    }
    TcpListener::bind(("127.0.0.1", 0))
}

/// The port that a session without one begins with; the same for the same id.
fn usual_port(session: &str) -> u16 {
    // FNV-1a: any hash that spreads does.
    let hash = session.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    PORTS.0 + u16::try_from(hash % u32::from(PORTS.1)).unwrap_or(0)
}

/// The address of a proxy, for a session that listens on this port.
fn with_port(base: &str, port: Option<u16>) -> String {
    port.map_or_else(|| base.to_owned(), |port| base.replace("{port}", &port.to_string()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
