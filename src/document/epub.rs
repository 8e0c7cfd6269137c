//! Electronic books: the chapters in the order of the book.

use std::collections::HashMap;

use super::html;
use super::markdown::{Writer, count};
use super::package::{Package, resolve};
use super::xml::Element;
use super::{Converted, DocumentError, Kind, Limits, encoding};

pub(super) fn convert(bytes: &[u8], limits: &Limits) -> Result<Converted, DocumentError> {
    let mut package = Package::open(Kind::Epub, bytes, limits)?;
    let container = package.required("META-INF/container.xml")?;
    let book = container.root().find("rootfile").and_then(|file| file.attr("full-path"));
    let book = book.ok_or_else(|| DocumentError::damaged(Kind::Epub, "its container names no book"))?.to_owned();
    let folder = book.rsplit_once('/').map_or("", |(folder, _)| folder);
    let tree = package.required(&book)?;

    let mut writer = Writer::new(limits);
    let facts = tree.root().child("metadata");
    let all = |name: &str| {
        let found = facts.into_iter().flat_map(Element::descendants).filter(|e| e.is(name)).map(Element::text);
        let found: Vec<String> = found.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect();
        found.join(", ")
    };
    for (label, text) in [("title", all("title")), ("author", all("creator")), ("language", all("language"))] {
        if !text.is_empty() {
            writer.mark(&format!("{label}: {text}"));
        }
    }

    // The first of each name counts.
    let mut files: HashMap<&str, &str> = HashMap::new();
    for file in tree.root().child("manifest").into_iter().flat_map(Element::children) {
        if let (Some(id), Some(href)) = (file.attr("id"), file.attr("href")) {
            files.entry(id).or_insert(href);
        }
    }
    let chapters: Vec<String> = tree
        .root()
        .child("spine")
        .into_iter()
        .flat_map(Element::children)
        .filter_map(|item| {
            let href = files.get(item.attr("idref")?)?;
            Some(resolve(folder, &decoded(href)))
        })
        .collect();
    let locked = locked(&mut package)?;
    for chapter in &chapters {
        if writer.is_full() {
            break;
        }
        if locked.contains(chapter) {
            return Err(DocumentError::Encrypted(Kind::Epub));
        }
        let bytes = match package.part(chapter) {
            Ok(Some(bytes)) => bytes,
            Ok(None) | Err(DocumentError::Damaged { .. }) => {
                writer.note(format!("the chapter {chapter} could not be read"));
                continue;
            }
            Err(e) => return Err(e),
        };
        let folder = chapter.rsplit_once('/').map_or("", |(folder, _)| folder);
        html::write(&encoding::decode(&bytes, None), true, false, folder, &mut writer);
    }
    for note in package.notes() {
        writer.note(note);
    }
    Ok(writer.finish(count(chapters.len(), "chapter")))
}

/// Parts that only a reader with a licence can open.
fn locked(package: &mut Package<'_>) -> Result<Vec<String>, DocumentError> {
    let Some(tree) = package.optional("META-INF/encryption.xml")? else { return Ok(Vec::new()) };
    let references = tree.root().descendants().filter(|e| e.is("CipherReference"));
    Ok(references.filter_map(|e| e.attr("URI")).map(|uri| resolve("", &decoded(uri))).collect())
}

/// A name of a file as an address writes it.
fn decoded(href: &str) -> String {
    let href = href.split('#').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(href.len());
    let mut rest = href.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
