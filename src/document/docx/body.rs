//! The text of a Word document: paragraphs, tables, and what stands in their runs.

use std::collections::HashMap;

use super::styles::{Numbering, Styles};
use crate::document::chart::Chart;
use crate::document::markdown::{Inline, Look, Marker, Table, Writer};
use crate::document::package::{Package, Relation};
use crate::document::xml::Element;
use crate::document::{DocumentError, math};

/// Columns that one table may have; spans count.
const MOST_COLUMNS: usize = 1_000;

/// The three kinds of notes that a run may point to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Notes {
    Foot,
    End,
    Comment,
}

impl Notes {
    /// The mark of a note, in the text and before the note itself.
    pub(super) fn mark(self, number: usize) -> String {
        match self {
            Self::Foot => format!("[^{number}]"),
            Self::End => format!("[^e{number}]"),
            Self::Comment => format!("[^c{number}]"),
        }
    }
}

/// A field whose parts are spread over runs.
#[derive(Debug, Default)]
struct Field {
    instruction: String,
    link: Option<String>,
    in_result: bool,
}

/// What is known while the text is read.
pub(super) struct Body<'s> {
    styles: &'s Styles,
    numbering: Numbering,
    pub(super) relations: HashMap<String, Relation>,
    charts: HashMap<String, Chart>,
    notes: Vec<(Notes, String)>,
    fields: Vec<Field>,
}

/// What a paragraph holds beside its text: boxes and charts, which come after it.
#[derive(Default)]
struct Beside<'t> {
    boxes: Vec<Element<'t>>,
    charts: Vec<String>,
}

impl<'s> Body<'s> {
    pub(super) fn new(styles: &'s Styles, numbering: Numbering, relations: HashMap<String, Relation>) -> Self {
        Self { styles, numbering, relations, charts: HashMap::new(), notes: Vec::new(), fields: Vec::new() }
    }

    /// Reads the charts that the text may show.
    pub(super) fn read_charts(&mut self, package: &mut Package<'_>) -> Result<(), DocumentError> {
        for (id, relation) in self.relations.iter().filter(|(_, relation)| relation.kind == "chart") {
            if let Some(tree) = package.optional(&relation.target)? {
                self.charts.insert(id.clone(), Chart::read(&tree));
            }
        }
        Ok(())
    }

    /// The number of a note that the text points to.
    pub(super) fn noted(&self, notes: Notes, id: &str) -> Option<usize> {
        let mut of_kind = self.notes.iter().filter(|(kind, _)| *kind == notes);
        of_kind.position(|(_, other)| other == id).map(|at| at + 1)
    }

    /// All paragraphs and tables in an element.
    pub(super) fn blocks(&mut self, element: Element<'_>, writer: &mut Writer) {
        let mut listing = String::new();
        for block in flat(element) {
            if writer.is_full() {
                return;
            }
            let style = style_of(block);
            if block.is("p") && self.styles.is_code(style) {
                let (text, beside) = self.paragraph(block);
                listing.push_str(&text.words());
                listing.push('\n');
                self.write_beside(&beside, writer);
                continue;
            }
            writer.code("", &std::mem::take(&mut listing));
            match block.name() {
                "p" => self.write_paragraph(block, writer),
                "tbl" => {
                    if let Some(cell) = frame(block) {
                        self.blocks(cell, writer);
                    } else {
                        let table = self.table(block);
                        writer.table(&table);
                    }
                }
                _ => {}
            }
        }
        writer.code("", &listing);
    }

    fn write_paragraph(&mut self, paragraph: Element<'_>, writer: &mut Writer) {
        let style = style_of(paragraph);
        let (text, beside) = self.paragraph(paragraph);
        let heading = outline_of(paragraph).or_else(|| self.styles.heading(style));
        if !text.is_blank() {
            let label = self.label(paragraph);
            match (heading, label) {
                (Some(level), label) => {
                    let mut whole = Inline::plain(&label.map_or_else(String::new, |(_, _, label)| label));
                    if !whole.is_blank() {
                        whole.text(" ");
                    }
                    whole.append(text);
                    writer.heading(level, &whole);
                }
                (None, Some((depth, marker, _))) => writer.item(depth, marker, &text),
                (None, None) if self.styles.is_quote(style) => writer.quote(&text),
                (None, None) => writer.paragraph(&text),
            }
        }
        self.write_beside(&beside, writer);
    }

