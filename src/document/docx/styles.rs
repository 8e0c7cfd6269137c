//! Styles and numbering of a Word document: what makes a paragraph a heading, an item or code.

use std::collections::HashMap;

use crate::document::markdown::{Look, Marker};
use crate::document::xml::{Element, Tree};

/// Styles are based on one another; a ring or a longer chain is not followed.
const LONGEST_CHAIN: usize = 20;

/// One style as it is written down.
#[derive(Debug, Default)]
struct Style {
    name: String,
    base: Option<String>,
    outline: Option<usize>,
    number: Option<String>,
    level: Option<usize>,
    bold: Option<bool>,
    italic: Option<bool>,
    strike: Option<bool>,
    hidden: Option<bool>,
}

/// All styles by their ids.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
}

/// Whether a property that is on or off is there, and which.
pub(super) fn toggle(properties: Element<'_>, name: &str) -> Option<bool> {
    let value = properties.child(name)?.attr("val");
    Some(!matches!(value, Some("0" | "false" | "off" | "none")))
}

impl Styles {
    pub(super) fn read(tree: Option<&Tree>) -> Self {
        let mut styles = HashMap::new();
        for style in tree.iter().flat_map(|tree| tree.root().children()).filter(|e| e.is("style")) {
            let paragraph = style.child("pPr");
            let run = style.child("rPr");
            let toggled = |name| run.and_then(|run| toggle(run, name));
            let numbered = paragraph.and_then(|p| p.child("numPr"));
            let read = Style {
                name: style.value("name").unwrap_or_default().to_lowercase(),
                base: style.value("basedOn").map(str::to_owned),
                outline: paragraph.and_then(|p| p.value("outlineLvl")).and_then(|v| v.parse().ok()),
                number: numbered.and_then(|n| n.value("numId")).map(str::to_owned),
                level: numbered.and_then(|n| n.value("ilvl")).and_then(|v| v.parse().ok()),
                bold: toggled("b"),
                italic: toggled("i"),
                strike: toggled("strike"),
                hidden: toggled("vanish"),
            };
            styles.insert(style.attr("styleId").unwrap_or_default().to_owned(), read);
        }
        Self { styles }
    }

    /// A style and those that it is based on.
    fn chain<'s>(&'s self, id: Option<&str>) -> impl Iterator<Item = &'s Style> {
        let mut next = id.and_then(|id| self.styles.get(id));
        std::iter::from_fn(move || {
            let style = next?;
            next = style.base.as_deref().and_then(|base| self.styles.get(base));
            Some(style)
        })
        .take(LONGEST_CHAIN)
    }

    /// Level of the heading that the style makes, 1 being the highest.
    pub(super) fn heading(&self, id: Option<&str>) -> Option<usize> {
        // Documents without a part for styles still name them.
        let bare = id.filter(|id| !self.styles.contains_key(*id)).map(str::to_lowercase);
        let names = self.chain(id).map(|style| style.name.as_str()).chain(bare.as_deref());
        for name in names {
            if name == "title" {
                return Some(1);
            }
            if name.starts_with("toc") {
                return None;
            }
            if let Some(level) = name.strip_prefix("heading") {
                return level.trim().parse().ok().filter(|level| (1..=9).contains(level));
            }
        }
        self.chain(id).find_map(|style| style.outline).filter(|level| *level < 9).map(|level| level + 1)
    }

    /// The list that the style belongs to, and the level in it.
    pub(super) fn numbering(&self, id: Option<&str>) -> Option<(String, usize)> {
        let number = self.chain(id).find_map(|style| style.number.clone())?;
        let level = self.chain(id).find_map(|style| style.level).unwrap_or(0);
        Some((number, level))
    }

    /// How deep a list style such as `List Bullet 2` stands by its name.
    pub(super) fn named_depth(&self, id: Option<&str>) -> usize {
        let depth = self.chain(id).find_map(|style| {
            let rest = style.name.strip_prefix("list ")?;
            rest.rsplit(' ').next()?.parse::<usize>().ok()
        });
        depth.map_or(0, |depth| depth.saturating_sub(1))
    }

    /// Whether text in this style is code: listings of programs, or one word of them.
    pub(super) fn is_code(&self, id: Option<&str>) -> bool {
        self.chain(id).any(|style| {
            let name = style.name.as_str();
            ["source code", "preformatted", "verbatim", "html code", "code block"].iter().any(|n| name.contains(n))
                || matches!(name, "code" | "macro" | "code char" | "inline code")
        })
    }

    /// Whether a paragraph in this style is a quotation.
    pub(super) fn is_quote(&self, id: Option<&str>) -> bool {
        self.chain(id)
            .any(|style| matches!(style.name.as_str(), "quote" | "intense quote" | "block text" | "quotations"))
    }

    /// How a run with these properties looks, and whether it is seen at all.
    pub(super) fn look(&self, properties: Option<Element<'_>>) -> (Look, bool) {
        let Some(properties) = properties else { return (Look::default(), false) };
        let id = properties.value("rStyle");
        let of = |name: &str, get: fn(&Style) -> Option<bool>| {
            toggle(properties, name).or_else(|| self.chain(id).find_map(get)).unwrap_or(false)
        };
        let look = Look {
            bold: of("b", |style| style.bold),
            italic: of("i", |style| style.italic),
            strike: of("strike", |style| style.strike) || toggle(properties, "dstrike") == Some(true),
            code: id.is_some() && self.is_code(id),
        };
        (look, of("vanish", |style| style.hidden))
    }
}

