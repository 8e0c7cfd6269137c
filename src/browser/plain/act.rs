//! Acting on a page without scripts: links are followed, forms filled in and sent; the rest says what it would need.

use url::Url;

use super::Plain;
use super::fetch::Asked;
use super::fill::Filled;
use super::forms::shown;
use super::load::is_web;
use crate::browser::act::{given, named, scrolled};
use crate::browser::page::{self, Element};
use crate::browser::session::{Action, Surroundings};
use crate::browser::tabs::listed;

/// Bytes of the files that one form sends.
const MOST_FILES: u64 = 16 << 20;

/// What follows on an action.
#[derive(Debug)]
pub(super) enum Next {
    /// The page stays; what is said of it.
    Stay(Option<String>),
    /// A request is made, and its answer may be a page of its own.
    Go { asked: Asked, said: String, apart: bool },
}

impl Plain {
    /// Does something on an open page. `Err` says why it is not done.
    pub(super) fn perform(&mut self, surroundings: &Surroundings, id: u32, action: &Action) -> Result<Next, String> {
        let Some(open) = self.opened(id) else { return Err("the page is not open any more".to_owned()) };
        let stay = |said: String| Ok(Next::Stay(Some(said)));
        match action {
            Action::Visit | Action::Look => Ok(Next::Stay(None)),
            Action::Scroll(pixels) => {
                let moved = open.page.scroll_by(*pixels as f64);
                stay(scrolled(moved as i64, *pixels))
            }
            Action::Find(keyword, skip) => {
                let found = page::find(&open.page.tree, keyword, *skip);
                let (hit, said) = page::pick(found, keyword, *skip)?;
                let at = usize::try_from(hit.from.0.backend).unwrap_or_default();
                open.page.show_node(at);
                stay(said)
            }
            Action::Click(index) => {
                let element = listed(&open.listed, *index)?.clone();
                self.click(surroundings, id, (&element, *index))
            }
            Action::Input(index, text) => {
                let element = listed(&open.listed, *index)?.clone();
                let what = named(&element);
                let refused = |why: String| format!("element {index} ({what}): {why}");
                let at = open.page.node_of(&element);
                if element.role == "file" {
                    open.page.can_be_changed(at).map_err(refused)?;
                    let multiple = open.page.tree.nodes[at].attribute("multiple").is_some();
                    let paths = given(surroundings, text, multiple).map_err(refused)?;
                    let paths: Vec<String> = paths.into_iter().map(|path| path.shown().to_owned()).collect();
                    let count = paths.len();
                    let node = &mut open.page.tree_mut().nodes[at];
                    node.value = Some(paths.join(", "));
                    open.page.files.insert(at, paths);
                    let noun = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
                    return stay(format!("gave {noun} to element {index}, {what}"));
                }
                match open.page.fill(at, text).map_err(refused)? {
                    Filled::Done(said) => stay(format!("element {index}, {what}: {said}")),
                    Filled::Entered => {
                        let page = &open.page;
                        let form = page.form_of(at).ok_or_else(|| {
                            refused(
                                "it is filled in, but it belongs to no form, so Enter needs the page's scripts"
                                    .to_owned(),
                            )
                        })?;
                        let button = page.default_button(form);
                        self.send(
                            surroundings,
                            id,
                            form,
                            button,
                            &format!("filled in element {index}, {what}, and pressed Enter"),
                        )
                    }
                }
            }
        }
    }

