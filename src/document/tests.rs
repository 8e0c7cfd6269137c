//! Small documents written here, as their reader should tell them.

use super::*;

fn text(kind: Kind, bytes: &[u8]) -> String {
    convert(kind, bytes, "file", &Limits::default()).expect("a document").markdown
}

#[test]
fn separated_values_become_a_table_whatever_separates_them() {
    let expected = "| name | age |\n| --- | --- |\n| Ada \\| Co | 36 |\n| two<br>lines | 4 |\n";
    for separator in [",", ";", "\t"] {
        let source = format!("name{separator}age\nAda | Co{separator}36\n\"two\nlines\"{separator}4\n");
        assert_eq!(text(Kind::Csv, source.as_bytes()), expected);
    }
    let wide: Vec<u8> = "name,quantity\r\napple,3\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(text(Kind::Csv, &wide), "| name | quantity |\n| --- | --- |\n| apple | 3 |\n");
    let latin = convert(Kind::Csv, b"a,b\ncaf\xe9,1\n", "t.csv", &Limits::default()).expect("a table");
    assert!(latin.markdown.contains("| café | 1 |"), "{}", latin.markdown);
    assert_eq!(latin.summary, "2 rows by 2 columns");
}

#[test]
fn a_notebook_keeps_its_cells_and_outputs() {
    let source = br##"{"nbformat":4,"metadata":{"kernelspec":{"language":"python"}},"cells":[
        {"cell_type":"markdown","source":["# Title\n","words"]},
        {"cell_type":"code","source":"print(1)","outputs":[{"output_type":"stream","text":["1\n"]},
         {"output_type":"display_data","data":{"image/png":"AAAA","text/plain":"<Figure>"}}]}]}"##;
    let expected = "# Title\nwords\n\n```python\nprint(1)\n```\n\n```output\n1\n```\n\n```output\n<Figure>\n```\n\n\
                    ![output](image/png)\n";
    assert_eq!(text(Kind::Ipynb, source), expected);
}

#[test]
fn what_does_not_fit_is_left_out_with_a_note() {
    let limits = Limits { output_bytes: 100, ..Limits::default() };
    let converted = convert(Kind::Csv, "wörd,b\n".repeat(100).as_bytes(), "t.csv", &limits).expect("a table");
    assert!(converted.markdown.len() <= 101, "{}", converted.markdown.len());
    assert_eq!(converted.summary, "100 rows by 2 columns");
    assert!(converted.notes.iter().any(|note| note.contains("left out")), "{:?}", converted.notes);
}

#[test]
fn the_kind_is_told_by_content_first() {
    assert_eq!(kind_of(b"%PDF-1.7\n", "report.docx"), Some(Kind::Pdf));
    assert_eq!(kind_of(b"PK\x03\x04", "report.docx"), Some(Kind::Docx));
    assert_eq!(kind_of(b"just words", "report.docx"), None);
    assert_eq!(kind_of(b"a,b\n", "T.CSV"), Some(Kind::Csv));
    assert_eq!(kind_of(b"<!DOCTYPE html>", "page"), Some(Kind::Html));
    assert_eq!(kind_of(b"# about %PDF- files", "notes.md"), None);
}

#[test]
fn a_note_and_a_summary_are_one_short_line_whatever_a_document_puts_into_them() {
    let mut writer = markdown::Writer::new(&Limits::default());
    writer.note(format!("the chapter {}\n[forged] \u{1b}[31m could not be read", "Q".repeat(2_000_000)));
    writer.note("the chapter x\n[forged]\u{1b}c");
    let converted = writer.finish("summary\n".repeat(1_000));
    for words in converted.notes.iter().chain([&converted.summary]) {
        assert!(words.chars().count() <= 200 && !words.contains(char::is_control), "{words}");
    }
    assert_eq!(converted.notes.len(), 2);
}

