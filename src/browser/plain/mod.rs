//! Pages without a browser, where none is installed or none is wanted: HTML over plain HTTP, links and forms. No scripts, no
//! pictures, no styles.
//!
//! ```text
//! tool call ── Plain ──┬─ load: redirects, cookies, what came     one call at a time
//!                      │    fetch ── okcvm __fetch      in the browser's sandbox: its network is that of the session
//!                      │    read ─── okcvm __convert    HTML to nodes, in a process that can do nothing else
//!                      ├─ layout: where each node would stand, so that a window, scrolling and finding mean the same
//!                      └─ fill, forms: what stands in fields, and the request that a form makes of it
//! ```

mod act;
mod child;
mod cookies;
mod document;
mod fetch;
mod fill;
mod forms;
mod layout;
mod load;
mod parse;
mod wire;

pub use parse::{PageTask, parse_page};

use std::process::ExitCode;
use std::sync::Arc;

use url::Url;

use super::citations::Citations;
use super::page::{self, Element, View};
use super::program::Missing;
use super::session::{Action, Place, Seen, Surroundings};
use super::tabs::{MOST_TABS, none_open};
use super::{BrowserError, files};
use crate::sandbox::{SandboxFolders, SandboxSession};
use act::Next;
use cookies::Cookies;
use document::Page;
use fetch::Asked;
use load::{Came, File};

/// Runs the helper when this process was started as one; `None` for an ordinary start.
pub fn internal_main() -> Option<ExitCode> {
    (std::env::args_os().nth(1)? == wire::MODE).then(child::main)
}

/// The pages of one session.
#[derive(Debug)]
pub(super) struct Plain {
    sandbox: SandboxSession,
    folders: Arc<SandboxFolders>,
    cookies: Cookies,
    /// Pages with a number, the latest last.
    open: Vec<Open>,
}

/// A page that was shown.
#[derive(Debug)]
struct Open {
    id: u32,
    page: Page,
    /// What was listed last.
    listed: Vec<Element>,
}

impl Plain {
    /// Makes ready what requests need. Nothing is started yet.
    pub(super) async fn start(surroundings: &Surroundings) -> Result<Self, BrowserError> {
        let (sandbox, folders) = surroundings.of_browser(Vec::new()).await?;
        Ok(Self { sandbox, folders, cookies: Cookies::default(), open: Vec::new() })
    }

    /// Ends its sandbox.
    pub(super) async fn end(self) {
        self.sandbox.close().await;
    }

    /// Does something with a page and shows what came of it.
    pub(super) async fn act(
        &mut self,
        missing: &Missing,
        surroundings: &Surroundings,
        place: &Place,
        action: &Action,
    ) -> Result<Seen, BrowserError> {
        let citations = &surroundings.citations;
        let (id, url) = self.place(citations, place, action)?;
        let mut told = vec![format!(
            "fetched without a browser, so without scripts and pictures: {missing}; the user can {}",
            missing.hint
        )];
        if let Some(url) = url {
            let url =
                Url::parse(&url).map_err(|error| BrowserError::Refused(format!("{url} is no address: {error}")))?;
            match self.load(surroundings, Asked::get(url.clone()), None).await? {
                Came::Page(page) => self.put(id, *page),
                Came::File(file) => return Ok(self.only_file(surroundings, (id, told), file).await),
                Came::Nothing => {
                    let text = format!("{url} did not load: the server answered without a page");
                    return Err(BrowserError::NotLoaded(text));
                }
            }
        }
        let (mut refused, mut done, mut downloads) = (None, None, Vec::new());
        let mut shown = id;
        match self.perform(surroundings, id, action) {
            Ok(Next::Stay(said)) => done = said,
            Ok(Next::Go { asked, said, apart }) => {
                done = Some(said);
                let from = self.opened(id).map(|open| open.page.url.clone());
                match self.load(surroundings, asked, from).await {
                    Ok(Came::Page(page)) => {
                        if apart {
                            shown = citations.of(page.url.as_str(), &page.title());
                            told.push("the link opened a new tab".to_owned());
                        }
                        self.put(shown, *page);
                    }
                    Ok(Came::File(file)) => {
                        let (kept, why) = save(surroundings, file).await;
                        (downloads, told) = (kept, [told, why].concat());
                    }
                    Ok(Came::Nothing) => told.push("the server answered without a page, so this one stays".to_owned()),
                    Err(BrowserError::NotLoaded(why)) => refused = Some(why),
                    Err(error) => return Err(error),
                }
            }
            Err(why) => refused = Some(why),
        }
        let seen = self.show(surroundings, shown).await?;
        told.extend(seen.notices);
        Ok(Seen { notices: told, refused, done, downloads, ..seen })
    }

