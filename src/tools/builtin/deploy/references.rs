//! What the pages of a site refer to: whether it is in the site. References that scripts make up as they run are not seen.

use std::borrow::Cow;
use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::document::html::{self, Attributes, Piece};
use crate::preview::{Contents, Copied};

/// Bytes of one page or style sheet that are looked at.
const MOST_BYTES: u64 = 4 << 20;
/// Pages and style sheets that are looked at.
const MOST_FILES: usize = 500;
/// References of one kind that are named.
const MOST_NAMED: usize = 15;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The title of `index.html`.
    pub(super) title: String,
    /// References that lead out of the folder or to other places of this machine: page and reference.
    pub(super) outside: BTreeSet<(String, String)>,
    /// References to files that the folder does not hold.
    pub(super) missing: BTreeSet<(String, String)>,
    /// Hosts that pages load something from.
    pub(super) hosts: BTreeSet<String>,
}

/// Looks through all pages and style sheets of a copy.
pub(super) fn check(copied: &Copied) -> Found {
    let mut found = Found::default();
    let is = |name: &str, ends: &[&str]| {
        let lower = name.to_ascii_lowercase();
        ends.iter().any(|end| lower.ends_with(end))
    };
    let looked_at = |name: &&str| is(name, &[".html", ".htm", ".xhtml", ".css", ".svg", ".js", ".mjs"]);
    for name in copied.contents.names().filter(looked_at).take(MOST_FILES) {
        let Ok(bytes) = copied.read(name, MOST_BYTES) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let mut page = Page { name, contents: &copied.contents, base: None, found: &mut found };
        if is(name, &[".css"]) {
            page.style(&text);
        } else if is(name, &[".js", ".mjs"]) {
            page.script(&text);
        } else {
            page.markup(&text);
        }
    }
    if let Ok(bytes) = copied.read("index.html", MOST_BYTES) {
        found.title = title(&String::from_utf8_lossy(&bytes));
    }
    found
}

impl Found {
    /// Notes for the model: what will not work, and what depends on others.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |what: &str, list: &BTreeSet<(String, String)>, how: &str| {
            if list.is_empty() {
                return;
            }
            let named: Vec<String> =
                list.iter().take(MOST_NAMED).map(|(page, reference)| format!("  {page}: {reference}")).collect();
            let more = list.len().saturating_sub(MOST_NAMED);
            let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
            notes.push(format!("{what}\n{}{more}\n{how}", named.join("\n")));
        };
        note(
            "These references leave the folder and will not work:",
            &self.outside,
            "Copy what they mean into the folder, refer to it relatively, and deploy again.",
        );
        note(
            "These references lead to files that are not in the folder:",
            &self.missing,
            "Add the files or mend the references, and deploy again.",
        );
        if !self.hosts.is_empty() {
            let hosts: Vec<&str> = self.hosts.iter().take(MOST_NAMED).map(String::as_str).collect();
            notes.push(format!(
                "The pages load from other hosts, which must be reachable for them: {}",
                hosts.join(", ")
            ));
        }
        notes
    }
}

/// What the references of a page are relative to.
enum Base {
    /// A folder of the site, with its slash; empty for the site itself.
    Folder(String),
    /// A place that is not in the site.
    Elsewhere,
}

struct Page<'a> {
    /// Its path in the site.
    name: &'a str,
    contents: &'a Contents,
    /// What its `base` element says.
    base: Option<Base>,
    found: &'a mut Found,
}

