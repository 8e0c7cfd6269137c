//! Word documents.

mod body;
mod styles;

use super::markdown::{Inline, Writer, count};
use super::package::{Package, resolve};
use super::xml::Element;
use super::{Converted, DocumentError, Kind, Limits};
use body::{Body, Notes};
use styles::{Numbering, Styles};

pub(super) fn convert(bytes: &[u8], limits: &Limits) -> Result<Converted, DocumentError> {
    let mut package = Package::open(Kind::Docx, bytes, limits)?;
    let main = main_part(&mut package)?;
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let document = package.required(&main)?;
    let relations = package.relations(&main)?;
    let of_kind = |kind: &str, default: &str| {
        let found = relations.values().find(|relation| relation.kind == kind);
        found.map_or_else(|| resolve(&folder, default), |relation| relation.target.clone())
    };
    let styles = Styles::read(package.optional(&of_kind("styles", "styles.xml"))?.as_ref());
    let numbering = Numbering::read(package.optional(&of_kind("numbering", "numbering.xml"))?.as_ref(), &styles);

    let mut writer = Writer::new(limits);
    let running = running_texts(&mut package, &relations)?;
    for (kind, text) in running.iter().filter(|(kind, _)| *kind == "header") {
        writer.mark(&format!("{kind}: {text}"));
    }
    let mut body = Body::new(&styles, numbering, relations.clone());
    body.read_charts(&mut package)?;
    let root = document.root();
    body.blocks(root.child("body").unwrap_or(root), &mut writer);

    for (kind, notes) in [("footnote", Notes::Foot), ("endnote", Notes::End), ("comment", Notes::Comment)] {
        let name = of_kind(&format!("{kind}s"), &format!("{kind}s.xml"));
        let Some(tree) = package.optional(&name)? else { continue };
        body.relations = package.relations(&name)?;
        let mut found: Vec<_> = tree
            .root()
            .children()
            .filter(|note| note.is(kind))
            .filter_map(|note| Some((body.noted(notes, note.attr("id")?)?, note)))
            .collect();
        found.sort_by_key(|(number, _)| *number);
        for (number, note) in found {
            let mut text = Inline::default();
            text.raw(&format!("{}: ", notes.mark(number)));
            if let Some(author) = note.attr("author").filter(|author| !author.is_empty()) {
                text.text(&format!("{author}: "));
            }
            text.append(body.joined(note).trimmed_start());
            writer.paragraph(&text);
        }
    }
    for (kind, text) in running.iter().filter(|(kind, _)| *kind == "footer") {
        writer.mark(&format!("{kind}: {text}"));
    }
    for note in package.notes() {
        writer.note(note);
    }
    let pages = package.optional("docProps/app.xml")?.and_then(|app| app.root().child("Pages")?.text().parse().ok());
    Ok(writer.finish(pages.filter(|pages| *pages > 0).map_or_else(String::new, |pages| count(pages, "page"))))
}

/// The part that holds the text: what the container says, or the usual name.
fn main_part(package: &mut Package<'_>) -> Result<String, DocumentError> {
    let relations = package.relations("")?;
    let main = relations.into_values().find(|relation| relation.kind == "officeDocument");
    Ok(main.map_or_else(|| "word/document.xml".to_owned(), |main| main.target))
}

/// Texts of headers and footers, each once; page numbers alone say nothing.
fn running_texts(
    package: &mut Package<'_>,
    relations: &std::collections::HashMap<String, super::package::Relation>,
) -> Result<Vec<(&'static str, String)>, DocumentError> {
    let mut found = Vec::new();
    for kind in ["header", "footer"] {
        let mut parts: Vec<&str> = relations
            .values()
            .filter(|relation| relation.kind == kind)
            .map(|relation| relation.target.as_str())
            .collect();
        parts.sort_unstable();
        for part in parts.into_iter().take(6) {
            let Some(tree) = package.optional(part)? else { continue };
            let texts: Vec<String> = tree
                .root()
                .descendants()
                .filter(|element| element.is("p"))
                .map(|paragraph| {
                    let words = paragraph.descendants().filter(|e| e.is("t")).map(Element::text);
                    words.collect::<Vec<_>>().concat()
                })
                .collect();
            let text = texts.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
            if text.chars().any(char::is_alphabetic) && !found.iter().any(|(k, t)| *k == kind && *t == text) {
                found.push((kind, text));
            }
        }
    }
    Ok(found)
}
