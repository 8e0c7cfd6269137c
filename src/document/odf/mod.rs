//! OpenDocument: texts, spreadsheets, presentations.

mod sheet;
mod style;
mod text;

use super::markdown::{Inline, Marker, Writer, count};
use super::package::Package;
use super::xml::{Element, Tree};
use super::{Converted, DocumentError, Kind, Limits};
use style::Styles;
use text::Text;

pub(super) fn convert(kind: Kind, bytes: &[u8], limits: &Limits) -> Result<Converted, DocumentError> {
    let mut package = Package::open(kind, bytes, limits)?;
    if let Some(manifest) = package.optional("META-INF/manifest.xml")? {
        let content = manifest.root().children().find(|file| file.attr("full-path") == Some("content.xml"));
        if content.is_some_and(|file| file.child("encryption-data").is_some()) {
            return Err(DocumentError::Encrypted(kind));
        }
    }
    let content = package.required("content.xml")?;
    let common = package.optional("styles.xml")?;
    let mut styles = Styles::default();
    for tree in common.iter().chain([&content]) {
        styles.read(tree);
    }
    let body = content.root().child("body");
    let mut writer = Writer::new(limits);
    let summary = match kind {
        Kind::Ods => sheet::write(body.and_then(|b| b.child("spreadsheet")), &styles, &mut writer),
        Kind::Odp => slides(body.and_then(|b| b.child("presentation")), &styles, &mut writer),
        _ => {
            running(common.as_ref(), "header", &mut writer);
            let mut text = Text::new(&styles);
            if let Some(body) = body.and_then(|b| b.child("text")) {
                text.blocks(body, &mut writer);
            }
            text.write_notes(&mut writer);
            running(common.as_ref(), "footer", &mut writer);
            let facts = package.optional("meta.xml")?;
            let pages = facts
                .as_ref()
                .and_then(|facts| facts.root().find("document-statistic")?.attr("page-count")?.parse().ok());
            pages.filter(|pages| *pages > 0).map_or_else(String::new, |pages| count(pages, "page"))
        }
    };
    for note in package.notes() {
        writer.note(note);
    }
    Ok(writer.finish(summary))
}

/// Texts that stand on every page, each once.
fn running(styles: Option<&Tree>, name: &str, writer: &mut Writer) {
    let mut told = Vec::new();
    let pages = styles.and_then(|tree| tree.root().child("master-styles"));
    for element in pages.into_iter().flat_map(Element::descendants).filter(|e| e.is(name)).take(20) {
        let text = element.text().split_whitespace().collect::<Vec<_>>().join(" ");
        if text.chars().any(char::is_alphabetic) && !told.contains(&text) {
            writer.mark(&format!("{name}: {text}"));
            told.push(text);
        }
    }
}

fn slides(presentation: Option<Element<'_>>, styles: &Styles, writer: &mut Writer) -> String {
    let slides: Vec<Element<'_>> =
        presentation.into_iter().flat_map(Element::children).filter(|e| e.is("page")).collect();
    for (number, slide) in slides.iter().enumerate() {
        if writer.is_full() {
            break;
        }
        writer.mark(&format!("slide {}", number + 1));
        let frames = frames_of(*slide);
        let is_title = |frame: &&Element<'_>| frame.attr(":class") == Some("title");
        let title = frames.iter().find(is_title);
        let mut text = Text::new(styles);
        if let Some(title) = title {
            writer.heading(2, &text.joined(*title));
        }
        for frame in &frames {
            if title.is_none_or(|title| title.index() != frame.index()) {
                text.frame(*frame, writer);
            }
        }
        for notes in slide.children().filter(|e| e.is("notes")) {
            let mut lines = Vec::new();
            for frame in frames_of(notes).into_iter().filter(|frame| frame.find("p").is_some()) {
                lines.push(text.joined(frame));
            }
            if lines.iter().any(|line| !line.is_blank()) {
                writer.title(3, "Notes");
                for line in &lines {
                    writer.paragraph(line);
                }
            }
        }
        for comment in slide.children().filter(|e| e.is("annotation")) {
            let mut words = Inline::plain("Comment: ");
            words.append(text.joined(comment));
            writer.item(0, Marker::Bullet, &words);
        }
        text.write_notes(writer);
    }
    count(slides.len(), "slide")
}

/// Frames and shapes of a slide, groups opened.
fn frames_of<'t>(slide: Element<'t>) -> Vec<Element<'t>> {
    let mut found = Vec::new();
    let mut waiting: Vec<Element<'t>> = slide.children().collect();
    waiting.reverse();
    while let Some(shape) = waiting.pop() {
        match shape.name() {
            "g" | "a" => {
                let from = waiting.len();
                waiting.extend(shape.children());
                waiting[from..].reverse();
            }
            "notes" | "forms" | "annotation" | "par" => {}
            _ => found.push(shape),
        }
    }
    found
}
