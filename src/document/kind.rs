//! Which document some bytes are: by content first, by name where the content leaves it open.

use serde::{Deserialize, Serialize};

/// The documents that are converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Portable Document Format.
    Pdf,
    /// Word, since 2007.
    Docx,
    /// Excel, since 2007.
    Xlsx,
    /// Excel before 2007.
    Xls,
    /// PowerPoint, since 2007.
    Pptx,
    /// OpenDocument text.
    Odt,
    /// OpenDocument spreadsheet.
    Ods,
    /// OpenDocument presentation.
    Odp,
    /// Electronic book.
    Epub,
    /// Values with separators: commas, tabs, semicolons or bars.
    Csv,
    /// Web page.
    Html,
    /// Jupyter notebook.
    Ipynb,
}

impl Kind {
    /// What people call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Docx => "Word document",
            Self::Xlsx | Self::Xls => "Excel workbook",
            Self::Pptx => "PowerPoint presentation",
            Self::Odt => "OpenDocument text",
            Self::Ods => "OpenDocument spreadsheet",
            Self::Odp => "OpenDocument presentation",
            Self::Epub => "EPUB book",
            Self::Csv => "CSV table",
            Self::Html => "HTML page",
            Self::Ipynb => "Jupyter notebook",
        }
    }

    /// Whether the file itself is text that a person may edit.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Html | Self::Ipynb)
    }

    fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension {
            "pdf" => Self::Pdf,
            "docx" | "docm" | "dotx" | "dotm" => Self::Docx,
            "xlsx" | "xlsm" | "xltx" | "xltm" => Self::Xlsx,
            "xls" | "xlt" => Self::Xls,
            "pptx" | "pptm" | "ppsx" | "ppsm" | "potx" | "potm" => Self::Pptx,
            "odt" | "ott" => Self::Odt,
            "ods" | "ots" => Self::Ods,
            "odp" | "otp" => Self::Odp,
            "epub" => Self::Epub,
            "csv" | "tsv" | "tab" => Self::Csv,
            "html" | "htm" | "xhtml" => Self::Html,
            "ipynb" => Self::Ipynb,
            _ => return None,
        })
    }
}

/// How much of the start of a file is enough for [`kind_of`].
pub const START: usize = 64 * 1024;

/// Which document a file is, if it is one: from its first bytes ([`START`] of them are enough) and its name.
pub fn kind_of(start: &[u8], name: &str) -> Option<Kind> {
    let named = extension(name).and_then(|e| Kind::of_extension(&e));
    let head = &start[..start.len().min(1024)];
    if head.windows(5).any(|w| w == b"%PDF-") {
        // A few bytes may stand before the mark, but a text about PDF is not one.
        let first = head.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(0);
        if named == Some(Kind::Pdf) || head[first..].starts_with(b"%PDF-") {
            return Some(Kind::Pdf);
        }
    }
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return zip_kind(start).or_else(|| named.filter(|kind| is_zip(*kind)));
    }
    if start.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]) {
        // The container of old Office files, and of new ones with a password.
        return named.filter(|kind| matches!(kind, Kind::Xls | Kind::Docx | Kind::Xlsx | Kind::Pptx));
    }
    if start.starts_with(&[0x09, 0x08, 0x10, 0x00]) && named == Some(Kind::Xls) {
        return named;
    }
    let text = named.filter(|kind| kind.is_text());
    if text.is_some() {
        return text;
    }
    (named.is_none() && extension(name).is_none() && begins_as_page(head)).then_some(Kind::Html)
}

fn extension(name: &str) -> Option<String> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let (stem, extension) = last.rsplit_once('.')?;
    (!stem.is_empty()).then(|| extension.to_ascii_lowercase())
}

fn is_zip(kind: Kind) -> bool {
    matches!(kind, Kind::Docx | Kind::Xlsx | Kind::Pptx | Kind::Odt | Kind::Ods | Kind::Odp | Kind::Epub)
}

/// The folders of Office files, and how the name of the part begins that holds the text.
const OFFICE: [(&[u8], &[u8], Kind); 3] = [
    (b"word/", b"word/document.xml", Kind::Docx),
    (b"xl/", b"xl/workbook.", Kind::Xlsx),
    (b"ppt/", b"ppt/presentation.xml", Kind::Pptx),
];

/// The kind of a container, from the names of its first files.
fn zip_kind(start: &[u8]) -> Option<Kind> {
    let (mut at, mut listed, mut found) = (0, false, None);
    let word = |at: usize| start.get(at..at + 2).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])));
    let long = |at: usize| start.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    while start.get(at..at + 4) == Some(b"PK\x03\x04") {
        let (flags, size) = (word(at + 6)?, long(at + 18)?);
        let (name_length, extra) = (word(at + 26)?, word(at + 28)?);
        let name = start.get(at + 30..at + 30 + name_length)?;
        let data = at + 30 + name_length + extra;
        if name == b"mimetype" {
            let kind = start.get(data..(data + size).min(start.len())).unwrap_or_default();
            let kind = kind.trim_ascii();
            return Some(match kind.strip_suffix(b"-template").unwrap_or(kind) {
                b"application/vnd.oasis.opendocument.text" => Kind::Odt,
                b"application/vnd.oasis.opendocument.spreadsheet" => Kind::Ods,
                b"application/vnd.oasis.opendocument.presentation" => Kind::Odp,
                b"application/epub+zip" => Kind::Epub,
                _ => return None,
            });
        }
        // Any archive may have a folder of such a name; the list of what it holds only an Office file has.
        listed |= name == b"[Content_Types].xml" || name == b"_rels/.rels";
        for (folder, main, of) in OFFICE {
            if name.starts_with(folder) {
                found = found.or(Some(of));
                listed |= name.starts_with(main);
            }
        }
        if listed && found.is_some() {
            return found;
        }
        at = if flags & 8 == 0 {
            data + size
        } else {
            // The size stands after the data: look for the next file.
            let rest = start.get(data..)?;
            data + rest.windows(4).position(|w| w == b"PK\x03\x04")?
        };
    }
    None
}

/// Whether a file without an extension begins as a web page does.
fn begins_as_page(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |tag: &str| text.get(..tag.len()).is_some_and(|t| t.eq_ignore_ascii_case(tag));
    begins("<!doctype html") || begins("<html")
}
