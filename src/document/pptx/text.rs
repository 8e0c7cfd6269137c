//! Paragraphs of slides: their runs, and the bullets that they have of themselves or from their layout.

use std::collections::HashMap;

use crate::document::markdown::{Inline, Look};
use crate::document::package::{Package, Relation};
use crate::document::xml::{Element, Tree};
use crate::document::{DocumentError, math};

/// What stands before a paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bullet {
    Nothing,
    Sign,
    Number(u64),
}

/// The layout of a slide and the master of that layout: they say which texts have bullets.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    layout: Option<Tree>,
    master: Option<Tree>,
}

impl Inherited {
    pub(super) fn read(package: &mut Package<'_>, layout: &str) -> Result<Self, DocumentError> {
        let tree = package.optional(layout)?;
        let relations = package.relations(layout)?;
        let master = super::target(&relations, "slideMaster").map(str::to_owned);
        let master = match master {
            Some(master) => package.optional(&master)?,
            None => None,
        };
        Ok(Self { layout: tree, master })
    }

    /// Bullet of a paragraph at `level` (0 to 8) in a shape with the place `ph`.
    pub(super) fn bullet(&self, ph: Element<'_>, level: usize) -> Bullet {
        let (kind, index) = (ph.attr("type").unwrap_or("obj"), ph.attr("idx"));
        if matches!(kind, "title" | "ctrTitle" | "dt" | "ftr" | "sldNum" | "hdr") {
            return Bullet::Nothing;
        }
        let in_tree = |tree: &Option<Tree>, test: &dyn Fn(Element<'_>) -> bool| {
            let root = tree.as_ref()?.root();
            let shape = root
                .descendants()
                .find(|shape| shape.is("sp") && shape.path(&["nvSpPr", "nvPr", "ph"]).is_some_and(test))?;
            level_bullet(shape.path(&["txBody", "lstStyle"])?, level)
        };
        let same_place = |other: Element<'_>| match index {
            Some(index) => other.attr("idx") == Some(index),
            None => other.attr("type").unwrap_or("obj") == kind,
        };
        let body = |other: Element<'_>| other.attr("type") == Some("body");
        in_tree(&self.layout, &same_place)
            .or_else(|| in_tree(&self.master, &body))
            .or_else(|| {
                let style = self.master.as_ref()?.root().path(&["txStyles", "bodyStyle"])?;
                level_bullet(style, level)
            })
            .unwrap_or(Bullet::Nothing)
    }
}

/// The bullet that a list of levels sets for one of them.
pub(super) fn level_bullet(style: Element<'_>, level: usize) -> Option<Bullet> {
    own_bullet(style.child(&format!("lvl{}pPr", level + 1))?)
}

/// The bullet that properties of a paragraph set.
pub(super) fn own_bullet(properties: Element<'_>) -> Option<Bullet> {
    properties.children().find_map(|child| match child.name() {
        "buNone" => Some(Bullet::Nothing),
        "buChar" | "buBlip" => Some(Bullet::Sign),
        "buAutoNum" => Some(Bullet::Number(child.attr("startAt").and_then(|v| v.parse().ok()).unwrap_or(1))),
        _ => None,
    })
}

/// The text of a paragraph.
pub(super) fn paragraph(paragraph: Element<'_>, relations: &HashMap<String, Relation>) -> Inline {
    let mut out = Inline::default();
    pieces(paragraph, relations, &mut out);
    out
}

fn pieces(element: Element<'_>, relations: &HashMap<String, Relation>, out: &mut Inline) {
    for piece in element.children() {
        match piece.name() {
            "r" | "fld" => {
                let properties = piece.child("rPr");
                let on = |name: &str| properties.and_then(|p| p.attr(name)).is_some_and(|v| v == "1" || v == "true");
                let strike = properties.and_then(|p| p.attr("strike")).is_some_and(|v| v != "noStrike");
                let look = Look { bold: on("b"), italic: on("i"), strike, code: false };
                let link = properties.and_then(|p| p.child("hlinkClick")).and_then(|link| {
                    let relation = relations.get(link.attr(":id")?)?;
                    (relation.kind == "hyperlink").then_some(relation.target.as_str())
                });
                let words = piece.child("t").map(Element::text).unwrap_or_default();
                out.run(&words, look, link);
            }
            "br" => out.line_break(),
            "oMath" => out.raw(&format!("${}$", math::latex(piece))),
            "AlternateContent" => {
                if let Some(choice) = piece.child("Choice").or_else(|| piece.child("Fallback")) {
                    pieces(choice, relations, out);
                }
            }
            "m" | "oMathPara" => pieces(piece, relations, out),
            _ => {}
        }
    }
}

/// All paragraphs of a body as lines of one, as a cell takes them.
pub(super) fn joined(body: Element<'_>, relations: &HashMap<String, Relation>) -> Inline {
    let mut out = Inline::default();
    for text in body.children().filter(|e| e.is("p")).map(|p| paragraph(p, relations)) {
        if !text.is_blank() {
            if !out.is_blank() {
                out.line_break();
            }
            out.append(text);
        }
    }
    out
}
