//! Styles of OpenDocument files: which runs are bold, which lists are numbered, which numbers are dates.

use std::collections::HashMap;

use crate::document::markdown::Look;
use crate::document::xml::{Element, Tree};

/// Styles are based on one another; a ring or a longer chain is not followed.
const LONGEST_CHAIN: usize = 20;

#[derive(Debug, Default)]
struct Style {
    parent: Option<String>,
    display: String,
    bold: Option<bool>,
    italic: Option<bool>,
    strike: Option<bool>,
    fixed: bool,
    list: Option<String>,
    outline: Option<usize>,
}

/// All styles of a document.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: HashMap<(String, String), Style>,
    /// Levels of lists: the start of a numbered one, `None` for bullets.
    lists: HashMap<String, HashMap<usize, Option<u64>>>,
}

impl Styles {
    pub(super) fn read(&mut self, tree: &Tree) {
        let groups = tree.root().children().filter(|e| matches!(e.name(), "styles" | "automatic-styles"));
        for style in groups.flat_map(Element::children) {
            let name = style.attr(":name").unwrap_or_default().to_owned();
            match style.name() {
                "style" => {
                    let text = style.child("text-properties");
                    let is = |property: &str, plain: &str| {
                        text.and_then(|t| t.attr(property)).map(|value| value != plain && value != "none")
                    };
                    let read = Style {
                        parent: style.attr(":parent-style-name").map(str::to_owned),
                        display: style.attr(":display-name").unwrap_or(&name).to_lowercase().replace("_20_", " "),
                        bold: is(":font-weight", "normal"),
                        italic: is(":font-style", "normal"),
                        strike: is(":text-line-through-style", "none"),
                        fixed: text.and_then(|t| t.attr(":font-pitch")) == Some("fixed"),
                        list: style.attr(":list-style-name").filter(|n| !n.is_empty()).map(str::to_owned),
                        outline: style.attr(":default-outline-level").and_then(|v| v.parse().ok()),
                    };
                    self.styles.insert((style.attr(":family").unwrap_or_default().to_owned(), name), read);
                }
                "list-style" => {
                    let levels = style.children().filter_map(|level| {
                        let at = level.attr(":level")?.parse::<usize>().ok()?;
                        let numbered = level.is("list-level-style-number")
                            && level.attr(":num-format").is_some_and(|format| !format.is_empty());
                        let start = level.attr(":start-value").and_then(|v| v.parse().ok()).unwrap_or(1);
                        Some((at, numbered.then_some(start)))
                    });
                    self.lists.insert(name, levels.collect());
                }
                _ => {}
            }
        }
    }

    fn chain<'s>(&'s self, family: &str, name: Option<&str>) -> impl Iterator<Item = &'s Style> {
        let family = family.to_owned();
        let get = move |name: &str| self.styles.get(&(family.clone(), name.to_owned()));
        let mut next = name.and_then(&get);
        std::iter::from_fn(move || {
            let style = next?;
            next = style.parent.as_deref().and_then(&get);
            Some(style)
        })
        .take(LONGEST_CHAIN)
    }

    /// How a run in a text style looks.
    pub(super) fn look(&self, name: Option<&str>) -> Look {
        let of = |get: fn(&Style) -> Option<bool>| self.chain("text", name).find_map(get).unwrap_or(false);
        let code = self.chain("text", name).any(|style| style.display.contains("source text"));
        Look { bold: of(|s| s.bold), italic: of(|s| s.italic), strike: of(|s| s.strike), code }
    }

    /// How a paragraph in its style looks, where its style was made for it alone.
    pub(super) fn is_code(&self, name: Option<&str>) -> bool {
        self.chain("paragraph", name).any(|s| s.display.contains("preformatted") || (s.fixed && s.display == "code"))
    }

    /// Whether a paragraph is a quotation.
    pub(super) fn is_quote(&self, name: Option<&str>) -> bool {
        self.chain("paragraph", name).any(|style| style.display == "quotations")
    }

    /// Level of the heading that a style of paragraphs makes.
    pub(super) fn heading(&self, name: Option<&str>) -> Option<usize> {
        let title = self.chain("paragraph", name).any(|style| style.display == "title");
        if title { Some(1) } else { self.chain("paragraph", name).find_map(|s| s.outline).filter(|level| *level > 0) }
    }

    /// The start of a numbered level of a list; `None` for bullets.
    pub(super) fn numbered(&self, list: &str, level: usize) -> Option<u64> {
        self.lists.get(list).and_then(|levels| *levels.get(&level)?)
    }

    /// The list that a style of paragraphs belongs to.
    pub(super) fn list_of(&self, paragraph: Option<&str>) -> Option<&str> {
        self.chain("paragraph", paragraph).find_map(|style| style.list.as_deref())
    }
}
