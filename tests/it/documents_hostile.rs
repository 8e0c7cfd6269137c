//! Documents that are made to do harm: each ends soon, with bounded text or a clear error, and opens nothing.

use std::fmt::Write as _;
use std::io::Write as _;

use okcvm::document::{DocumentError, Kind, Limits, convert, kind, kind_of};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// A container of these parts.
fn package(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in parts {
        writer.start_file(*name, options).expect("a part");
        writer.write_all(bytes).expect("its bytes");
    }
    writer.finish().expect("a container").into_inner()
}

fn word(body: &str) -> Vec<u8> {
    package(&[("word/document.xml", format!("<w:document><w:body>{body}</w:body></w:document>").as_bytes())])
}

fn text(kind: Kind, bytes: &[u8]) -> String {
    convert(kind, bytes, "file", &Limits::default()).unwrap_or_else(|e| panic!("{e}")).markdown
}

#[test]
fn what_unpacks_to_more_than_the_bound_is_refused() {
    let bomb = package(&[("word/document.xml", &vec![b' '; 20_000_000])]);
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let limits = Limits { unpacked_bytes: 10_000_000, ..Limits::default() };
    let refused = convert(Kind::Docx, &bomb, "bomb.docx", &limits).expect_err("too large");
    assert_eq!(refused, DocumentError::TooLarge { kind: Kind::Docx, bytes: 10_000_000 });
    // Many small parts count together: nothing but the sum is known before.
    let page = vec![b'x'; 1_000_000];
    let names: Vec<String> = (0..30).map(|n| format!("xl/worksheets/sheet{n}.xml")).collect();
    let sheets: String = (0..30).map(|n| format!("<sheet name=\"s{n}\" r:id=\"r{n}\"/>")).collect();
    let relations: String = (0..30)
        .map(|n| format!("<Relationship Id=\"r{n}\" Type=\"x/worksheet\" Target=\"worksheets/sheet{n}.xml\"/>"))
        .collect();
    let (workbook, relations) =
        (format!("<workbook><sheets>{sheets}</sheets></workbook>"), format!("<R>{relations}</R>"));
    let mut parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), page.as_slice())).collect();
    parts.push(("xl/workbook.xml", workbook.as_bytes()));
    parts.push(("xl/_rels/workbook.xml.rels", relations.as_bytes()));
    let refused = convert(Kind::Xlsx, &package(&parts), "bomb.xlsx", &limits).expect_err("too large");
    assert!(matches!(refused, DocumentError::TooLarge { .. }), "{refused}");
}

#[test]
fn a_container_of_too_many_parts_is_refused() {
    let names: Vec<String> = (0..50).map(|n| format!("part{n}")).collect();
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let limits = Limits { entries: 40, ..Limits::default() };
    let refused = convert(Kind::Epub, &package(&parts), "many.epub", &limits).expect_err("too many");
    assert_eq!(refused, DocumentError::TooManyParts { kind: Kind::Epub, entries: 40 });
}

#[test]
fn entities_of_a_document_are_never_followed() {
    let head = "<?xml version=\"1.0\"?><!DOCTYPE d [<!ENTITY file SYSTEM \"file:///etc/passwd\">\
                <!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>";
    let body = "<w:document><w:body><w:p><w:r><w:t>before &file;&c; after</w:t></w:r></w:p></w:body></w:document>";
    let document = package(&[("word/document.xml", format!("{head}{body}").as_bytes())]);
    assert_eq!(text(Kind::Docx, &document), "before  after\n");
}

#[test]
fn names_in_a_document_stay_in_its_container() {
    let relation = "<R><Relationship Id=\"r1\" Type=\"x/officeDocument\" Target=\"../../../../etc/passwd\"/></R>";
    let document = package(&[("_rels/.rels", relation.as_bytes())]);
    let refused = convert(Kind::Docx, &document, "out.docx", &Limits::default()).expect_err("no such part");
    assert!(refused.to_string().contains("it has no part etc/passwd"), "{refused}");
}

#[test]
fn elements_within_elements_without_end_do_not_use_up_the_stack() {
    let deep =
        |tag: &str, times: usize| format!("{}{}", format!("<{tag}>").repeat(times), format!("</{tag}>").repeat(times));
    let words = "<w:p><w:r><w:t>kept</w:t></w:r></w:p>";
    for tag in ["w:p", "w:sdt", "w:tbl><w:tr><w:tc", "w:r><w:drawing><w:txbxContent><w:p"] {
        let body = format!("{words}{}", deep(tag, 50_000));
        assert_eq!(text(Kind::Docx, &word(&body)), "kept\n", "{tag}");
    }
    for tag in ["div", "table><tr><td", "ul><li", "b", "blockquote", "svg"] {
        let page = format!("<p>kept</p>{}", format!("<{tag}>").repeat(50_000));
        assert!(text(Kind::Html, page.as_bytes()).starts_with("kept"), "{tag}");
    }
    let text_part = format!("<o><body><text><p>kept</p>{}</text></body></o>", deep("list><list-item", 50_000));
    assert_eq!(text(Kind::Odt, &package(&[("content.xml", text_part.as_bytes())])), "kept\n");
    let notebook = format!("{{\"cells\":{}", "[".repeat(100_000));
    let refused = convert(Kind::Ipynb, notebook.as_bytes(), "deep.ipynb", &Limits::default()).expect_err("too deep");
    assert!(matches!(refused, DocumentError::Damaged { .. }), "{refused}");
}

