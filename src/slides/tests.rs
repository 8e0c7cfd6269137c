//! Tests of the writer, of the checks of what a page tells, and of the layout without a browser.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read as _};

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::json;

use super::compose::{Pictures, compose};
use super::deck::{
    Align, Anchor, Area, Bullet, Cell, Colour, Dash, Deck, Fill, Form, Gradient, Kind, Line, Mark, MediaKind, Outline,
    Paragraph, Picture, Run, Shadow, Shape, Slide, Style, Table, Text,
};
use super::measured::Measured;
use super::{Files, outline, plain, write};
use crate::document::{self, Limits};
use crate::workspace::Workspace;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture";

fn paragraph(text: &str) -> Paragraph {
    let style = Style { font: "Arial".to_owned(), size: 24.0, colour: Colour::opaque(1, 2, 3), ..Style::default() };
    Paragraph { runs: vec![Run { text: text.to_owned(), style }], ..Paragraph::default() }
}

fn shape(kind: Kind) -> Shape {
    Shape { area: Area { x: 10.0, y: 20.0, w: 300.0, h: 40.0 }, turn: 0.0, alt: "a <b> & \"c\"".to_owned(), kind }
}

/// A deck with one of everything.
fn deck() -> Deck {
    let mut deck = Deck { title: "All & more".to_owned(), ..Deck::default() };
    let media = deck.keep(PNG.to_vec(), MediaKind::Png);
    let drawing = deck.keep(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), MediaKind::Svg);
    assert_eq!(deck.keep(PNG.to_vec(), MediaKind::Png), media, "the same picture is kept once");
    let line = Line { width: 1.0, colour: Colour::opaque(9, 9, 9), dash: Dash::Dashed };
    let gradient = Gradient {
        radial: false,
        angle: 90.0,
        stops: vec![(0.0, Colour::opaque(255, 0, 0)), (100.0, Colour { rgb: [0, 0, 255], alpha: 0.5 })],
    };
    let mut linked = paragraph("see\nthere");
    linked.runs[0].style.link = "https://example.test/?a=1&b=2".to_owned();
    linked.bullet = Some(Bullet { colour: Some(Colour::WHITE), mark: Mark::Number("arabicPeriod", 3) });
    linked.align = Align::Centre;
    let cell = |row, column, across| Cell {
        row,
        column,
        across,
        down: 1,
        fill: Some(Fill::Plain(Colour::WHITE)),
        lines: [Some(line.clone()), None, None, Some(line.clone())],
        margins: [1.0; 4],
        anchor: Anchor::Middle,
        paragraphs: vec![paragraph("cell")],
    };
    let table = Table {
        columns: vec![100.0, 200.0],
        rows: vec![20.0, 20.0],
        header: true,
        cells: vec![cell(0, 0, 2), cell(1, 0, 1)],
    };
    let corners =
        Outline::of([(10.0, 10.0), (0.0, 0.0), (10.0, 10.0), (0.0, 0.0)], Area { x: 0.0, y: 0.0, w: 50.0, h: 50.0 });
    let shadow = Shadow { x: 0.0, y: 4.0, blur: 6.0, spread: -1.0, colour: Colour { rgb: [0; 3], alpha: 0.1 } };
    let form =
        Form { outline: corners, fill: Some(Fill::Gradient(gradient.clone())), line: Some(line), shadow: Some(shadow) };
    let picture =
        Picture { media, drawing: Some(drawing), crop: [0.1, 0.0, 0.2, 0.0], outline: Outline::Round(8.0), alpha: 0.5 };
    let text = |paragraphs, is_title| Text { paragraphs, wraps: true, is_title, ..Text::default() };
    let first = Slide {
        title: "One".to_owned(),
        notes: "first line\nsecond \u{1} line".to_owned(),
        ground: Some(Fill::Gradient(gradient)),
        shapes: vec![
            shape(Kind::Form(form)),
            shape(Kind::Text(text(vec![paragraph("One")], true))),
            shape(Kind::Text(text(vec![linked, paragraph("] ]> <&> \u{0} 中文")], false))),
            shape(Kind::Picture(picture)),
            shape(Kind::Table(table)),
        ],
    };
    deck.slides = vec![first, Slide::default()];
    deck
}