#[test]
fn a_cell_alone_in_its_table_stays_a_cell() {
    let page = b"<!DOCTYPE html><table><tr><td>one<br>two</td></tr></table>";
    assert_eq!(text(Kind::Html, page), "| one<br>two |\n| --- |\n");
}

/// A container with these parts.
fn package(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("part");
        std::io::Write::write_all(&mut zip, content.as_bytes()).expect("content");
    }
    zip.finish().expect("zip").into_inner()
}

fn workbook(rows: &str, styles: &str) -> Converted {
    let bytes = package(&[
        ("xl/workbook.xml", "<workbook><sheets><sheet name='S'/></sheets></workbook>"),
        ("xl/_rels/workbook.xml.rels", "<r><Relationship Id='1' Type='x/styles' Target='styles.xml'/></r>"),
        ("xl/styles.xml", styles),
        ("xl/worksheets/sheet1.xml", &format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")),
    ]);
    convert(Kind::Xlsx, &bytes, "t.xlsx", &Limits::default()).expect("a workbook")
}

#[test]
fn formulas_that_nothing_computed_are_shown_as_formulas_with_a_note() {
    let rows = "<row r='1'><c r='A1'><v>2</v></c><c r='B1'><f>A1*2</f><v>4</v></c></row>\
                <row r='2'><c r='A2'><f t='shared' si='0' ref='A2:A3'>A1*C2</f><v></v></c><c r='B2' t='str'><f>x</f><v/></c></row>\
                <row r='3'><c r='A3'><f t='shared' si='0'/></c></row>";
    let converted = workbook(rows, "<styleSheet/>");
    let expected = "## S\n\n| 2 | 4 |\n| --- | --- |\n| `=A1*C2` |  |\n| `= as in A2` |  |\n";
    assert_eq!(converted.markdown, expected);
    assert_eq!(converted.notes.len(), 1, "{:?}", converted.notes);
    assert!(converted.notes[0].contains("shown as formulas"));
    assert!(workbook("<row><c><f>1+1</f><v>2</v></c></row>", "<styleSheet/>").notes.is_empty());
}

#[test]
fn a_format_is_a_date_only_where_all_of_its_letters_are() {
    use grid::Format;
    for code in ["dd.mm.yyyy", "[$-409]h:mm:ss AM/PM", "yyyy\"年\"m月d日", "h:mm a/p", "[Red]d/m;@", "ggge\"x\"mm"] {
        assert_eq!(Format::of_code(code), Format::Date, "{code}");
    }
    for code in
        ["Standard", "General", "Standaard", "Generale", "Estándar", "0.00E+00", "#,##0.00", "\"day\"0", "[Red]0"]
    {
        assert_eq!(Format::of_code(code), Format::Number, "{code}");
    }
    assert_eq!(Format::of_code("[hh]:mm"), Format::Duration);
    let styles = "<styleSheet><numFmts><numFmt numFmtId='170' formatCode='Standard'/></numFmts>\
                  <cellXfs><xf numFmtId='170'/></cellXfs></styleSheet>";
    let converted = workbook("<row><c s='0'><v>1234.5</v></c></row>", styles);
    assert!(converted.markdown.contains("1234.5"), "{}", converted.markdown);
}

#[test]
fn an_archive_with_a_folder_of_that_name_is_no_office_document() {
    for folder in ["word", "xl", "ppt"] {
        let archive = package(&[("src/a.py", "pass"), (&format!("{folder}/list.txt"), "words")]);
        assert_eq!(kind_of(&archive, "project.zip"), None, "{folder}");
    }
    let list = ("[Content_Types].xml", "<Types/>");
    for parts in [vec![("word/document.xml", "<d/>")], vec![list, ("word/styles.xml", "<s/>")]] {
        assert_eq!(kind_of(&package(&parts), "file"), Some(Kind::Docx), "{parts:?}");
    }
    let archive = package(&[("notes.txt", "x")]);
    let error = convert(Kind::Docx, &archive, "x.docx", &Limits::default()).expect_err("no document").to_string();
    assert!(error.contains("archive (ZIP)") && !error.contains("damaged"), "{error}");
}

#[test]
fn a_cell_that_spans_more_than_there_is_hides_none() {
    let page = "<table><tr><td colspan=1000>h</td><td>KEPT</td></tr><tr><td>a</td><td rowspan=2>b</td></tr>\
                <tr><td>c</td><td>d</td></tr></table>";
    assert_eq!(
        text(Kind::Html, page.as_bytes()),
        "| h |  |  | KEPT |\n| --- | --- | --- | --- |\n| a | b |  |  |\n| c |  | d |  |\n"
    );
    let wide: Vec<String> = (0..1_500).map(|n| format!("<td>cell{n}</td>")).collect();
    let wide = wide.concat();
    let wide = text(Kind::Html, format!("<table><tr>{wide}</tr></table>").as_bytes());
    assert!((0..1_500).all(|n| wide.contains(&format!("cell{n} "))), "{}", &wide[wide.len() - 200..]);
}

#[test]
fn the_title_of_a_page_forges_nothing() {
    let page = "<title>x”, converted to Markdown] &#27;[2J</title><p>y</p>";
    let converted = convert(Kind::Html, page.as_bytes(), "p.html", &Limits::default()).expect("a page");
    assert!(converted.summary.starts_with("titled “x\",") && converted.summary.ends_with('”'), "{}", converted.summary);
    assert!(!converted.summary.contains(char::is_control));
    assert!(!converted.markdown.replace('\n', "").contains(char::is_control), "{:?}", converted.markdown);
}

#[test]
fn a_sheet_of_endless_repeats_is_read_within_its_bounds() {
    let content = "<o><body><spreadsheet><table name='S'><table-row t:number-rows-repeated='4000000000'>\
                   <table-cell t:number-columns-repeated='4000000000'><p>wide</p></table-cell></table-row></table>\
                   </spreadsheet></body></o>";
    let bytes = package(&[("content.xml", content)]);
    let limits = Limits { output_bytes: 300_000, ..Limits::default() };
    let converted = convert(Kind::Ods, &bytes, "t.ods", &limits).expect("a sheet");
    let head = converted.markdown.lines().find(|line| line.contains("wide")).expect("a row");
    assert_eq!(head.matches("wide").count(), 16_384);
    assert!(converted.notes.iter().any(|note| note.contains("left out")), "{:?}", converted.notes);
}

#[test]
fn a_page_whose_checksum_is_wrong_may_be_damaged() {
    let rows: Vec<String> = (0..40).map(|n| format!("0 -14 Td (Row {n} holds {}) Tj\n", n * n)).collect();
    let rows = rows.concat();
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packer, format!("BT /F 12 Tf 72 780 Td\n{rows}ET").as_bytes()).expect("packed");
    let mut content = packer.finish().expect("packed");
    let page = |content: &[u8]| {
        let head = "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [3 0 R] \
                    /Count 1 >>\nendobj\n3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R \
                    /Resources << /Font << /F 5 0 R >> >> >>\nendobj\n5 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont \
                    /Helvetica >>\nendobj\n4 0 obj\n";
        let length = format!("<< /Filter /FlateDecode /Length {} >>\nstream\n", content.len());
        let end = "\nendstream\nendobj\ntrailer\n<< /Root 1 0 R >>\nstartxref\n9\n%%EOF\n";
        let file = [head.as_bytes(), length.as_bytes(), content, end.as_bytes()].concat();
        convert(Kind::Pdf, &file, "t.pdf", &Limits::default()).expect("a page")
    };
    let sound = page(&content);
    assert!(sound.markdown.contains("Row 39 holds 1521") && sound.notes.is_empty(), "{sound:?}");
    let middle = content.len() / 2;
    content[middle] ^= 0x20;
    let damaged = page(&content);
    let told = damaged.notes.iter().any(|note| note.contains("damaged"));
    assert!(told, "{:?} of {}", damaged.notes, damaged.markdown);
}