/// One level of a list.
#[derive(Debug, Clone, Default)]
struct Level {
    start: u64,
    format: String,
    text: String,
}

/// Lists of the document and how far each is counted.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Levels by the id of the definition.
    definitions: HashMap<String, HashMap<usize, Level>>,
    /// Definition of a list, and where its levels start anew.
    lists: HashMap<String, (String, HashMap<usize, u64>)>,
    /// What each level of a definition was counted to.
    counters: HashMap<String, Vec<Option<u64>>>,
    /// Lists whose own starts were taken.
    started: std::collections::HashSet<(String, usize)>,
}

/// What the numbering puts before a paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) marker: Marker,
    /// The label as Word shows it, such as `2.1.`; empty for bullets.
    pub(super) text: String,
}

impl Numbering {
    pub(super) fn read(tree: Option<&Tree>, styles: &Styles) -> Self {
        let mut numbering = Self::default();
        let Some(root) = tree.map(Tree::root) else { return numbering };
        let mut links = HashMap::new();
        let level_of = |e: Element<'_>| e.attr("ilvl").and_then(|v| v.parse::<usize>().ok()).filter(|l| *l < 9);
        for definition in root.children().filter(|e| e.is("abstractNum")) {
            let id = definition.attr("abstractNumId").unwrap_or_default().to_owned();
            if let Some(style) = definition.value("numStyleLink") {
                links.insert(id.clone(), style.to_owned());
            }
            let levels = definition.children().filter(|e| e.is("lvl")).filter_map(|level| {
                let read = Level {
                    start: level.value("start").and_then(|v| v.parse().ok()).unwrap_or(1),
                    format: level.value("numFmt").unwrap_or("decimal").to_owned(),
                    text: level.value("lvlText").unwrap_or_default().to_owned(),
                };
                Some((level_of(level)?, read))
            });
            numbering.definitions.insert(id, levels.collect());
        }
        for list in root.children().filter(|e| e.is("num")) {
            let starts = list
                .children()
                .filter(|e| e.is("lvlOverride"))
                .filter_map(|level| Some((level_of(level)?, level.value("startOverride")?.parse().ok()?)));
            let definition = list.value("abstractNumId").unwrap_or_default().to_owned();
            let id = list.attr("numId").unwrap_or_default().to_owned();
            numbering.lists.insert(id, (definition, starts.collect()));
        }
        // A definition may stand in a style: that of the list which the style names.
        for (id, style) in links {
            let linked = styles.numbering(Some(&style)).and_then(|(list, _)| numbering.lists.get(&list));
            if let Some(levels) = linked.and_then(|(definition, _)| numbering.definitions.get(definition)).cloned() {
                numbering.definitions.insert(id, levels);
            }
        }
        numbering
    }

    /// Counts a paragraph of a list; `None` when the list shows nothing.
    pub(super) fn next(&mut self, list: &str, level: usize) -> Option<Label> {
        let level = level.min(8);
        let (definition, starts) = self.lists.get(list)?;
        let levels = self.definitions.get(definition)?;
        let shape = levels.get(&level).cloned().unwrap_or_default();
        let counters = self.counters.entry(definition.clone()).or_insert_with(|| vec![None; 9]);
        if let Some(start) = starts.get(&level)
            && self.started.insert((list.to_owned(), level))
        {
            counters[level] = Some(start.saturating_sub(1));
        }
        let number = counters[level].map_or(shape.start, |number| number.saturating_add(1));
        counters[level] = Some(number);
        counters[level + 1..].fill(None);
        match shape.format.as_str() {
            "none" => return None,
            "bullet" => return Some(Label { marker: Marker::Bullet, text: String::new() }),
            _ => {}
        }
        let mut text = shape.text.clone();
        for (at, counter) in counters.iter().enumerate() {
            let place = format!("%{}", at + 1);
            if text.contains(&place) {
                let shape = levels.get(&at);
                let number = counter.or(shape.map(|level| level.start)).unwrap_or(1);
                text = text.replace(&place, &numeral(number, shape.map_or("decimal", |level| &level.format)));
            }
        }
        Some(Label { marker: Marker::Number(number), text })
    }
}

/// A number in the way that a list shows it.
fn numeral(number: u64, format: &str) -> String {
    let letter = || {
        let at = (number.max(1) - 1) % 26;
        let c = char::from(b'a' + at as u8);
        c.to_string().repeat(((number.max(1) - 1) / 26 + 1).min(9) as usize)
    };
    match format {
        "lowerLetter" => letter(),
        "upperLetter" => letter().to_uppercase(),
        "lowerRoman" => roman(number),
        "upperRoman" => roman(number).to_uppercase(),
        _ => number.to_string(),
    }
}

fn roman(number: u64) -> String {
    if number == 0 || number >= 4000 {
        return number.to_string();
    }
    let signs = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let mut left = number;
    let mut out = String::new();
    for (value, sign) in signs {
        while left >= value {
            out.push_str(sign);
            left -= value;
        }
    }
    out
}