    /// The number of a page, and the address to go to where it does not show that yet.
    fn place(
        &mut self,
        citations: &Citations,
        place: &Place,
        action: &Action,
    ) -> Result<(u32, Option<String>), BrowserError> {
        let id = match place {
            Place::Latest => self.open.last().map(|open| open.id).ok_or_else(none_open)?,
            Place::Id(id) => *id,
            Place::Url(url) => citations.of(url, ""),
        };
        if let Some(at) = self.open.iter().position(|open| open.id == id) {
            let open = self.open.remove(at);
            self.open.push(open);
            let url = (*action == Action::Visit).then(|| citations.get(id).map(|known| known.url)).flatten();
            return Ok((id, url));
        }
        let known = citations.get(id).map(|known| known.url);
        let ids: Vec<u32> = self.open.iter().map(|open| open.id).collect();
        known.map(|url| (id, Some(url))).ok_or_else(|| BrowserError::Refused(citations.unknown(id, &ids)))
    }

    fn opened(&mut self, id: u32) -> Option<&mut Open> {
        self.open.iter_mut().find(|open| open.id == id)
    }

    /// Shows a page under a number from now on, as the latest.
    fn put(&mut self, id: u32, page: Page) {
        self.open.retain(|open| open.id != id);
        while self.open.len() >= MOST_TABS {
            self.open.remove(0);
        }
        self.open.push(Open { id, page, listed: Vec::new() });
    }

    /// Looks at a page and tells what is seen.
    async fn show(&mut self, surroundings: &Surroundings, id: u32) -> Result<Seen, BrowserError> {
        let gone = || BrowserError::Refused("the page is not open any more".to_owned());
        let at = self.open.iter().position(|open| open.id == id).ok_or_else(gone)?;
        // As the latest of all.
        let open = self.open.remove(at);
        self.open.push(open);
        let tree = self.opened(id).map(|open| Arc::clone(&open.page.tree)).ok_or_else(gone)?;
        let view = tokio::task::spawn_blocking(move || page::view(&tree));
        let view = view.await.map_err(|error| BrowserError::Refused(format!("the page could not be read: {error}")))?;
        let View { markdown, elements, elsewhere, mut notes } = view;
        let lines = elements.iter().map(Element::line).collect();
        let open = self.opened(id).ok_or_else(gone)?;
        open.listed = elements;
        let (url, title) = (open.page.url.to_string(), open.page.title());
        surroundings.citations.moved(id, &url, &title);
        notes.splice(0..0, open.page.told.iter().cloned());
        let (status, scrolled) = (Some(open.page.status), open.page.scrolled());
        Ok(Seen {
            id,
            url,
            title,
            status,
            markdown,
            elements: lines,
            elsewhere,
            scrolled,
            others: self.others(&surroundings.citations, id),
            notices: notes,
            ..Seen::default()
        })
    }

    /// The other pages that are open: number, address, title.
    fn others(&self, citations: &Citations, id: u32) -> Vec<(u32, String, String)> {
        let others = self.open.iter().filter(|open| open.id != id);
        others
            .map(|open| (open.id, open.page.url.to_string(), open.page.title()))
            .filter(|(id, ..)| citations.get(*id).is_some())
            .collect()
    }

    /// What is told of an address that gave a file and no page.
    async fn only_file(&self, surroundings: &Surroundings, (id, mut notices): (u32, Vec<String>), file: File) -> Seen {
        let url = file.url.to_string();
        let (downloads, why) = save(surroundings, file).await;
        notices.extend(why);
        let markdown = "This address gives a file to download and no page.".to_owned();
        let others = self.others(&surroundings.citations, id);
        Seen { id, url, markdown, others, notices, downloads, ..Seen::default() }
    }
}

/// Keeps a file in the workspace. Gives its path, or what is to be said of it.
async fn save(surroundings: &Surroundings, file: File) -> (Vec<String>, Vec<String>) {
    let File { url, name, bytes, cut } = file;
    let name = files::file_name(&name);
    if let Some(why) = cut {
        let text = format!("{name} from {url} was not kept: {why}; a command such as `curl -LO` may fetch it");
        return (Vec::new(), vec![text]);
    }
    let workspace = surroundings.workspace.clone();
    let kept = tokio::task::spawn_blocking(move || files::keep(&workspace, &mut bytes.as_slice(), &name)).await;
    match kept.map_err(|error| error.to_string()).and_then(|kept| kept) {
        Ok(path) => (vec![path], Vec::new()),
        Err(error) => (Vec::new(), vec![format!("a download could not be kept: {error}")]),
    }
}
