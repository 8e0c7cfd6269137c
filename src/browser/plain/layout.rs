//! Where the nodes of a page would stand if it were written on paper with a typewriter: lines of equal height, letters of
//! equal width, no styles. So what is seen, what lies above and below, and scrolling mean the same as in a browser.

use unicode_width::UnicodeWidthStr;

use crate::browser::page::{Kind, Rect, Tree};

/// The window in CSS pixels. It is taller than a browser's, since nothing stands side by side.
pub(super) const WINDOW: (f64, f64) = (1280.0, 2400.0);
/// Of a letter.
const LETTER: f64 = 8.0;
/// Of a line.
pub(super) const LINE: f64 = 20.0;
/// Letters of a line.
const LETTERS: usize = 160;

/// Elements that stand in the line.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "area", "audio", "b", "bdi", "bdo", "big", "br", "button", "cite", "code", "data", "del",
    "dfn", "em", "font", "i", "img", "input", "ins", "kbd", "label", "map", "mark", "meter", "nobr", "object",
    "output", "picture", "progress", "q", "rp", "rt", "ruby", "s", "samp", "select", "slot", "small", "span", "strike",
    "strong", "sub", "sup", "textarea", "time", "tt", "u", "var", "video", "wbr", "td", "th",
];

/// Where each node stands on the page, from its top; none for what is not shown.
#[derive(Debug, Default)]
pub(super) struct Layout {
    places: Vec<Option<Rect>>,
    /// Of the whole page.
    pub(super) height: f64,
}

/// The place that is written next.
#[derive(Default)]
struct Pen {
    letters: usize,
    line: usize,
}

impl Pen {
    /// Begins a line where something stands in this one.
    fn fresh(&mut self) {
        if self.letters > 0 {
            self.next_line();
        }
    }

    fn next_line(&mut self) {
        self.letters = 0;
        self.line += 1;
    }

    /// Something that is not broken, of so many letters and lines.
    fn box_of(&mut self, letters: usize, lines: usize) -> Rect {
        let letters = letters.clamp(1, LETTERS);
        if self.letters + letters > LETTERS {
            self.next_line();
        }
        let place = rect(self.letters, self.line, letters, lines);
        self.letters += letters;
        self.line += lines - 1;
        place
    }

    /// Words that are broken at the end of the line. None for nothing.
    fn words(&mut self, text: &str) -> Option<Rect> {
        let (begin, line) = (self.letters, self.line);
        if text.starts_with(char::is_whitespace) && self.letters > 0 {
            self.letters += 1;
        }
        let mut first = true;
        for word in text.split_whitespace() {
            let width = word.width();
            let space = usize::from(!std::mem::take(&mut first));
            if self.letters + space + width > LETTERS && self.letters > 0 {
                self.next_line();
                self.letters = width % LETTERS;
            } else {
                self.letters += space + width;
            }
            self.line += width / LETTERS;
            self.letters = self.letters.min(LETTERS);
        }
        if !first && text.ends_with(char::is_whitespace) {
            self.letters += 1;
        }
        self.since(begin, line)
    }

    /// Lines as they are.
    fn listing(&mut self, text: &str) -> Option<Rect> {
        let (begin, line) = (self.letters, self.line);
        for (number, text) in text.split('\n').enumerate() {
            if number > 0 {
                self.next_line();
            }
            self.letters += text.width();
        }
        let place = self.since(begin, line);
        self.letters = self.letters.min(LETTERS);
        place
    }

    fn since(&self, begin: usize, line: usize) -> Option<Rect> {
        match (self.line - line, self.letters) {
            (0, letters) if letters == begin => None,
            (0, letters) => Some(rect(begin, line, letters - begin, 1)),
            // Nothing stands in a line that was only begun.
            (lines, 0) => Some(rect(0, line, LETTERS, lines)),
            (lines, _) => Some(rect(0, line, LETTERS, lines + 1)),
        }
    }
}

fn rect(letters: usize, line: usize, width: usize, lines: usize) -> Rect {
    Rect {
        x: letters as f64 * LETTER,
        y: line as f64 * LINE,
        width: width.min(LETTERS) as f64 * LETTER,
        height: lines as f64 * LINE,
    }
}

fn together(one: Rect, other: Rect) -> Rect {
    let (x, y) = (one.x.min(other.x), one.y.min(other.y));
    let right = (one.x + one.width).max(other.x + other.width);
    Rect { x, y, width: right - x, height: one.bottom().max(other.bottom()) - y }
}