fn parts(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("a ZIP archive");
    let mut parts = BTreeMap::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).expect("an entry");
        let name = file.name().expect("a name").into_owned();
        let mut content = Vec::new();
        file.read_to_end(&mut content).expect("content");
        assert!(parts.insert(name.clone(), content).is_none(), "{name} is there twice");
    }
    parts
}

/// Every element of a part with its attributes; fails where the part is not well-formed.
fn elements(part: &str, xml: &[u8]) -> Vec<(String, BTreeMap<String, String>)> {
    let mut reader = Reader::from_reader(xml);
    let mut found = Vec::new();
    let mut open = Vec::new();
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{part} is not well-formed: {error}")) {
            Event::Eof => break,
            Event::End(_) => drop(open.pop().unwrap_or_else(|| panic!("{part} ends too early"))),
            event @ (Event::Start(_) | Event::Empty(_)) => {
                let is_open = matches!(event, Event::Start(_));
                let (Event::Start(tag) | Event::Empty(tag)) = event else { continue };
                let name = tag.name().as_ref().to_owned();
                let attributes = tag.attributes().map(|attribute| {
                    let attribute = attribute.unwrap_or_else(|error| panic!("{part}: {error}"));
                    let key = attribute.key.as_ref().to_owned();
                    (key, attribute.value.into_owned())
                });
                found.push((name.clone(), attributes.collect()));
                if is_open {
                    open.push(name);
                }
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "{part} does not close {open:?}");
    found
}

#[test]
fn every_part_is_well_formed_named_and_referred_to() {
    let bytes = write::pptx(&deck(), "test").expect("a deck");
    let parts = parts(&bytes);
    let types = elements("types", &parts["[Content_Types].xml"]);
    let named = |attribute: &str| -> BTreeSet<String> {
        types.iter().filter_map(|(_, attributes)| attributes.get(attribute).cloned()).collect()
    };
    let (overrides, defaults) = (named("PartName"), named("Extension"));
    let mut referred: BTreeSet<String> = BTreeSet::new();
    for (name, content) in &parts {
        let extension = name.rsplit('.').next().expect("an extension");
        let has_kind = overrides.contains(&format!("/{name}")) || (extension != "xml" && defaults.contains(extension));
        assert!(has_kind || name == "[Content_Types].xml", "{name} has no kind");
        if extension == "xml" || extension == "rels" {
            elements(name, content);
        }
        let Some((folder, file)) = name.split_once("_rels/") else { continue };
        let source = format!("{folder}{}", file.trim_end_matches(".rels"));
        assert!(source.is_empty() || parts.contains_key(&source), "{name} belongs to nothing");
        let mut ids = BTreeSet::new();
        for (_, attributes) in elements(name, content).iter().filter(|(element, _)| element == "Relationship") {
            assert!(ids.insert(attributes["Id"].clone()), "{name} has an id twice");
            if attributes.contains_key("TargetMode") {
                continue;
            }
            let mut path: Vec<&str> = folder.trim_end_matches('/').split('/').filter(|part| !part.is_empty()).collect();
            for step in attributes["Target"].split('/') {
                if step == ".." {
                    path.pop();
                } else {
                    path.push(step);
                }
            }
            let target = path.join("/");
            assert!(parts.contains_key(&target), "{name} refers to {target}, which is not there");
            referred.insert(target);
        }
        if let Some(content) = parts.get(&source) {
            for (_, attributes) in elements(&source, content) {
                for (key, value) in attributes.iter().filter(|(key, _)| key.starts_with("r:")) {
                    assert!(ids.contains(value), "{source} has {key} {value}, which is not there");
                }
            }
        }
    }
    for part in overrides {
        assert!(parts.contains_key(part.trim_start_matches('/')), "{part} has a kind and is not there");
    }
    for name in parts.keys().filter(|name| !name.contains("_rels/") && *name != "[Content_Types].xml") {
        assert!(referred.contains(name), "nothing refers to {name}");
    }
}

#[test]
fn shapes_have_ids_of_their_own() {
    let parts = parts(&write::pptx(&deck(), "test").expect("a deck"));
    for name in ["ppt/slides/slide1.xml", "ppt/slides/slide2.xml", "ppt/notesSlides/notesSlide1.xml"] {
        let mut ids = BTreeSet::new();
        for (_, attributes) in elements(name, &parts[name]).iter().filter(|(element, _)| element == "p:cNvPr") {
            assert!(ids.insert(attributes["id"].clone()), "{name} has an id twice");
        }
    }
}