impl Page<'_> {
    fn markup(&mut self, text: &str) {
        let (mut style, mut in_style, mut script, mut in_script) = (String::new(), false, String::new(), false);
        let mut base = None;
        let mut elements: Vec<(String, bool)> = Vec::new();
        html::pieces(text, |piece| match piece {
            Piece::Start("style", _) => in_style = true,
            Piece::End("style") => in_style = false,
            Piece::Text(part) if in_style => style.push_str(part),
            // The first one that names a place is the one that holds.
            Piece::Start("base", attributes) if base.is_none() => base = attributes.get("href").map(ToOwned::to_owned),
            Piece::Start("script", attributes) => {
                let kind = attributes.get("type").unwrap_or_default();
                in_script = kind.eq_ignore_ascii_case("module") && attributes.get("src").is_none();
                elements.extend(references("script", attributes));
            }
            Piece::End("script") => in_script = false,
            Piece::Text(part) if in_script => script.push_str(part),
            Piece::Start(name, attributes) => {
                elements.extend(references(name, attributes));
                if let Some(inline) = attributes.get("style") {
                    style.push_str(inline);
                    style.push('\n');
                }
            }
            _ => {}
        });
        if let Some(base) = base {
            self.take_base(&base);
        }
        for (reference, loads) in elements {
            self.reference(&reference, loads);
        }
        self.style(&style);
        self.script(&script);
    }

    /// What a page says that its references are relative to.
    fn take_base(&mut self, base: &str) {
        let base = base.trim();
        if base.starts_with('/') && !base.starts_with("//") {
            // The address of a site has a part before it that no page knows.
            self.found.outside.insert((self.name.to_owned(), format!("<base href=\"{}\">", shortened(base))));
            self.base = Some(Base::Elsewhere);
        } else if scheme(base).is_some() || base.starts_with("//") {
            self.reference(base, true);
            self.base = Some(Base::Elsewhere);
        } else {
            let folder = if base.is_empty() || base.ends_with('/') {
                base
            } else {
                base.rsplit_once('/').map_or("", |(folder, _)| folder)
            };
            self.base = match resolved(self.name, folder) {
                Some(folder) if folder.is_empty() => Some(Base::Folder(String::new())),
                Some(folder) => Some(Base::Folder(format!("{folder}/"))),
                None => Some(Base::Elsewhere),
            };
        }
    }

    /// What a module imports by a path that stands in it.
    fn script(&mut self, text: &str) {
        for (at, word) in ["from", "import", "import("].iter().flat_map(|word| text.match_indices(word)) {
            let rest = text[at + word.len()..].trim_start();
            let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else { continue };
            let Some(end) = rest[1..].find([quote, '\n']) else { continue };
            let path = &rest[1..=end];
            // A bare name is for a bundler, or for an import map.
            if ["./", "../", "/"].iter().any(|start| path.starts_with(start)) {
                self.reference(path, true);
            }
        }
    }

    /// `url(…)` and `@import "…"` of a style sheet, without those in comments.
    fn style(&mut self, text: &str) {
        let text = without_comments(text);
        let mut rest = &*text;
        while let Some(at) = rest.find("url(") {
            rest = &rest[at + 4..];
            let Some(end) = rest.find(')') else { break };
            self.reference(rest[..end].trim().trim_matches(['"', '\'']), true);
            rest = &rest[end..];
        }
        let mut rest = &*text;
        while let Some(at) = rest.find("@import") {
            rest = rest[at + 7..].trim_start();
            let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else { continue };
            let Some(end) = rest[1..].find(quote) else { break };
            self.reference(&rest[1..=end], true);
            rest = &rest[end + 1..];
        }
    }

    fn reference(&mut self, reference: &str, loads: bool) {
        let reference = reference.trim();
        let place = reference.split(['#', '?']).next().unwrap_or_default();
        if reference.is_empty() || (place.is_empty() && self.base.is_none()) {
            return;
        }
        let entry = || (self.name.to_owned(), shortened(reference).into_owned());
        let absolute = match scheme(place) {
            // A drive of Windows, not a scheme.
            Some((scheme, _)) if scheme.len() == 1 || scheme == "file" => {
                self.found.outside.insert(entry());
                return;
            }
            Some((scheme, _)) if matches!(scheme.as_str(), "http" | "https") => Some(place.to_owned()),
            Some(_) => return,
            None => place.starts_with("//").then(|| format!("https:{place}")),
        };
        if let Some(absolute) = absolute {
            let Ok(url) = Url::parse(&absolute) else { return };
            let near = match url.host() {
                Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
                Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
                Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
                None => false,
            };
            if near {
                self.found.outside.insert(entry());
            } else if loads {
                self.found.hosts.insert(url.host_str().unwrap_or_default().to_owned());
            }
            return;
        }
        // Where a page names another base, only that base tells what it means.
        let base = match &self.base {
            Some(Base::Elsewhere) => return,
            Some(Base::Folder(folder)) => folder.clone(),
            None => self.name.to_owned(),
        };
        let Ok(decoded) = percent_decode_str(place).decode_utf8() else {
            self.found.missing.insert(entry());
            return;
        };
        match resolved(&base, &decoded) {
            None => {
                self.found.outside.insert(entry());
            }
            Some(path) => {
                let index = format!("{}/index.html", path.trim_end_matches('/'));
                let there = self.contents.holds(&path) || self.contents.holds(index.trim_start_matches('/'));
                if !there {
                    self.found.missing.insert(entry());
                }
            }
        }
    }
}