enum Step {
    Enter(usize, bool),
    Leave,
}

impl Layout {
    /// Writes a page.
    pub(super) fn of(tree: &mut Tree) -> Self {
        let mut places: Vec<Option<Rect>> = vec![None; tree.nodes.len()];
        let mut pen = Pen::default();
        let mut steps: Vec<Step> = tree.root().map(|root| Step::Enter(root, false)).into_iter().collect();
        while let Some(step) = steps.pop() {
            let Step::Enter(at, listing) = step else {
                pen.fresh();
                continue;
            };
            let node = &mut tree.nodes[at];
            if node.kind == Kind::Text {
                places[at] = if listing { pen.listing(&node.text) } else { pen.words(&node.text) };
                continue;
            }
            if node.kind == Kind::Element && is_hidden(node) {
                continue;
            }
            let inline = node.kind == Kind::Element && INLINE.contains(&node.tag.as_str());
            if inline { "inline" } else { "block" }.clone_into(&mut node.display);
            if !inline {
                pen.fresh();
            }
            let width = |name: &str| node.attribute(name).map_or(0, UnicodeWidthStr::width);
            match node.tag.as_str() {
                "br" => {
                    places[at] = Some(rect(pen.letters.min(LETTERS - 1), pen.line, 1, 1));
                    pen.next_line();
                }
                "hr" => {
                    places[at] = Some(rect(0, pen.line, LETTERS, 1));
                    pen.next_line();
                }
                "img" | "area" => places[at] = Some(pen.box_of(width("alt").max(3), 1)),
                "input" => {
                    let letters = match node.word("type").as_str() {
                        "checkbox" | "radio" => 2,
                        "button" | "submit" | "reset" | "image" => width("value").max(8),
                        _ => 20,
                    };
                    places[at] = Some(pen.box_of(letters, 1));
                }
                "select" | "audio" | "video" => places[at] = Some(pen.box_of(20, 1)),
                "textarea" => {
                    pen.fresh();
                    places[at] = Some(pen.box_of(80, 3));
                    pen.next_line();
                }
                tag => {
                    let listing = listing || matches!(tag, "pre" | "listing" | "xmp" | "plaintext");
                    if !inline {
                        steps.push(Step::Leave);
                    }
                    if matches!(tag, "td" | "th") && pen.letters > 0 {
                        pen.letters += 1;
                    }
                    if tag == "button" && node.children.is_empty() {
                        places[at] = Some(pen.box_of(8, 1));
                    }
                    steps.extend(node.children.iter().rev().map(|child| Step::Enter(*child, listing)));
                }
            }
        }
        // Each node stands after the one that holds it.
        for at in (1..places.len()).rev() {
            if let (Some(place), Some(up)) = (places[at], tree.nodes[at].parent) {
                places[up] = Some(places[up].map_or(place, |around| together(around, place)));
            }
        }
        pen.fresh();
        Self { places, height: pen.line as f64 * LINE }
    }

    /// How far the page is scrolled at most.
    pub(super) fn lowest(&self) -> f64 {
        (self.height - WINDOW.1).max(0.0)
    }

    /// Where the top of a node stands; none for what is not shown.
    pub(super) fn top(&self, at: usize) -> Option<f64> {
        self.places.get(at).copied().flatten().map(|place| place.y)
    }

    /// Tells the tree what of it is seen once it is scrolled so far.
    pub(super) fn scroll(&self, tree: &mut Tree, by: f64) {
        let window = Rect { x: 0.0, y: 0.0, width: WINDOW.0, height: WINDOW.1 };
        tree.window = Some(WINDOW);
        for (node, place) in tree.nodes.iter_mut().zip(&self.places) {
            node.rect = place.map(|place| place.moved(0.0, -by));
            node.seen = node.rect.map(|place| place.within(window)).unwrap_or_default();
        }
        if let Some(document) = tree.documents.first_mut() {
            document.scroll = (0.0, by);
            document.content = (WINDOW.0, self.height);
        }
    }
}

/// Whether a page says, without a style sheet, that something is not to be seen.
fn is_hidden(node: &crate::browser::page::Node) -> bool {
    let style: String =
        node.attribute("style").unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let style = style.to_ascii_lowercase();
    matches!(node.tag.as_str(), "head" | "datalist" | "param" | "source" | "track")
        || node.attribute("hidden").is_some()
        || (node.tag == "input" && node.word("type") == "hidden")
        || (node.tag == "dialog" && node.attribute("open").is_none())
        || style.contains("display:none")
        || style.contains("visibility:hidden")
}