    fn write_beside(&mut self, beside: &Beside<'_>, writer: &mut Writer) {
        for text in &beside.boxes {
            self.blocks(*text, writer);
        }
        for chart in beside.charts.iter().filter_map(|id| self.charts.get(id)) {
            chart.write(writer);
        }
    }

    /// Depth, marker and shown label of a paragraph that belongs to a list.
    fn label(&mut self, paragraph: Element<'_>) -> Option<(usize, Marker, String)> {
        let style = style_of(paragraph);
        let own = paragraph.path(&["pPr", "numPr"]);
        let styled = self.styles.numbering(style);
        let list = own.and_then(|n| n.value("numId")).map(str::to_owned).or_else(|| Some(styled.clone()?.0))?;
        if list == "0" {
            return None;
        }
        let level = own.and_then(|n| n.value("ilvl")).and_then(|v| v.parse().ok());
        let level = level.or(styled.map(|(_, level)| level)).unwrap_or(0);
        let label = self.numbering.next(&list, level)?;
        let depth = if level == 0 { self.styles.named_depth(style) } else { level };
        Some((depth, label.marker, label.text))
    }

    /// All text in an element as one paragraph with line breaks, as a cell or a note takes it.
    pub(super) fn joined(&mut self, element: Element<'_>) -> Inline {
        let mut out = Inline::default();
        for block in flat(element) {
            let mut text = match block.name() {
                "p" => {
                    let (text, beside) = self.paragraph(block);
                    let label = if text.is_blank() { None } else { self.label(block) };
                    let mut whole = match label {
                        Some((depth, Marker::Number(number), _)) => {
                            Inline::plain(&format!("{}{number}. ", "  ".repeat(depth.min(9))))
                        }
                        Some((depth, _, _)) => Inline::plain(&format!("{}- ", "  ".repeat(depth.min(9)))),
                        None => Inline::default(),
                    };
                    whole.append(text);
                    for text in beside.boxes {
                        whole.line_break();
                        whole.append(self.joined(text));
                    }
                    whole
                }
                "tbl" => {
                    // A table in a cell: its rows as lines.
                    let mut rows = Inline::default();
                    for row in flat(block).filter(|row| row.is("tr")) {
                        if !rows.is_blank() {
                            rows.line_break();
                        }
                        for (number, cell) in flat(row).filter(|cell| cell.is("tc")).enumerate() {
                            rows.text(if number == 0 { "" } else { "; " });
                            rows.append(self.joined(cell));
                        }
                    }
                    rows
                }
                _ => continue,
            };
            if text.is_blank() {
                continue;
            }
            if !out.is_blank() {
                out.line_break();
            }
            out.append(std::mem::take(&mut text));
        }
        out
    }

    fn table(&mut self, table: Element<'_>) -> Table {
        let mut out = Table::default();
        for row in flat(table).filter(|row| row.is("tr")) {
            let number = |name: &str| row.path(&["trPr", name])?.attr("val")?.parse::<usize>().ok();
            let mut cells = vec![String::new(); number("gridBefore").unwrap_or(0).min(MOST_COLUMNS)];
            for cell in flat(row).filter(|cell| cell.is("tc")) {
                let properties = cell.child("tcPr");
                // A cell that goes on from the row above is merged into it.
                let merged = properties.and_then(|p| p.child("vMerge")).filter(|m| m.attr("val") != Some("restart"));
                let text = self.joined(cell);
                cells.push(if merged.is_some() { String::new() } else { text.to_cell() });
                let span = properties.and_then(|p| p.value("gridSpan")).and_then(|v| v.parse::<usize>().ok());
                let room = MOST_COLUMNS.saturating_sub(cells.len());
                cells.extend(std::iter::repeat_n(String::new(), span.unwrap_or(1).saturating_sub(1).min(room)));
            }
            out.row(cells);
        }
        out
    }