#[test]
fn the_same_deck_gives_the_same_bytes_and_a_reader_finds_its_words() {
    let bytes = write::pptx(&deck(), "test").expect("a deck");
    assert_eq!(bytes, write::pptx(&deck(), "test").expect("a deck"));
    let read = document::convert(document::Kind::Pptx, &bytes, "deck.pptx", &Limits::default()).expect("a document");
    for words in ["One", "see", "there", "cell", "中文", "first line", "second", "https://example.test/?a=1"] {
        assert!(read.markdown.contains(words), "{words:?} is missing in\n{}", read.markdown);
    }
}

#[test]
fn a_deck_is_known_again_until_somebody_changes_it() {
    let bytes = write::pptx(&deck(), "/mnt/a/deck.html").expect("a deck");
    assert!(write::is_own(&bytes, "/mnt/a/deck.html"));
    assert!(!write::is_own(&bytes, "/mnt/a/other.html"));
    let mut changed = Deck { title: "Another".to_owned(), ..deck() };
    changed.slides.pop();
    let mut foreign = write::pptx(&changed, "/mnt/a/deck.html").expect("a deck");
    let seal = bytes[bytes.len() - 64..].to_vec();
    let at = foreign.len() - 64;
    foreign[at..].copy_from_slice(&seal);
    assert!(!write::is_own(&foreign, "/mnt/a/deck.html"));
    assert!(!write::is_own(b"PK and no archive", ""));
}

/// A text item as the page tells it.
fn text(words: &[&str], most: f64) -> serde_json::Value {
    let lines: Vec<_> = (0..words.len()).map(|at| json!([50, 100.0 + 30.0 * at as f64, 200, 20])).collect();
    let runs: Vec<_> = words.iter().enumerate().map(|(at, word)| json!({"t": word, "s": 0, "l": at})).collect();
    let height = 30 * words.len() - 10;
    json!({
        "k": "text", "r": [50, 100, 200, height], "turn": 0, "lines": lines, "soft": vec![true; words.len() - 1], "runs": runs,
        "most": most, "align": "l", "high": 30, "rtl": false, "upright": "", "block": [50, 95, 400, height], "tag": "p",
        "list": 0, "level": 0,
    })
}

fn measured(items: &serde_json::Value) -> Measured {
    let told = json!({
        "title": "T", "told": [], "missing": [],
        "styles": [{
            "latin": "Arial", "far": "", "size": 18, "bold": false, "italic": false, "line": "", "stroke": null, "strike": false,
            "colour": [300, -5, null, 7], "fill": null, "spacing": 0, "script": 0, "href": "",
        }],
        "slides": [{
            "title": "", "notes": "", "ground": [], "items": items, "told": [], "over": [0, 0], "page": [0, 0, 1024, 576], "share": 1,
        }],
    });
    serde_json::from_value(told).expect("a measurement")
}

fn composed(items: &serde_json::Value) -> Deck {
    let files = std::collections::HashMap::new();
    compose(&measured(items), Pictures { files: &files, shots: std::collections::HashMap::new() })
}

#[test]
fn a_block_wraps_where_its_width_leaves_room_and_ends_its_lines_by_force_elsewhere() {
    for (most, wraps) in [(260.0, true), (201.0, false)] {
        let deck = composed(&json!([text(&["first line ", "second line"], most)]));
        let [Shape { area, kind: Kind::Text(text), .. }] = deck.slides[0].shapes.as_slice() else { panic!("one text") };
        assert_eq!(text.wraps, wraps);
        assert!(!wraps || (area.w > 202.0 && area.w < 258.0), "{area:?}");
        let words = text.paragraphs[0].words();
        assert_eq!(words, if wraps { "first line second line" } else { "first line\nsecond line" });
        assert_eq!(text.paragraphs[0].pitch, Some(30.0));
        // Three hundred and minus five are no parts of a colour.
        assert_eq!(text.paragraphs[0].runs[0].style.colour, Colour { rgb: [255, 0, 0], alpha: 1.0 });
    }
}

