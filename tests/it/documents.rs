//! Real documents, written by others with other programs, as Markdown. Where they come from stands beside them.

use std::path::PathBuf;

use okcvm::document::{Converted, DocumentError, Kind, Limits, convert, kind, kind_of};

fn bytes(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/documents").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn read(name: &str) -> Converted {
    let bytes = bytes(name);
    let kind = kind_of(&bytes[..bytes.len().min(kind::START)], name).unwrap_or_else(|| panic!("{name} has no kind"));
    convert(kind, &bytes, name, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Each piece has to stand in the text, behind the one before.
fn assert_in_order(name: &str, pieces: &[&str]) {
    let text = read(name).markdown;
    let mut at = 0;
    for piece in pieces {
        match text[at..].find(piece) {
            Some(found) => at += found + piece.len(),
            None => panic!("{name}: {piece:?} is missing, or not behind the piece before it, in:\n{text}"),
        }
    }
}

fn headings(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        if !fenced && line.starts_with('#') {
            found.push(line);
        }
    }
    found
}

#[test]
fn one_text_reads_alike_in_four_formats() {
    let names = ["readme.html", "readme.docx", "readme.odt", "readme.epub"];
    let texts: Vec<String> = names.iter().map(|name| read(name).markdown).collect();
    // The title of the file itself is a heading in some of them.
    let own = |text: &str| -> Vec<String> {
        // Not every format can say that a word of a heading is code.
        let plain = |h: &str| h.replace(['`', '\\'], "");
        headings(text).into_iter().skip_while(|h| !h.contains("converter")).map(plain).collect()
    };
    let expected = own(&texts[0]);
    assert_eq!(expected.len(), 55, "{expected:#?}");
    assert_eq!(
        expected[..4],
        ["# Mammoth .docx to HTML converter", "## Web demo", "## Installation", "## Other supported platforms"]
    );
    for (name, text) in names.iter().zip(&texts) {
        assert_eq!(own(text), expected, "headings of {name}");
        for piece in [
            "- Headings.\n- Lists.\n- Customisable mapping",
            "- [Python](https://github.com/mwilliamson/python-mammoth). Available [on PyPI](",
            "**Mammoth performs no sanitisation of the source document, and should therefore be used extremely carefully",
            "\n```\nnpm install mammoth\n```\n",
        ] {
            assert!(
                text.contains(piece) || text.contains(&piece.replace("\n```\n", "\n``` bash\n")),
                "{name}: {piece:?}"
            );
        }
    }
}

#[test]
fn word_documents_keep_notes_comments_boxes_and_tables() {
    assert_in_order("footnotes.docx", &["Ouch[^1].[^2]", "[^1]: A tachyon walks into a bar.", "[^2]: Fin."]);
    assert_in_order("comments.docx", &["Ouch[^c1].[^c2]", "[^c1]: Michael Williamson: A tachyon walks into a bar."]);
    assert_in_order("text-box.docx", &["Datum plane"]);
    let table = "| Top left | Top right |\n| --- | --- |\n| Bottom left | Bottom right |";
    assert_in_order("tables.docx", &["Above", table, "Below"]);
}

#[test]
fn workbooks_keep_sheets_dates_and_the_place_of_merged_cells() {
    assert_in_order(
        "sheets.xlsx",
        &["## Реестр", "| 1 | url | <<Шаблон сценария>> | 1.0 |", "## Вариант использования"],
    );
    assert_eq!(read("sheets.xlsx").summary, "2 sheets");
    assert_in_order("escape.xlsx", &["cells E1:F1, columns E F", "| Hello<br>World ! | FALSE |"]);
    let times =
        ["| 2017-08-03 14:35:00 | 14:40:30 |", "| 2017-08-03 | 11:30:00 |", "| 2017-08-03 15:40:00 | 00:01:59 |"];
    assert_in_order("timeformat.xlsx", &times);
    assert_in_order("merged-cell-sheet.xls", &["| 1 | 2 | 3 |", "|  | 5 | 6 |", "| 10 | 11 |  |", "## Sheet2"]);
    assert_in_order("date_field.xls", &["| Date | Time |", "| 2014-12-25 | 11:11:11 |", "| 2015-01-01 | 13:13:13 |"]);
    assert_in_order("complex_hidden_sheets.xls", &["| 31 | 32 | 33 |", "| 61 | 62 |"]);
}

#[test]
fn presentations_keep_slides_tables_lists_and_notes() {
    let table = "| Col head 1 | Col head 2 |\n| --- | --- |\n| Cell text 1 | Cell text 2 |";
    assert_in_order(
        "test_slides.pptx",
        &["<!-- slide 1 -->", "![python-logo.gif](ppt/media/image1.gif)", "Group test text", "Box 1", table],
    );
    assert_in_order("sld-notes.pptx", &["<!-- slide 1 -->", "### Notes\n\nNotes", "<!-- slide 2 -->"]);
    let list = "1. Eins\n2. Tsvey\n   1. Dray\n   2. Fir\n3. Finf\n4. Zeks\n   1. Zibn\n   2. Akht\n      1. Nayn\n";
    assert_in_order("ol.odp", &["## OL", list]);
}

#[test]
fn open_documents_keep_nested_lists_and_sheets() {
    assert_in_order(
        "twolevellist.odt",
        &["Line 1", "- Item A\n- Item B\n  - Subitem B.1\n  - Subitem B.2", "- Item C"],
    );
    assert_in_order("chinese_spreadsheet.ods", &["## 工作表1", "| test | test | test |"]);
}

#[test]
fn pages_become_paragraphs_headings_and_tables() {
    assert_in_order(
        "crazyones.pdf",
        &[
            "<!-- page 1 -->",
            "# *The Crazy Ones*",
            "The misfits. The rebels. The troublemakers. The round pegs in the square holes.\n\nThe ones who",
            "\n\nMaybe they have to be crazy.\n\nHow else can you stare at an empty canvas and see a work of art? Or sit in \
             silence",
        ],
    );
    let outline = read("pdflatex-outline.pdf");
    assert_eq!(outline.summary, "4 pages");
    let expected = [
        "# Contents",
        "# 1 Foo",
        "# 2 Bar",
        "# 3 Baz",
        "# 4 Foo",
        "# 5 Bar",
        "# 6 Baz",
        "# 7 Foo",
        "# 8 Bar",
        "# 9 Baz",
    ];
    assert_eq!(headings(&outline.markdown), expected);
    assert_in_order("MultiColumn.pdf", &["| 1 | 100 | 200 | 25 | 124 | 224 |", "| 24 | 123 | 223 |  |  |  |"]);
    assert_in_order(
        "campaign_donors.pdf",
        &["**Cuit**", "| MENA | JUAN MARTÍN | 27.083.460 | 20-27083460-5 | 09/10/2013 |"],
    );
    // A password that is empty is none.
    assert_in_order("r3-empty-password.pdf", &["pdf encryption test"]);
}

#[test]
fn tables_of_values_and_notebooks_keep_their_cells() {
    assert_in_order("campaign_donors.csv", &["|  | Apellido | Nombre |", "| MENA | JUAN MARTÍN | 27.083.460 |"]);
    assert_in_order(
        "notebook2.ipynb",
        &[
            "# NumPy and Matplotlib examples",
            "```python\nimport numpy as np\n```",
            "```output\n(100, 100)\n```",
            "![output](image/png)",
        ],
    );
}

#[test]
fn a_document_with_a_password_says_so() {
    let bytes = bytes("libreoffice-writer-password.pdf");
    let refused = convert(Kind::Pdf, &bytes, "w.pdf", &Limits::default()).expect_err("a password");
    assert_eq!(refused, DocumentError::Encrypted(Kind::Pdf));
    assert!(refused.to_string().contains("ask the user"), "{refused}");
    // New Office files with a password lie in the container of old ones.
    let old = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, 0, 0];
    assert_eq!(kind_of(&old, "secret.docx"), Some(Kind::Docx));
    let refused = convert(Kind::Docx, &old, "secret.docx", &Limits::default()).expect_err("a password");
    assert_eq!(refused, DocumentError::Encrypted(Kind::Docx));
}

#[test]
fn what_is_beside_the_fixtures_tells_where_they_come_from() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/documents");
    let told = std::fs::read_to_string(folder.join("README.md")).expect("README.md");
    let mut all = 0;
    for entry in std::fs::read_dir(&folder).expect("folder") {
        let entry = entry.expect("entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let size = entry.metadata().expect("metadata").len();
        all += size;
        assert!(size < 70_000, "{name} has {size} bytes");
        assert!(
            name == "README.md" || name.starts_with("LICENSE") || told.contains(&name),
            "{name} stands not in README.md"
        );
    }
    assert!(all < 600_000, "all fixtures together have {all} bytes");
}