/// What an element refers to, and whether a page loads it by itself.
fn references(name: &str, attributes: Attributes<'_>) -> Vec<(String, bool)> {
    let one = |attribute: &str, loads| attributes.get(attribute).map(|value| (value.to_owned(), loads));
    let mut found: Vec<(String, bool)> = match name {
        "a" | "area" => one("href", false).into_iter().collect(),
        "link" => {
            let relation = attributes.get("rel").unwrap_or_default().to_ascii_lowercase();
            let hint = ["preconnect", "dns-prefetch", "canonical", "alternate"];
            let loads = relation.contains("stylesheet") || !hint.iter().any(|word| relation.contains(word));
            if loads { one("href", true).into_iter().collect() } else { Vec::new() }
        }
        "script" | "img" | "iframe" | "source" | "video" | "audio" | "embed" | "track" | "input" => {
            one("src", true).into_iter().chain(one("poster", true)).collect()
        }
        "object" => one("data", true).into_iter().collect(),
        "image" | "use" => one("href", true).or_else(|| one("xlink:href", true)).into_iter().collect(),
        "form" => one("action", false).into_iter().collect(),
        "button" => one("formaction", false).into_iter().collect(),
        "meta" if attributes.get("http-equiv").is_some_and(|name| name.eq_ignore_ascii_case("refresh")) => {
            let content = attributes.get("content").unwrap_or_default();
            let at = content.to_ascii_lowercase().find("url=");
            let place = at.map(|at| content[at + 4..].trim().trim_matches(['"', '\'']));
            place.map(|place| (place.to_owned(), false)).into_iter().collect()
        }
        _ => Vec::new(),
    };
    for list in ["srcset", "imagesrcset"].iter().filter_map(|name| attributes.get(name)) {
        found.extend(candidates(list).map(|entry| (entry.to_owned(), true)));
    }
    found
}

/// The addresses of a `srcset` (HTML, section 4.8.4.2.1): each up to a blank, then what is said of it up to a comma.
fn candidates(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (address, after) = rest.split_at(end);
        let bare = address.trim_end_matches(',');
        rest = if bare.len() < address.len() { after } else { after.split_once(',').map_or("", |(_, next)| next) };
        Some(bare)
    })
}

/// The path in the site that a relative reference of a page means; `None` where it leads out of it.
fn resolved(page: &str, reference: &str) -> Option<String> {
    if reference.starts_with('/') || reference.contains('\\') {
        return None;
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in reference.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The scheme of an address (RFC 3986, section 3.1), in lower case, and what follows it.
fn scheme(reference: &str) -> Option<(String, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let first = scheme.chars().next()?.is_ascii_alphabetic();
    let all = scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (first && all).then(|| (scheme.to_ascii_lowercase(), rest))
}

fn without_comments(text: &str) -> Cow<'_, str> {
    if !text.contains("/*") {
        return Cow::Borrowed(text);
    }
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("/*") {
        kept.push_str(&rest[..at]);
        rest = rest[at + 2..].find("*/").map_or("", |end| &rest[at + 2 + end + 2..]);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

fn shortened(reference: &str) -> Cow<'_, str> {
    let short = crate::support::truncate::prefix(reference, 120);
    if short.len() < reference.len() { Cow::Owned(format!("{short}…")) } else { Cow::Borrowed(reference) }
}

/// The title of a page, in one line.
fn title(text: &str) -> String {
    let (mut title, mut inside, mut done) = (String::new(), false, false);
    html::pieces(text, |piece| match piece {
        Piece::Start("title", _) if !done => inside = true,
        Piece::End("title") => (inside, done) = (false, true),
        Piece::Text(part) if inside && title.len() < 2_000 => title.push_str(part),
        _ => {}
    });
    let line = title.split_whitespace().collect::<Vec<_>>().join(" ");
    crate::support::truncate::prefix(&line, 200).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_resolved_as_browsers_do() {
        for (page, reference, path) in [
            ("index.html", "a.css", Some("a.css")),
            ("index.html", "./a/../b.css", Some("b.css")),
            ("a/b.html", "../c.png", Some("c.png")),
            ("a/b.html", "d/", Some("a/d")),
            ("a/b.html", "../../c.png", None),
            ("index.html", "/c.png", None),
            ("index.html", "..\\c.png", None),
        ] {
            assert_eq!(resolved(page, reference).as_deref(), path, "{page} {reference}");
        }
    }

    #[test]
    fn a_list_of_pictures_is_read_by_its_grammar() {
        let found = |list| candidates(list).collect::<Vec<_>>();
        assert_eq!(found("a.png 1x,b.png 2x"), ["a.png", "b.png"]);
        assert_eq!(found("a.png, b.png 200w,\nc.png"), ["a.png", "b.png", "c.png"]);
        assert_eq!(found("data:image/png;base64,AA== 1x, b.png 2x"), ["data:image/png;base64,AA==", "b.png"]);
        assert_eq!(found(" , "), [""; 0]);
    }

    #[test]
    fn titles_are_one_line() {
        assert_eq!(title("<svg><title>x</title></svg>"), "x");
        assert_eq!(title("<head><title> A &amp;\n B </title></head><title>no</title>"), "A & B");
        assert_eq!(title("<p>none"), "");
    }

    #[test]
    fn comments_hide_references() {
        assert_eq!(without_comments("a /* url(x) */ b /* open"), "a  b ");
    }
}
