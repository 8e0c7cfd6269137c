//! Excel workbooks since 2007: sheet by sheet, values as they were last computed.

use std::collections::HashMap;

use super::grid::{self, Format, Grid};
use super::markdown::{Inline, Look, Marker, Writer, count};
use super::package::{Package, Relation};
use super::xml::{Element, Tree};
use super::{Converted, DocumentError, Kind, Limits};

/// What all sheets share.
struct Workbook {
    strings: Vec<String>,
    /// What the style of a cell makes of a number.
    formats: Vec<Format>,
    from_1904: bool,
}

pub(super) fn convert(bytes: &[u8], limits: &Limits) -> Result<Converted, DocumentError> {
    let mut package = Package::open(Kind::Xlsx, bytes, limits)?;
    let relations = package.relations("")?;
    let main = relations.into_values().find(|relation| relation.kind == "officeDocument");
    let main = main.map_or_else(|| "xl/workbook.xml".to_owned(), |main| main.target);
    let tree = package.required(&main)?;
    let relations = package.relations(&main)?;
    let shared = |kind: &str| relations.values().find(|r| r.kind == kind).map(|r| r.target.clone());

    let strings = match shared("sharedStrings") {
        Some(part) => package.optional(&part)?.map(|tree| strings(&tree)).unwrap_or_default(),
        None => Vec::new(),
    };
    let formats = match shared("styles") {
        Some(part) => package.optional(&part)?.map(|tree| formats(&tree)).unwrap_or_default(),
        None => Vec::new(),
    };
    let from_1904 =
        tree.root().child("workbookPr").and_then(|p| p.attr("date1904")).is_some_and(|v| v == "1" || v == "true");
    let workbook = Workbook { strings, formats, from_1904 };

    let mut writer = Writer::new(limits);
    let sheets: Vec<Element<'_>> =
        tree.root().child("sheets").into_iter().flat_map(Element::children).filter(|e| e.is("sheet")).collect();
    for (number, sheet) in sheets.iter().enumerate() {
        if writer.is_full() {
            break;
        }
        let name = sheet.attr("name").unwrap_or_default();
        writer.title(2, if name.is_empty() { "Sheet" } else { name });
        if sheet.attr("state").is_some_and(|state| state != "visible") {
            writer.mark("hidden sheet");
        }
        let part = sheet.attr(":id").and_then(|id| relations.get(id)).map(|relation| relation.target.clone());
        let part = part.unwrap_or_else(|| format!("xl/worksheets/sheet{}.xml", number + 1));
        write_sheet(&mut package, &workbook, &part, &mut writer)?;
    }
    for note in package.notes() {
        writer.note(note);
    }
    Ok(writer.finish(count(sheets.len(), "sheet")))
}

fn write_sheet(
    package: &mut Package<'_>,
    workbook: &Workbook,
    part: &str,
    writer: &mut Writer,
) -> Result<(), DocumentError> {
    let Some(tree) = package.optional(part)? else { return Ok(()) };
    let relations = package.relations(part)?;
    let links: HashMap<(u32, u32), &str> = tree
        .root()
        .child("hyperlinks")
        .into_iter()
        .flat_map(Element::children)
        .filter_map(|link| {
            let relation = relations.get(link.attr(":id")?)?;
            Some((grid::place(link.attr("ref")?.split(':').next()?)?, relation.target.as_str()))
        })
        .collect();

    let mut grid = Grid::default();
    // Formulas that several cells share stand in the first of them.
    let mut shared = HashMap::new();
    let mut formulas = 0;
    let rows = tree.root().child("sheetData").into_iter().flat_map(Element::children).filter(|e| e.is("row"));
    let mut next_row = 0u32;
    'rows: for row in rows {
        let number =
            row.attr("r").and_then(|r| r.parse::<u32>().ok()).and_then(|r| r.checked_sub(1)).unwrap_or(next_row);
        next_row = number.saturating_add(1);
        let mut next_column = 0u32;
        for cell in row.children().filter(|e| e.is("c")) {
            let column = cell.attr("r").and_then(grid::place).map_or(next_column, |(_, column)| column);
            next_column = column.saturating_add(1);
            let formula = formula(cell, &format!("{}{}", grid::column_name(column), next_row), &mut shared);
            let (value, look) = match formula {
                Some(formula) if has_no_value(cell) => {
                    formulas += 1;
                    (formula, Look { code: true, ..Look::default() })
                }
                _ => (workbook.value(cell), Look::default()),
            };
            if value.is_empty() {
                continue;
            }
            let mut text = Inline::default();
            text.run(&value, look, links.get(&(number, column)).copied());
            grid.set(number, column, &text);
            if grid.size() > writer.room() {
                break 'rows;
            }
        }
    }
    if formulas > 0 {
        writer.note(
            "formulas that no program has computed yet are shown as formulas; LibreOffice or Python can compute them",
        );
    }
    for relation in relations.values().filter(|relation| relation.kind == "comments") {
        if let Some(tree) = package.optional(&relation.target)? {
            for comment in tree.root().descendants().filter(|e| e.is("comment")) {
                let cell = comment.attr("ref").unwrap_or_default().to_owned();
                let words = comment.child("text").map(rich).unwrap_or_default();
                grid.comments.push((cell, words));
            }
        }
    }
    grid.write(writer);
    let drawings: Vec<&Relation> = relations.values().filter(|relation| relation.kind == "drawing").collect();
    for drawing in drawings {
        write_drawing(package, &drawing.target, writer)?;
    }
    Ok(())
}