#[test]
fn a_sheet_that_says_it_is_endless_is_as_long_as_its_cells() {
    let cell = |name: &str| format!("<c r=\"{name}\"><v>7</v></c>");
    let sheet = format!(
        "<worksheet><sheetData><row r=\"1\">{}</row><row r=\"1048576\">{}</row></sheetData></worksheet>",
        cell("A1"),
        cell("XFD1048576")
    );
    let workbook = b"<workbook><sheets><sheet name=\"s\"/></sheets></workbook>";
    let book = package(&[("xl/workbook.xml", workbook), ("xl/worksheets/sheet1.xml", sheet.as_bytes())]);
    assert!(text(Kind::Xlsx, &book).contains("cells A1:XFD1048576"), "{}", text(Kind::Xlsx, &book));

    let row = "<table-row t:number-rows-repeated=\"4000000000\"><table-cell t:number-columns-repeated=\"4000000000\">\
               <p>x</p></table-cell></table-row>";
    let content = format!("<o><body><spreadsheet><table t:name=\"s\">{row}</table></spreadsheet></body></o>");
    let limits = Limits { output_bytes: 100_000, ..Limits::default() };
    let sheet = package(&[("content.xml", content.as_bytes())]);
    let converted = convert(Kind::Ods, &sheet, "endless.ods", &limits).expect("a sheet");
    assert!(converted.markdown.len() <= 100_001, "{}", converted.markdown.len());
    assert!(converted.notes.iter().any(|note| note.contains("left out")), "{:?}", converted.notes);
}

/// A PDF of these objects, with a table of them unless it is to be broken.
fn pdf(objects: &[&str], with_table: bool) -> Vec<u8> {
    let mut out = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(out.len());
        write!(out, "{} 0 obj\n{object}\nendobj\n", number + 1).expect("a string");
    }
    if with_table {
        let table = out.len();
        write!(out, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).expect("a string");
        for place in places {
            writeln!(out, "{place:010} 00000 n ").expect("a string");
        }
        write!(out, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1)
            .expect("a string");
    } else {
        out.push_str("trailer\n<< /Root 1 0 R >>\nstartxref\n99999\n%%EOF\n");
    }
    out.into_bytes()
}

fn stream(dictionary: &str, content: &str) -> String {
    format!("<< {dictionary} /Length {} >>\nstream\n{content}\nendstream", content.len())
}

const CATALOG: &str = "<< /Type /Catalog /Pages 2 0 R >>";
const PAGES: &str = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>";
const PAGE: &str = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> \
                    /XObject << /X 6 0 R >> >> >>";
const FONT: &str = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>";

#[test]
fn a_pdf_with_a_broken_table_of_objects_is_read_all_the_same() {
    let content = stream("", "BT /F 12 Tf 50 700 Td (Still here) Tj ET");
    for with_table in [true, false] {
        let file = pdf(&[CATALOG, PAGES, PAGE, &content, FONT], with_table);
        assert!(text(Kind::Pdf, &file).contains("Still here"), "with a table: {with_table}");
    }
    let refused = convert(Kind::Pdf, b"%PDF-1.7\nnothing", "x.pdf", &Limits::default()).expect_err("no objects");
    assert!(matches!(refused, DocumentError::Damaged { .. }), "{refused}");
}

#[test]
fn objects_of_a_pdf_that_hold_themselves_end() {
    // A form that shows itself twice each time, and a tree of pages that is a ring.
    let content = stream("", "BT /F 12 Tf 50 700 Td (First) Tj ET /X Do BT /F 12 Tf 50 600 Td (Last) Tj ET");
    let form = stream("/Type /XObject /Subtype /Form /Resources << /XObject << /X 6 0 R >> >>", &"/X Do ".repeat(50));
    let found = text(Kind::Pdf, &pdf(&[CATALOG, PAGES, PAGE, &content, FONT, &form], true));
    assert!(found.contains("First"), "{found}");
    let ring = "<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 2 /Parent 2 0 R >>";
    let found = text(Kind::Pdf, &pdf(&[CATALOG, ring, PAGE, &content, FONT], true));
    assert!(found.contains("First"), "{found}");
}

