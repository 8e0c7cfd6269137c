//! The tabs of a running browser: which shows what, and what was listed of it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::page::{self, Element, View};
use super::running::{DOWNLOAD, Running};
use super::session::{Action, Place, Seen, Surroundings};
use super::{BrowserError, look};

/// Tabs that stay open; the one that was not used for longest goes first.
pub(super) const MOST_TABS: usize = 8;

/// A tab that was shown.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: u32,
    pub(super) target: String,
    /// The addresses that led to what it shows.
    pub(super) asked: Vec<String>,
    /// What was listed last, with the sessions of its parts, and of which load of the page.
    pub(super) listed: Vec<Element>,
    pub(super) sessions: Vec<String>,
    pub(super) loader: String,
}

impl Open {
    fn new(id: u32, target: &str) -> Self {
        let (asked, listed, sessions) = (Vec::new(), Vec::new(), Vec::new());
        Self { id, target: target.to_owned(), asked, listed, sessions, loader: String::new() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    target_id: String,
}

impl Running {
    /// Whether a tab shows nothing.
    pub(super) fn is_empty(&self, target: &str) -> bool {
        let blank = |url: &str| url.is_empty() || url == "about:blank" || url.starts_with("chrome-error:");
        self.watch.tab(target, |tab| blank(&tab.url)).unwrap_or(true)
    }

    /// Closes a tab that never showed a page.
    pub(super) fn close_empty(&mut self, target: &str) {
        let shown = |open: &Open| open.target == target && !open.sessions.is_empty();
        if !self.open.iter().any(shown) {
            self.open.retain(|open| open.target != target);
            self.connection.post(None, "Target.closeTarget", json!({"targetId": target}));
        }
    }

    /// What is told of an address that gave a file and no page.
    pub(super) async fn only_download(
        &mut self,
        surroundings: &Surroundings,
        target: &str,
        url: String,
        since: Instant,
    ) -> Result<Seen, BrowserError> {
        self.watch.downloaded(since, Instant::now() + DOWNLOAD).await;
        let id = self.open.iter().find(|open| open.target == target).map_or(0, |open| open.id);
        self.close_empty(target);
        let (downloads, notices) = self.take_downloads(surroundings).await;
        let others = self.others(surroundings, target);
        let markdown = "This address gives a file to download and no page.".to_owned();
        Ok(Seen { id, url, markdown, others, notices, downloads, ..Seen::default() })
    }

    /// The other pages that are open: number, address, title.
    fn others(&self, surroundings: &Surroundings, target: &str) -> Vec<(u32, String, String)> {
        let others = self.open.iter().filter(|open| open.target != target);
        others
            .filter_map(|open| surroundings.citations.get(open.id))
            .map(|known| (known.id, known.url, known.title))
            .collect()
    }

    /// The tab of a page, and the address to go to where it does not show that yet.
    pub(super) async fn page(
        &mut self,
        surroundings: &Surroundings,
        place: &Place,
        action: &Action,
    ) -> Result<(String, Option<String>), BrowserError> {
        let citations = &surroundings.citations;
        self.forget_closed();
        let id = match place {
            Place::Latest => match self.open.last() {
                Some(open) => open.id,
                None => return Err(none_open()),
            },
            Place::Id(id) => *id,
            Place::Url(url) => {
                let shows = |open: &&Open| {
                    open.asked.contains(url) || citations.get(open.id).is_some_and(|known| known.url == *url)
                };
                let open = self.open.iter().rev().find(shows).map(|open| open.id);
                open.unwrap_or_else(|| citations.of(url, ""))
            }
        };
        if let Some(at) = self.open.iter().position(|open| open.id == id) {
            let mut open = self.open.remove(at);
            let target = open.target.clone();
            if let Place::Url(url) = place
                && *action == Action::Visit
            {
                open.asked = vec![url.clone()];
            }
            self.open.push(open);
            if *action != Action::Visit {
                // What was listed of a page that crashed means nothing on a fresh one.
                let crashed = self.watch.tab(&target, |tab| tab.crashed).unwrap_or(false);
                return if crashed { Err(super::go::crashed()) } else { Ok((target, None)) };
            }
            let url = match place {
                Place::Url(url) => url.clone(),
                _ => citations.get(id).map_or_else(|| self.url_of(&target), |known| known.url),
            };
            return Ok((target, Some(web(url)?)));
        }
        let url = match place {
            Place::Url(url) => url.clone(),
            _ => citations.get(id).map(|known| known.url).ok_or_else(|| {
                let open: Vec<u32> = self.open.iter().map(|open| open.id).collect();
                BrowserError::Refused(citations.unknown(id, &open))
            })?,
        };
        let url = web(url)?;
        let target = self.new_tab().await?;
        self.open.push(Open { asked: vec![url.clone()], ..Open::new(id, &target) });
        self.make_room();
        Ok((target, Some(url)))
    }

    /// The address that a tab shows, as far as it is told.
    pub(super) fn url_of(&self, target: &str) -> String {
        self.watch.tab(target, |tab| tab.url.clone()).unwrap_or_default()
    }

    /// Gives every tab that a page has opened a number, behind the latest one.
    pub(super) fn adopt(&mut self, surroundings: &Surroundings) {
        let fresh: Vec<(String, String)> = {
            let mut state = self.watch.lock();
            let fresh = state.tabs.iter_mut().filter(|tab| tab.opener.is_some() && !tab.adopted);
            fresh
                .map(|tab| {
                    tab.adopted = true;
                    (tab.target.clone(), tab.url.clone())
                })
                .collect()
        };
        for (target, url) in fresh {
            if self.open.iter().all(|open| open.target != target) {
                let id = self.free_number(surroundings, &url);
                self.open.insert(self.open.len().saturating_sub(1), Open::new(id, &target));
            }
        }
        self.make_room();
    }

    /// The number of an address, or a new one where another tab has that.
    fn free_number(&self, surroundings: &Surroundings, url: &str) -> u32 {
        let id = surroundings.citations.of(url, "");
        let taken = self.open.iter().any(|open| open.id == id);
        if taken { surroundings.citations.fresh(url) } else { id }
    }

    /// Closes the tabs that were not used for longest, where there are too many.
    fn make_room(&mut self) {
        while self.open.len() > MOST_TABS {
            let oldest = self.open.remove(0);
            self.connection.post(None, "Target.closeTarget", json!({"targetId": oldest.target}));
        }
    }

    fn forget_closed(&mut self) {
        let state = self.watch.lock();
        self.open.retain(|open| state.tabs.iter().any(|tab| tab.target == open.target));
    }

    /// A tab that shows nothing yet.
    pub(super) async fn new_tab(&self) -> Result<String, BrowserError> {
        let Target { target_id } =
            self.connection.call(None, "Target.createTarget", json!({"url": "about:blank"})).await?;
        let there =
            self.watch.until(|state| state.tabs.iter().any(|tab| tab.target == target_id && tab.ready).then_some(()));
        if let Ok(Some(())) = tokio::time::timeout(Duration::from_secs(10), there).await {
            return Ok(target_id);
        }
        self.connection.post(None, "Target.closeTarget", json!({"targetId": target_id}));
        Err(BrowserError::Slow("the browser did not open a tab".to_owned()))
    }

    /// A fresh tab in the place of one whose page has crashed.
    pub(super) async fn fresh_tab(&mut self, crashed: &str) -> Result<String, BrowserError> {
        let target = self.new_tab().await?;
        self.open.iter_mut().filter(|open| open.target == crashed).for_each(|open| open.target.clone_from(&target));
        self.connection.post(None, "Target.closeTarget", json!({"targetId": crashed}));
        Ok(target)
    }

    /// Looks at a page and tells what is seen.
    pub(super) async fn show(&mut self, surroundings: &Surroundings, target: &str) -> Result<Seen, BrowserError> {
        let (looked, picture) = tokio::join!(self.look(target), self.picture(target));
        let look::Looked { tree, sessions, blind } = match looked {
            Ok(looked) => looked,
            // What was done, and what came of it besides, is told all the same.
            Err(BrowserError::Slow(why)) => return Ok(self.unseen(surroundings, target, picture, &why)),
            Err(error) => return Err(error),
        };
        let (tree, view) = tokio::task::spawn_blocking(move || {
            let view = page::view(&tree);
            (tree, view)
        })
        .await
        .map_err(|error| BrowserError::Refused(format!("the page could not be read: {error}")))?;
        let View { markdown, elements, elsewhere, mut notes } = view;
        if tree.cut {
            notes.push("the page is too large to be looked at whole; a part of it is left out".to_owned());
        }
        let document = tree.documents.first().cloned().unwrap_or_default();
        let facts = self.watch.tab(target, |tab| {
            let (notices, loader) = (std::mem::take(&mut tab.notices), tab.load.loader.clone());
            (tab.url.clone(), tab.title.clone(), tab.response.clone(), notices, loader)
        });
        let (url, title, response, mut notices, loader) = facts.unwrap_or_default();
        let refused = response.as_ref().filter(|response| response.is_of_proxy());
        let refused = refused.map(|_| "the address was not reached; below is the answer of okcvm's proxy".to_owned());
        let status = response.map(|response| response.status);
        let url = if url.is_empty() { document.url.clone() } else { url };
        let title = page::line(if document.title.is_empty() { &title } else { &document.title }, 200);
        let id = self.brought_to_front(surroundings, target, &url, &title);
        if blind > 0 {
            notices.push(format!("{blind} frames of the page could not be read"));
        }
        notices.extend(notes);
        let lines = elements.iter().map(Element::line).collect();
        if let Some(open) = self.open.last_mut() {
            (open.listed, open.sessions, open.loader) = (elements, sessions, loader);
        }
        self.forget_closed();
        let others = self.others(surroundings, target);
        let height = f64::from(self.size.1);
        Ok(Seen {
            id,
            url,
            title,
            status,
            markdown,
            elements: lines,
            elsewhere,
            scrolled: (document.scroll.1, height, document.content.1.max(height)),
            others,
            notices,
            picture,
            refused,
            ..Seen::default()
        })
    }

    /// Makes a tab the latest one, which shows this address now. Gives its number.
    fn brought_to_front(&mut self, surroundings: &Surroundings, target: &str, url: &str, title: &str) -> u32 {
        let citations = &surroundings.citations;
        let open = match self.open.iter().position(|open| open.target == target) {
            Some(at) => {
                let open = self.open.remove(at);
                citations.moved(open.id, url, title);
                open
            }
            None => Open::new(self.free_number(surroundings, url), target),
        };
        let id = open.id;
        self.open.push(open);
        id
    }

    /// What can be told of a page that does not let itself be looked at.
    fn unseen(&mut self, surroundings: &Surroundings, target: &str, picture: Option<String>, why: &str) -> Seen {
        let facts =
            self.watch.tab(target, |tab| (tab.url.clone(), tab.title.clone(), std::mem::take(&mut tab.notices)));
        let (url, title, notices) = facts.unwrap_or_default();
        let title = page::line(&title, 200);
        let id = self.brought_to_front(surroundings, target, &url, &title);
        if let Some(open) = self.open.last_mut() {
            open.listed.clear();
        }
        let others = self.others(surroundings, target);
        let refused = Some(format!("what the page shows is not known: {why}"));
        Seen { id, url, title, others, notices, picture, refused, ..Seen::default() }
    }

    /// An element that was listed, with the session that it belongs to.
    pub(super) fn listed(&self, target: &str, index: i64) -> Result<(Element, String), BrowserError> {
        let open = self.open.iter().find(|open| open.target == target);
        let loader = self.watch.tab(target, |tab| tab.load.loader.clone()).unwrap_or_default();
        if let Some(open) = open
            && open.loader != loader
            && !open.loader.is_empty()
            && !loader.is_empty()
        {
            let why = "the page is another one by now, and its elements have other numbers; the list is below";
            return Err(BrowserError::Refused(why.to_owned()));
        }
        let element = listed(open.map(|open| open.listed.as_slice()).unwrap_or_default(), index);
        let element = element.map_err(BrowserError::Refused)?;
        let session = open.and_then(|open| open.sessions.get(element.key.part)).cloned();
        let session = session.ok_or_else(|| BrowserError::Refused("the frame of this element is gone".to_owned()))?;
        Ok((element.clone(), session))
    }
}

/// An address that may be opened: numbers may have come from anywhere.
fn web(url: String) -> Result<String, BrowserError> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(url);
    }
    let shown = page::line(&url, 200);
    Err(BrowserError::Refused(format!("{shown:?} is no address that can be opened: only http:// and https:// are")))
}

/// What is said where no page is open.
pub(super) fn none_open() -> BrowserError {
    BrowserError::Refused("no page is open; open one with browser_visit".to_owned())
}

/// An element that was listed, by its number. `Err` says why there is none.
pub(super) fn listed(listed: &[Element], index: i64) -> Result<&Element, String> {
    let element = usize::try_from(index).ok().and_then(|index| listed.get(index));
    element.ok_or_else(|| match listed.len() {
        0 => format!("there is no element {index}: nothing that can be acted on was listed of this page; what there is stands below"),
        count => format!("there is no element {index}; the list goes from 0 to {}", count - 1),
    })
}
