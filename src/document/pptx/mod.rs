//! PowerPoint presentations: slide by slide, title first, then text, tables, charts, and the speaker's notes.

mod shapes;
mod text;

use std::collections::HashMap;

use super::chart::Chart;
use super::markdown::{Inline, Marker, Writer, count};
use super::package::{Package, Relation};
use super::xml::{Element, Tree};
use super::{Converted, DocumentError, Kind, Limits};
use shapes::Slide;
use text::Inherited;

pub(super) fn convert(bytes: &[u8], limits: &Limits) -> Result<Converted, DocumentError> {
    let mut package = Package::open(Kind::Pptx, bytes, limits)?;
    let relations = package.relations("")?;
    let main = relations.into_values().find(|relation| relation.kind == "officeDocument");
    let main = main.map_or_else(|| "ppt/presentation.xml".to_owned(), |main| main.target);
    let presentation = package.required(&main)?;
    let relations = package.relations(&main)?;
    let slides: Vec<String> = presentation
        .root()
        .child("sldIdLst")
        .into_iter()
        .flat_map(Element::children)
        .filter_map(|slide| Some(relations.get(slide.attr(":id")?)?.target.clone()))
        .collect();

    let mut writer = Writer::new(limits);
    let mut layouts = HashMap::new();
    for (number, name) in slides.iter().enumerate() {
        if writer.is_full() {
            break;
        }
        let Some(tree) = package.optional(name)? else {
            writer.note(format!("slide {} could not be read", number + 1));
            continue;
        };
        let relations = package.relations(name)?;
        let hidden = if tree.root().attr("show") == Some("0") { ", hidden" } else { "" };
        writer.mark(&format!("slide {}{hidden}", number + 1));
        let layout = target(&relations, "slideLayout").unwrap_or_default();
        if !layouts.contains_key(layout) {
            layouts.insert(layout.to_owned(), Inherited::read(&mut package, layout)?);
        }
        let (charts, diagrams) = attached(&mut package, &relations)?;
        let slide = Slide { relations: &relations, charts: &charts, diagrams: &diagrams, inherited: &layouts[layout] };
        slide.write(tree.root(), &mut writer);
        write_notes(&mut package, &relations, &mut writer)?;
        write_comments(&mut package, &relations, &mut writer)?;
    }
    for note in package.notes() {
        writer.note(note);
    }
    Ok(writer.finish(count(slides.len(), "slide")))
}

fn target<'r>(relations: &'r HashMap<String, Relation>, kind: &str) -> Option<&'r str> {
    relations.values().find(|relation| relation.kind == kind).map(|relation| relation.target.as_str())
}

/// Charts and diagrams.
type Attached = (HashMap<String, Chart>, HashMap<String, Tree>);

/// Charts and diagrams of a slide by the ids that it uses.
fn attached(package: &mut Package<'_>, relations: &HashMap<String, Relation>) -> Result<Attached, DocumentError> {
    let (mut charts, mut diagrams) = (HashMap::new(), HashMap::new());
    for (id, relation) in relations {
        match relation.kind.as_str() {
            "chart" => {
                if let Some(tree) = package.optional(&relation.target)? {
                    charts.insert(id.clone(), Chart::read(&tree));
                }
            }
            "diagramData" => {
                if let Some(tree) = package.optional(&relation.target)? {
                    diagrams.insert(id.clone(), tree);
                }
            }
            _ => {}
        }
    }
    Ok((charts, diagrams))
}

/// What the speaker wrote for themselves.
fn write_notes(
    package: &mut Package<'_>,
    relations: &HashMap<String, Relation>,
    writer: &mut Writer,
) -> Result<(), DocumentError> {
    let Some(part) = target(relations, "notesSlide") else { return Ok(()) };
    let Some(tree) = package.optional(part)? else { return Ok(()) };
    let relations = package.relations(part)?;
    let bodies = tree.root().descendants().filter(|shape| {
        let place = shape.path(&["nvSpPr", "nvPr", "ph"]);
        shape.is("sp") && place.is_some_and(|place| place.attr("type") == Some("body"))
    });
    let mut paragraphs = Vec::new();
    for body in bodies.filter_map(|shape| shape.child("txBody")) {
        paragraphs.extend(body.children().filter(|e| e.is("p")).map(|p| text::paragraph(p, &relations)));
    }
    if paragraphs.iter().any(|paragraph| !paragraph.is_blank()) {
        writer.title(3, "Notes");
        for paragraph in &paragraphs {
            writer.paragraph(paragraph);
        }
    }
    Ok(())
}

fn write_comments(
    package: &mut Package<'_>,
    relations: &HashMap<String, Relation>,
    writer: &mut Writer,
) -> Result<(), DocumentError> {
    let Some(part) = target(relations, "comments") else { return Ok(()) };
    let Some(tree) = package.optional(part)? else { return Ok(()) };
    for comment in tree.root().descendants().filter(|e| e.is("cm")) {
        let words = comment.child("text").or_else(|| comment.child("txBody")).map(Element::text).unwrap_or_default();
        writer.item(0, Marker::Bullet, &Inline::plain(&format!("Comment: {}", words.trim())));
    }
    Ok(())
}