/// The formula of a cell, or whose formula it has; each is remembered where others share it.
fn formula(cell: Element<'_>, name: &str, shared: &mut HashMap<String, String>) -> Option<String> {
    let formula = cell.child("f")?;
    let text = formula.text();
    let id = formula.attr("si").filter(|_| formula.attr("t") == Some("shared"));
    if text.trim().is_empty() {
        return Some(format!("= as in {}", shared.get(id?)?));
    }
    if let Some(id) = id {
        shared.insert(id.to_owned(), name.to_owned());
    }
    Some(format!("={}", text.trim()))
}

/// Whether nothing was computed for a cell; an empty text is something.
fn has_no_value(cell: Element<'_>) -> bool {
    match cell.child("v") {
        Some(value) => cell.attr("t") != Some("str") && value.text().is_empty(),
        None => cell.child("is").is_none(),
    }
}

/// Pictures and boxes with text that lie above the cells.
fn write_drawing(package: &mut Package<'_>, part: &str, writer: &mut Writer) -> Result<(), DocumentError> {
    let Some(tree) = package.optional(part)? else { return Ok(()) };
    let relations = package.relations(part)?;
    for shape in tree.root().descendants() {
        match shape.name() {
            "pic" => {
                let alt = shape.path(&["nvPicPr", "cNvPr"]).and_then(|e| e.attr("descr")).unwrap_or_default();
                let id = shape.path(&["blipFill", "blip"]).and_then(|blip| blip.attr(":embed"));
                if let Some(relation) = id.and_then(|id| relations.get(id)) {
                    let mut picture = Inline::default();
                    picture.image(alt, &relation.target);
                    writer.paragraph(&picture);
                }
            }
            "txBody" => {
                for paragraph in shape.children().filter(|e| e.is("p")) {
                    let words = paragraph.descendants().filter(|e| e.is("t")).map(Element::text);
                    writer.item(0, Marker::Bullet, &Inline::plain(&words.collect::<String>()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Workbook {
    fn value(&self, cell: Element<'_>) -> String {
        let value = || cell.child("v").map(Element::text).unwrap_or_default();
        match cell.attr("t") {
            Some("s") => {
                value().trim().parse::<usize>().ok().and_then(|at| self.strings.get(at).cloned()).unwrap_or_default()
            }
            Some("inlineStr") => cell.child("is").map(rich).unwrap_or_default(),
            Some("b") => if value().trim() == "1" { "TRUE" } else { "FALSE" }.to_owned(),
            Some("str" | "e") => unescaped(&value()),
            Some("d") => {
                let value = value();
                value.strip_suffix("T00:00:00").unwrap_or(&value).replacen('T', " ", 1)
            }
            _ => {
                let value = value();
                let value = value.trim();
                let style = cell.attr("s").and_then(|s| s.parse::<usize>().ok()).unwrap_or(0);
                let format = self.formats.get(style).copied().unwrap_or_default();
                // Whole numbers are kept as they are written, however long.
                let whole = value.bytes().all(|b| b.is_ascii_digit());
                match value.parse::<f64>() {
                    Ok(number) if format != Format::Number || !whole => grid::number(number, format, self.from_1904),
                    _ => value.to_owned(),
                }
            }
        }
    }
}

/// Text in runs; how it is read aloud is left out.
fn rich(element: Element<'_>) -> String {
    let mut out = String::new();
    for child in element.children() {
        match child.name() {
            "t" => out.push_str(&child.text()),
            "r" => out.push_str(&child.child("t").map(Element::text).unwrap_or_default()),
            _ => {}
        }
    }
    unescaped(&out)
}

/// Excel writes control characters as `_x000D_`.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 2..at + 6).filter(|_| rest.as_bytes().get(at + 6) == Some(&b'_'));
        if let Some(c) = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32) {
            out.push(c);
            rest = &rest[at + 7..];
        } else {
            out.push_str("_x");
            rest = &rest[at + 2..];
        }
    }
    out.push_str(rest);
    out.replace("\r\n", "\n")
}

fn strings(tree: &Tree) -> Vec<String> {
    tree.root().children().filter(|e| e.is("si")).map(rich).collect()
}

fn formats(tree: &Tree) -> Vec<Format> {
    let list = |name: &str| tree.root().child(name).into_iter().flat_map(Element::children);
    let id = |e: Element<'_>| e.attr("numFmtId").and_then(|id| id.parse::<u32>().ok());
    let own: HashMap<u32, Format> =
        list("numFmts").filter_map(|format| Some((id(format)?, Format::of_code(format.attr("formatCode")?)))).collect();
    let of = |id: u32| own.get(&id).copied().unwrap_or_else(|| Format::builtin(id));
    list("cellXfs").filter(|e| e.is("xf")).map(|style| id(style).map(of).unwrap_or_default()).collect()
}