    fn click(
        &mut self,
        surroundings: &Surroundings,
        id: u32,
        (element, index): (&Element, i64),
    ) -> Result<Next, String> {
        let Some(open) = self.opened(id) else { return Err("the page is not open any more".to_owned()) };
        let (page, what) = (&mut open.page, named(element));
        let at = page.node_of(element);
        let needs = |what: &str| {
            format!(
                "element {index} ({what}) does something by scripts only, which run in a browser only; use another way, such as a link or form of the page, or visit another address"
            )
        };
        if page.is_disabled(at) {
            return Err(format!("element {index} is disabled"));
        }
        let clicked = format!("clicked element {index}, {what}");
        let node = &page.tree.nodes[at];
        let kind = node.word("type");
        match node.tag.as_str() {
            "a" | "area" if node.attribute("href").is_some() => {
                let href = node.attribute("href").unwrap_or_default().trim().to_owned();
                let apart = node.word("target") == "_blank";
                let by_script = node.attribute("onclick").is_some() || node.word("role") == "button";
                let url = page
                    .base
                    .join(&href)
                    .map_err(|error| format!("element {index} leads to {href:?}, which is no address: {error}"))?;
                if url.scheme() == "javascript" {
                    return Err(needs(&what));
                }
                if !is_web(&url) {
                    let scheme = url.scheme();
                    return Err(format!(
                        "element {index} leads to {}: only http:// and https:// are opened, not {scheme}:",
                        shown(&url)
                    ));
                }
                if let Some(fragment) = same_page(&page.url, &url) {
                    // `#` alone leads nowhere: such links are there for their scripts.
                    if fragment.is_empty() && by_script {
                        return Err(needs(&what));
                    }
                    if page.jump(&fragment) {
                        page.url = url;
                        return Ok(Next::Stay(Some(clicked)));
                    }
                    return Err(if fragment == "!" {
                        needs(&what)
                    } else {
                        format!(
                            "element {index} leads to #{fragment}, and no place on this page has that name; it may need scripts"
                        )
                    });
                }
                Ok(Next::Go { asked: Asked::get(url), said: clicked, apart })
            }
            "input" if matches!(kind.as_str(), "checkbox" | "radio") => {
                let on = kind == "radio" || !page.tree.nodes[at].checked;
                page.check(at, on);
                let now = if on { "checked" } else { "not checked" };
                Ok(Next::Stay(Some(format!("{clicked}: it is {now} now"))))
            }
            "input" | "button" if kind == "reset" => {
                let form = page.form_of(at);
                if form.is_none() {
                    return Err(needs(&what));
                }
                page.reset(form);
                Ok(Next::Stay(Some(format!("{clicked}: the form is as it was at first"))))
            }
            "input" | "button" if page.sends(at) => {
                let form = page.form_of(at).ok_or_else(|| needs(&what))?;
                self.send(surroundings, id, form, Some(at), &clicked)
            }
            "summary" => Ok(Next::Stay(Some(format!("{clicked}: what it opens is shown here anyway")))),
            "select" | "textarea" => {
                Err(format!("element {index} ({what}) is filled in with mshtools-browser_input, not clicked"))
            }
            "input" if kind != "button" => {
                Err(format!("element {index} ({what}) is filled in with mshtools-browser_input, not clicked"))
            }
            _ => Err(needs(&what)),
        }
    }

    /// Sends a form.
    fn send(
        &mut self,
        surroundings: &Surroundings,
        id: u32,
        form: usize,
        button: Option<usize>,
        said: &str,
    ) -> Result<Next, String> {
        let Some(open) = self.opened(id) else { return Err("the page is not open any more".to_owned()) };
        let workspace = &surroundings.workspace;
        let sent = std::cell::Cell::new(0_u64);
        let read = |path: &str| {
            let confined = workspace.resolve(path).map_err(|error| error.to_string())?;
            let bytes = workspace.read(&confined, MOST_FILES).map_err(|error| error.to_string())?;
            sent.set(sent.get() + bytes.len() as u64);
            if sent.get() > MOST_FILES {
                return Err(format!("the files of a form may have {} MiB together", MOST_FILES >> 20));
            }
            let name = confined.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            Ok((name, bytes))
        };
        let asked = open.page.request(form, button, &read)?;
        let target = button.map_or_else(String::new, |button| open.page.tree.nodes[button].word("formtarget"));
        let target = if target.is_empty() { open.page.tree.nodes[form].word("target") } else { target };
        Ok(Next::Go { asked, said: said.to_owned(), apart: target == "_blank" })
    }
}

/// The place on the same page that an address names; `None` for another page.
fn same_page(page: &Url, to: &Url) -> Option<String> {
    let (mut one, mut other) = (page.clone(), to.clone());
    one.set_fragment(None);
    other.set_fragment(None);
    (one == other).then(|| to.fragment().map(ToOwned::to_owned)).flatten()
}
