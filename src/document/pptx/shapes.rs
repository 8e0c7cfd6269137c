//! What lies on a slide: texts, tables, pictures, charts, diagrams, and groups of them.

use std::collections::HashMap;

use super::text::{self, Bullet, Inherited};
use crate::document::chart::Chart;
use crate::document::markdown::{Inline, Marker, Table, Writer};
use crate::document::package::Relation;
use crate::document::xml::{Element, Tree};

/// What one slide refers to.
pub(super) struct Slide<'s> {
    pub(super) relations: &'s HashMap<String, Relation>,
    pub(super) charts: &'s HashMap<String, Chart>,
    pub(super) diagrams: &'s HashMap<String, Tree>,
    pub(super) inherited: &'s Inherited,
}

impl Slide<'_> {
    pub(super) fn write(&self, slide: Element<'_>, writer: &mut Writer) {
        let Some(shapes) = slide.path(&["cSld", "spTree"]) else { return };
        let shapes = shapes_of(shapes);
        let title = shapes.iter().find(|shape| is_title(**shape));
        if let Some(body) = title.and_then(|title| title.child("txBody")) {
            writer.heading(2, &text::joined(body, self.relations));
        }
        for shape in &shapes {
            if title.is_none_or(|title| title.index() != shape.index()) {
                self.shape(*shape, writer);
            }
        }
    }

    fn shape(&self, shape: Element<'_>, writer: &mut Writer) {
        match shape.name() {
            "sp" => {
                let place = place(shape);
                if place.and_then(|place| place.attr("type")) != Some("sldNum")
                    && let Some(body) = shape.child("txBody")
                {
                    self.body(body, place, writer);
                }
            }
            "pic" => {
                let described = shape.path(&["nvPicPr", "cNvPr"]);
                let described = described
                    .and_then(|e| e.attr("descr").filter(|d| !d.trim().is_empty()).or_else(|| e.attr("title")));
                let id = shape
                    .path(&["blipFill", "blip"])
                    .and_then(|blip| blip.attr(":embed").or_else(|| blip.attr(":link")));
                if let Some(relation) = id.and_then(|id| self.relations.get(id)) {
                    let mut picture = Inline::default();
                    picture.image(described.unwrap_or_default(), &relation.target);
                    writer.paragraph(&picture);
                }
            }
            "graphicFrame" => self.frame(shape, writer),
            _ => {}
        }
    }

    /// Paragraphs of a shape, as items where they have bullets.
    fn body(&self, body: Element<'_>, place: Option<Element<'_>>, writer: &mut Writer) {
        // Numbers go on at each level until another kind of paragraph comes.
        let mut numbers = [0u64; 9];
        for paragraph in body.children().filter(|e| e.is("p")) {
            let words = text::paragraph(paragraph, self.relations);
            if words.is_blank() {
                continue;
            }
            let properties = paragraph.child("pPr");
            let level = properties.and_then(|p| p.attr("lvl")).and_then(|v| v.parse().ok()).unwrap_or(0usize).min(8);
            let bullet = properties
                .and_then(text::own_bullet)
                .or_else(|| text::level_bullet(body.child("lstStyle")?, level))
                .or_else(|| Some(self.inherited.bullet(place?, level)))
                .unwrap_or(Bullet::Nothing);
            numbers[level + 1..].fill(0);
            match bullet {
                Bullet::Nothing => {
                    numbers.fill(0);
                    writer.paragraph(&words);
                }
                Bullet::Sign => {
                    numbers[level] = 0;
                    writer.item(level, Marker::Bullet, &words);
                }
                Bullet::Number(start) => {
                    numbers[level] = if numbers[level] == 0 { start } else { numbers[level].saturating_add(1) };
                    writer.item(level, Marker::Number(numbers[level]), &words);
                }
            }
        }
    }

    fn frame(&self, frame: Element<'_>, writer: &mut Writer) {
        let Some(data) = frame.path(&["graphic", "graphicData"]) else { return };
        if let Some(table) = data.child("tbl") {
            let mut out = Table::default();
            for row in table.children().filter(|e| e.is("tr")) {
                let cells = row.children().filter(|e| e.is("tc")).map(|cell| {
                    // Cells that are merged into others are there all the same, and empty.
                    cell.child("txBody").map(|body| text::joined(body, self.relations).to_cell()).unwrap_or_default()
                });
                out.row(cells.collect());
            }
            writer.table(&out);
        } else if let Some(chart) = data.child("chart").and_then(|c| self.charts.get(c.attr(":id")?)) {
            chart.write(writer);
        } else if let Some(tree) = data.child("relIds").and_then(|d| self.diagrams.get(d.attr(":dm")?)) {
            for point in tree.root().descendants().filter(|e| e.is("pt")) {
                if let Some(body) = point.child("t") {
                    writer.item(0, Marker::Bullet, &text::joined(body, self.relations));
                }
            }
        }
    }
}

/// Shapes in their order, groups opened, of alternatives the first.
fn shapes_of<'t>(tree: Element<'t>) -> Vec<Element<'t>> {
    let mut found = Vec::new();
    let mut waiting: Vec<Element<'t>> = tree.children().collect();
    waiting.reverse();
    while let Some(shape) = waiting.pop() {
        let from = waiting.len();
        match shape.name() {
            "grpSp" => waiting.extend(shape.children()),
            "AlternateContent" => {
                let choice = shape.child("Choice").or_else(|| shape.child("Fallback"));
                waiting.extend(choice.into_iter().flat_map(Element::children));
            }
            _ => found.push(shape),
        }
        waiting[from..].reverse();
    }
    found
}

/// The place on the layout that a shape fills.
fn place(shape: Element<'_>) -> Option<Element<'_>> {
    shape.path(&["nvSpPr", "nvPr", "ph"])
}

fn is_title(shape: Element<'_>) -> bool {
    let kind = place(shape).and_then(|place| place.attr("type"));
    matches!(kind, Some("title" | "ctrTitle")) && shape.child("txBody").is_some()
}