    /// The runs of a paragraph, and what stands beside them.
    fn paragraph<'t>(&mut self, paragraph: Element<'t>) -> (Inline, Beside<'t>) {
        let mut text = Inline::default();
        let mut beside = Beside::default();
        self.runs(paragraph, None, &mut text, &mut beside);
        (text, beside)
    }

    fn runs<'t>(&mut self, element: Element<'t>, link: Option<&str>, out: &mut Inline, beside: &mut Beside<'t>) {
        for child in element.children() {
            match child.name() {
                "r" => self.run(child, link, out, beside),
                "hyperlink" => {
                    let target = child.attr(":id").and_then(|id| self.relations.get(id)).map(|r| r.target.clone());
                    let target = match (target, child.attr("anchor")) {
                        (Some(target), Some(anchor)) => Some(format!("{target}#{anchor}")),
                        (target, _) => target,
                    };
                    self.runs(child, target.as_deref().or(link), out, beside);
                }
                "fldSimple" => {
                    let target = child.attr("instr").and_then(linked);
                    self.runs(child, target.as_deref().or(link), out, beside);
                }
                // What was taken out of the text is not told.
                "del" | "moveFrom" | "pPr" | "rPr" | "rt" => {}
                "oMath" => out.raw(&format!("${}$", math::latex(child))),
                "oMathPara" => {
                    for formula in child.children().filter(|e| e.is("oMath")) {
                        out.raw(&format!("$${}$$", math::latex(formula)));
                    }
                }
                "AlternateContent" => {
                    if let Some(choice) = alternative(child) {
                        self.runs(choice, link, out, beside);
                    }
                }
                // sdt, ins, smartTag, moveTo, bdo, dir and the like only wrap runs.
                _ => self.runs(child, link, out, beside),
            }
        }
    }

    fn run<'t>(&mut self, run: Element<'t>, link: Option<&str>, out: &mut Inline, beside: &mut Beside<'t>) {
        let (look, hidden) = self.styles.look(run.child("rPr"));
        if hidden {
            return;
        }
        self.pieces(run, look, link, out, beside);
    }

    fn pieces<'t>(
        &mut self,
        run: Element<'t>,
        look: Look,
        link: Option<&str>,
        out: &mut Inline,
        beside: &mut Beside<'t>,
    ) {
        for piece in run.children() {
            // A result of a field in the middle of a link field is part of the link.
            let field_link = self.fields.iter().rev().find_map(|field| field.link.clone());
            let link = link.or(field_link.as_deref());
            let in_instruction = self.fields.iter().any(|field| !field.in_result);
            match piece.name() {
                "t" if !in_instruction => out.run(&piece.text(), look, link),
                "tab" | "ptab" => out.run("\t", look, link),
                "br" | "cr" if piece.attr("type").is_none_or(|kind| kind == "textWrapping") => out.line_break(),
                "noBreakHyphen" => out.run("-", look, link),
                "sym" => {
                    let code = piece.attr("char").and_then(|c| u32::from_str_radix(c, 16).ok());
                    // Symbol fonts lie in the private area; what they show cannot be told.
                    if let Some(c) = code.filter(|c| !(0xe000..0xf900).contains(c)).and_then(char::from_u32) {
                        out.run(c.encode_utf8(&mut [0; 4]), look, link);
                    }
                }
                "instrText" => {
                    if let Some(field) = self.fields.last_mut().filter(|field| !field.in_result) {
                        field.instruction.push_str(&piece.text());
                    }
                }
                "fldChar" => match piece.attr("fldCharType") {
                    Some("begin") if self.fields.len() < 32 => self.fields.push(Field::default()),
                    Some("separate") => {
                        if let Some(field) = self.fields.last_mut() {
                            field.in_result = true;
                            field.link = linked(&field.instruction);
                        }
                    }
                    Some("end") => {
                        self.fields.pop();
                    }
                    _ => {}
                },
                "footnoteReference" => self.note(Notes::Foot, piece, out),
                "endnoteReference" => self.note(Notes::End, piece, out),
                "commentReference" => self.note(Notes::Comment, piece, out),
                "drawing" | "pict" | "object" => self.drawing(piece, out, beside),
                "AlternateContent" => {
                    if let Some(choice) = alternative(piece) {
                        self.pieces(choice, look, link, out, beside);
                    }
                }
                "ruby" => {
                    if let Some(base) = piece.child("rubyBase") {
                        self.runs(base, link, out, beside);
                    }
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, notes: Notes, reference: Element<'_>, out: &mut Inline) {
        let Some(id) = reference.attr("id") else { return };
        if self.noted(notes, id).is_none() {
            self.notes.push((notes, id.to_owned()));
        }
        if let Some(number) = self.noted(notes, id) {
            out.raw(&notes.mark(number));
        }
    }

    /// Pictures, boxes with text, charts.
    fn drawing<'t>(&mut self, drawing: Element<'t>, out: &mut Inline, beside: &mut Beside<'t>) {
        let described = drawing.descendants().find(|e| e.is("docPr"));
        let alt = described.and_then(|e| e.attr("descr").filter(|d| !d.trim().is_empty()).or_else(|| e.attr("title")));
        for element in visible(drawing) {
            match element.name() {
                "blip" | "imagedata" => {
                    let id = element.attr(":embed").or_else(|| element.attr(":link")).or_else(|| element.attr(":id"));
                    if let Some(relation) = id.and_then(|id| self.relations.get(id)) {
                        let alt = alt.or_else(|| element.attr("title")).unwrap_or_default();
                        out.image(alt, &relation.target);
                    }
                }
                "txbxContent" => beside.boxes.push(element),
                "chart" => beside.charts.extend(element.attr(":id").map(str::to_owned)),
                _ => {}
            }
        }
    }
}

/// The one cell of a table that is only a frame around other tables.
fn frame(table: Element<'_>) -> Option<Element<'_>> {
    let mut rows = flat(table).filter(|row| row.is("tr"));
    let row = rows.next().filter(|_| rows.next().is_none())?;
    let mut cells = flat(row).filter(|cell| cell.is("tc"));
    let cell = cells.next().filter(|_| cells.next().is_none())?;
    flat(cell).any(|block| block.is("tbl")).then_some(cell)
}

/// Elements below a drawing, of alternatives only one, and nothing below boxes with text.
fn visible(drawing: Element<'_>) -> Vec<Element<'_>> {
    let mut found = Vec::new();
    let mut waiting = vec![drawing];
    while let Some(element) = waiting.pop() {
        found.push(element);
        if element.is("txbxContent") {
            continue;
        }
        let from = waiting.len();
        if element.is("AlternateContent") {
            waiting.extend(alternative(element));
        } else {
            waiting.extend(element.children());
        }
        waiting[from..].reverse();
    }
    found
}

/// The one of several alternatives that is read.
fn alternative(element: Element<'_>) -> Option<Element<'_>> {
    element.child("Choice").or_else(|| element.child("Fallback"))
}

/// Blocks, rows or cells in an element, through what only wraps them.
fn flat<'t>(element: Element<'t>) -> impl Iterator<Item = Element<'t>> {
    let mut waiting: Vec<Element<'t>> = element.children().collect();
    waiting.reverse();
    std::iter::from_fn(move || {
        loop {
            let next = waiting.pop()?;
            if matches!(next.name(), "sdt" | "sdtContent" | "customXml" | "ins" | "moveTo" | "smartTag") {
                let from = waiting.len();
                waiting.extend(next.children());
                waiting[from..].reverse();
            } else if next.is("AlternateContent") {
                waiting.extend(
                    alternative(next).into_iter().flat_map(Element::children).collect::<Vec<_>>().into_iter().rev(),
                );
            } else {
                return Some(next);
            }
        }
    })
}

fn style_of(paragraph: Element<'_>) -> Option<&str> {
    paragraph.path(&["pPr", "pStyle"])?.attr("val")
}

/// Level of a heading that the paragraph sets for itself.
fn outline_of(paragraph: Element<'_>) -> Option<usize> {
    let level: usize = paragraph.path(&["pPr", "outlineLvl"])?.attr("val")?.parse().ok()?;
    (level < 9).then_some(level + 1)
}

/// The address in the instruction of a field that is a link to the outside.
fn linked(instruction: &str) -> Option<String> {
    let rest = instruction.trim_start().strip_prefix("HYPERLINK")?.trim_start();
    let address = rest.strip_prefix('"')?.split('"').next()?;
    (!address.is_empty()).then(|| address.to_owned())
}