#[test]
fn figures_beyond_all_bounds_are_brought_back() {
    let corner = [0, 0];
    let deck = composed(&json!([{
        "k": "box", "r": [1e300, null, -5, 1e12], "turn": 1e99, "radii": [corner, corner, corner, corner],
        "borders": [null, null, null, null], "fill": [1, 2, 3, 1], "alt": "x".repeat(10),
    }]));
    let bytes = write::pptx(&deck, "").expect("a deck");
    for (_, attributes) in elements("slide", &parts(&bytes)["ppt/slides/slide1.xml"]) {
        for name in ["x", "y", "cx", "cy", "rot"] {
            let value: Option<i64> = attributes.get(name).map(|value| value.parse().expect("a whole number"));
            assert!(value.is_none_or(|value| value.abs() < 200_000_000), "{name} is {value:?}");
        }
    }
}

#[test]
fn cells_that_lie_over_each_other_keep_their_words() {
    let cell = |words: &str| {
        json!({
            "row": 0, "column": 0, "across": 9, "down": 9, "fill": null, "borders": [null, null, null, null],
            "r": [0, 0, 100, 40], "padding": [1, 1, 1, 1], "anchor": "ctr", "texts": [text(&[words], 0.0)],
        })
    };
    let deck = composed(&json!([{
        "k": "table", "r": [0, 0, 200, 40], "columns": [100, 100], "rows": [20, 20], "header": false,
        "cells": [cell("inside"), cell("beside")], "alt": "",
    }]));
    let kinds: Vec<bool> = deck.slides[0].shapes.iter().map(|shape| matches!(shape.kind, Kind::Table(_))).collect();
    assert_eq!(kinds, [true, false]);
    let read = document::convert(
        document::Kind::Pptx,
        &write::pptx(&deck, "").expect("a deck"),
        "deck.pptx",
        &Limits::default(),
    );
    let read = read.expect("a document").markdown;
    assert!(read.contains("inside") && read.contains("beside"), "{read}");
}

#[test]
fn a_border_of_one_side_is_a_strip_of_its_own() {
    let corner = [8, 8];
    let deck = composed(&json!([{
        "k": "box", "r": [100, 100, 200, 80], "turn": 0, "radii": [corner, corner, corner, corner],
        "borders": [null, null, null, {"w": 4, "c": [255, 0, 0, 1], "s": "solid"}], "fill": [255, 255, 255, 1], "alt": "",
    }]));
    let [whole, strip] = deck.slides[0].shapes.as_slice() else { panic!("two shapes") };
    assert_eq!(whole.area, Area { x: 100.0, y: 100.0, w: 200.0, h: 80.0 });
    assert_eq!((strip.area.x, strip.area.h, strip.area.w), (100.0, 80.0, 8.0));
    let Kind::Form(Form { outline: Outline::Path(_), fill: Some(Fill::Plain(colour)), .. }) = &strip.kind else {
        panic!("a path, not {:?}", strip.kind)
    };
    assert_eq!(colour.rgb, [255, 0, 0]);
}

#[test]
fn without_a_browser_titles_text_lists_and_tables_have_places() {
    let folder = tempfile::tempdir().expect("folder");
    let workspace = Workspace::open(folder.path(), "/mnt/okcvm-0", None).expect("workspace");
    let root = workspace.resolve(".").expect("path");
    let html = "<title>A deck</title><p>not a slide</p><section class='x ppt-slide' data-notes='say this'><h1>Title</h1>\
        <script>no()</script><p>Some text.</p><ul><li>one<li>two<ol><li>deep</ol></ul><table><tr><th>A<th>B<tr><td>1<td>2</table>\
        <img src='missing.png'></section><div class=ppt-slide><p>Only words</div>";
    let files = Files::new(workspace, root, html).expect("files");
    let deck = plain::deck(html, &files);
    assert_eq!((deck.title.as_str(), deck.slides.len()), ("A deck", 2));
    assert_eq!(deck.slides[0].notes, "say this");
    let outlines = outline::of(&deck);
    assert_eq!(outlines[0].title, "Title");
    assert_eq!(outlines[0].lines, ["Some text.", "one", "two", "deep", "A | B", "1 | 2"]);
    assert_eq!(outlines[1].title, "Only words");
    for shape in deck.slides.iter().flat_map(|slide| &slide.shapes) {
        let area = shape.area;
        assert!(area.x >= 0.0 && area.y >= 0.0 && area.right() <= 1024.0 && area.bottom() <= 576.0, "{area:?}");
    }
}