#[test]
fn two_columns_are_read_one_after_the_other() {
    let mut content = String::from("BT /F 20 Tf 50 760 Td (A heading over both) Tj ET\n");
    for line in 0..20 {
        for (x, column) in [(50, "left"), (320, "right")] {
            let words = format!("line {line} of the {column} column goes on like this");
            writeln!(content, "BT /F 10 Tf {x} {} Td ({words}) Tj ET", 720 - 12 * line).expect("a string");
        }
    }
    let content = stream("", &content);
    let found = text(Kind::Pdf, &pdf(&[CATALOG, PAGES, PAGE, &content, FONT], true));
    let at = |piece: &str| found.find(piece).unwrap_or_else(|| panic!("{piece} is missing in {found}"));
    assert!(found.contains("# A heading over both"), "{found}");
    assert!(at("line 19 of the left") < at("line 0 of the right"), "{found}");
    assert!(found.contains("goes on like this line 1 of the left column"), "lines are joined: {found}");
}

#[test]
fn a_pdf_of_pictures_alone_says_that_it_has_no_text() {
    let content = stream("", "q 600 0 0 800 0 0 cm /X Do Q");
    let picture =
        stream("/Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceGray", "x");
    let file = pdf(&[CATALOG, PAGES, PAGE, &content, FONT, &picture], true);
    let converted = convert(Kind::Pdf, &file, "scan.pdf", &Limits::default()).expect("a scan");
    assert_eq!(converted.markdown, "<!-- page 1 -->\n");
    assert!(converted.notes.iter().any(|note| note.contains("OCR")), "{:?}", converted.notes);
}

#[test]
fn a_page_that_cannot_be_unpacked_is_not_told_as_an_empty_one() {
    let content = stream("/Filter /FlateDecode", "this is not deflated at all");
    let file = pdf(&[CATALOG, PAGES, PAGE, &content, FONT], true);
    let converted = convert(Kind::Pdf, &file, "cut.pdf", &Limits::default()).expect("a document");
    assert!(
        converted.notes.iter().any(|note| note.contains("1 page could not be read whole")),
        "{:?}",
        converted.notes
    );
    assert!(!converted.notes.iter().any(|note| note == "it has no text"), "{:?}", converted.notes);
}

/// The next of a row of numbers that looks like chance and is the same each time.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 1) as usize
}

/// Bytes of a document, some of them changed, doubled, moved or gone.
fn damage(bytes: &mut Vec<u8>, state: &mut u64) {
    for _ in 0..=next(state) % 6 {
        if bytes.is_empty() {
            return;
        }
        let at = next(state) % bytes.len();
        let end = (at + next(state) % 100).min(bytes.len());
        match next(state) % 5 {
            0 => bytes[at] = next(state) as u8,
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                for _ in 0..next(state) % 40 {
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
            _ => bytes[at..end].iter_mut().filter(|b| b.is_ascii_digit()).for_each(|digit| *digit = b'9'),
        }
    }
}

/// The same container with damage in some of its parts, so that what reads them sees it.
fn damaged_parts(bytes: &[u8], state: &mut u64) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a container");
    let mut parts = Vec::new();
    for index in 0..archive.len() {
        let name = String::from_utf8_lossy(archive.file_names_raw().nth(index).unwrap_or_default()).into_owned();
        let mut part = Vec::new();
        std::io::Read::read_to_end(&mut archive.by_index(index).expect("a part"), &mut part).expect("its bytes");
        if next(state).is_multiple_of(3) {
            damage(&mut part, state);
        }
        parts.push((name, part));
    }
    let parts: Vec<(&str, &[u8])> = parts.iter().map(|(name, part)| (name.as_str(), part.as_slice())).collect();
    package(&parts)
}

#[test]
fn damaged_documents_end_with_text_or_with_an_error() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/documents");
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let limits = Limits { unpacked_bytes: 32 << 20, nodes: 200_000, output_bytes: 200_000, ..Limits::default() };
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).expect("fixtures") {
        let path = entry.expect("entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).expect("bytes");
        let kind = kind_of(&bytes[..bytes.len().min(kind::START)], &name);
        // What reads old workbooks may take any memory for a damaged one: that is held by the confined process.
        let Some(kind) = kind.filter(|kind| *kind != Kind::Xls) else { continue };
        for _ in 0..6 {
            let mut bytes = if bytes.starts_with(b"PK") { damaged_parts(&bytes, &mut state) } else { bytes.clone() };
            if !bytes.starts_with(b"PK") || next(&mut state).is_multiple_of(4) {
                damage(&mut bytes, &mut state);
            }
            match convert(kind, &bytes, &name, &limits) {
                Ok(converted) => assert!(converted.markdown.len() <= limits.output_bytes + 1, "{name}"),
                Err(e) => assert!(!e.to_string().contains("makes no sense"), "{name}: a reader panicked"),
            }
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
}
