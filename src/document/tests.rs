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
