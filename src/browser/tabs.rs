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
    /// What was listed last, with the sessions of its parts.
    pub(super) listed: Vec<Element>,
    pub(super) sessions: Vec<String>,
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
            Place::Url(url) => citations.of(url, ""),
        };
        if let Some(at) = self.open.iter().position(|open| open.id == id) {
            let open = self.open.remove(at);
            let target = open.target.clone();
            self.open.push(open);
            if *action != Action::Visit {
                // What was listed of a page that crashed means nothing on a fresh one.
                let crashed = self.watch.tab(&target, |tab| tab.crashed).unwrap_or(false);
                return if crashed { Err(super::go::crashed()) } else { Ok((target, None)) };
            }
            let url = citations.get(id).map(|known| known.url);
            return Ok((target, url));
        }
        let url = match place {
            Place::Url(url) => url.clone(),
            _ => citations.get(id).map(|known| known.url).ok_or_else(|| {
                let open: Vec<u32> = self.open.iter().map(|open| open.id).collect();
                BrowserError::Refused(citations.unknown(id, &open))
            })?,
        };
        let target = self.new_tab().await?;
        self.open.push(Open { id, target: target.clone(), listed: Vec::new(), sessions: Vec::new() });
        Ok((target, Some(url)))
    }

    fn forget_closed(&mut self) {
        let state = self.watch.lock();
        self.open.retain(|open| state.tabs.iter().any(|tab| tab.target == open.target));
    }

    /// A tab that shows nothing yet. Makes room first.
    async fn new_tab(&mut self) -> Result<String, BrowserError> {
        while self.open.len() >= MOST_TABS {
            let oldest = self.open.remove(0);
            self.connection.post(None, "Target.closeTarget", json!({"targetId": oldest.target}));
        }
        let Target { target_id } =
            self.connection.call(None, "Target.createTarget", json!({"url": "about:blank"})).await?;
        let there =
            self.watch.until(|state| state.tabs.iter().any(|tab| tab.target == target_id && tab.ready).then_some(()));
        match tokio::time::timeout(Duration::from_secs(10), there).await {
            Ok(Some(())) => Ok(target_id),
            _ => Err(BrowserError::Slow("the browser did not open a tab".to_owned())),
        }
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
        let citations = &surroundings.citations;
        let (looked, picture) = tokio::join!(self.look(target), self.picture(target));
        let look::Looked { tree, sessions, blind } = looked?;
        let (tree, view) = tokio::task::spawn_blocking(move || {
            let view = page::view(&tree);
            (tree, view)
        })
        .await
        .map_err(|error| BrowserError::Refused(format!("the page could not be read: {error}")))?;
        let View { markdown, elements, elsewhere, notes } = view;
        let document = tree.documents.first().cloned().unwrap_or_default();
        let facts = self.watch.tab(target, |tab| {
            (tab.url.clone(), tab.title.clone(), tab.response.clone(), std::mem::take(&mut tab.notices))
        });
        let (url, title, response, mut notices) = facts.unwrap_or_default();
        let refused = response.as_ref().filter(|response| response.is_of_proxy());
        let refused = refused.map(|_| "the address was not reached; below is the answer of okcvm's proxy".to_owned());
        let status = response.map(|response| response.status);
        let url = if url.is_empty() { document.url.clone() } else { url };
        let title = page::line(if document.title.is_empty() { &title } else { &document.title }, 200);
        let id = if let Some(at) = self.open.iter().position(|open| open.target == target) {
            let open = self.open.remove(at);
            let id = open.id;
            citations.moved(id, &url, &title);
            self.open.push(open);
            id
        } else {
            let id = citations.of(&url, &title);
            self.open.push(Open { id, target: target.to_owned(), listed: Vec::new(), sessions: Vec::new() });
            id
        };
        if blind > 0 {
            notices.push(format!("{blind} frames of the page could not be read"));
        }
        notices.extend(notes);
        let lines = elements.iter().map(Element::line).collect();
        if let Some(open) = self.open.last_mut() {
            (open.listed, open.sessions) = (elements, sessions);
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

    /// An element that was listed, with the session that it belongs to.
    pub(super) fn listed(&self, target: &str, index: i64) -> Result<(Element, String), BrowserError> {
        let open = self.open.iter().find(|open| open.target == target);
        let element = listed(open.map(|open| open.listed.as_slice()).unwrap_or_default(), index);
        let element = element.map_err(BrowserError::Refused)?;
        let session = open.and_then(|open| open.sessions.get(element.key.part)).cloned();
        let session = session.ok_or_else(|| BrowserError::Refused("the frame of this element is gone".to_owned()))?;
        Ok((element.clone(), session))
    }
}

/// What is said where no page is open.
pub(super) fn none_open() -> BrowserError {
    BrowserError::Refused("no page is open; open one with browser_visit".to_owned())
}

/// An element that was listed, by its number. `Err` says why there is none.
pub(super) fn listed(listed: &[Element], index: i64) -> Result<&Element, String> {
    let element = usize::try_from(index).ok().and_then(|index| listed.get(index));
    element.ok_or_else(|| match listed.len() {
        0 => format!("there is no element {index}: nothing on this page was listed yet; the list is below"),
        count => format!("there is no element {index}; the list goes from 0 to {}", count - 1),
    })
}
