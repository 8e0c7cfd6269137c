//! Documents to Markdown: the bytes of a file in, text that a model can read out.
//!
//! Pure functions without files, network or processes. Every document is untrusted: what it unpacks to is counted as it
//! comes, names in it are never opened, entities and outside references are never followed, and what comes out is
//! bounded. Some of the crates below panic on odd input; that is told as a damaged document. What no program can catch
//! from inside (memory, time, the stack) is the matter of the confined process that calls this.
//!
//! | file | what it reads |
//! | --- | --- |
//! | [`kind`] | which document some bytes are |
//! | `markdown` | the one writer of Markdown: headings, lists, tables, emphasis, and the bound on it all |
//! | `package`, `xml` | the containers of Office files and what lies in them |
//! | `docx`, `pptx`, `xlsx`, `xls`, `odf`, `epub`, `html`, `pdf`, `delimited`, `notebook` | one reader each |
//! | `grid`, `chart`, `math` | what several of them share: sheets, charts, formulas |

mod chart;
mod delimited;
mod docx;
mod encoding;
mod epub;
mod grid;
pub mod html;
pub mod kind;
mod markdown;
mod math;
mod notebook;
mod odf;
mod package;
mod pdf;
mod pptx;
mod xls;
mod xlsx;
mod xml;

pub use kind::{Kind, kind_of};

use serde::{Deserialize, Serialize};

use crate::support::sanitize;

/// How much of a document is read and told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes that all parts of a container may unpack to.
    pub unpacked_bytes: u64,
    /// Files that a container may hold.
    pub entries: usize,
    /// Elements that one part may hold; what comes after is left out with a note.
    pub nodes: usize,
    /// Pages of a PDF that are read; what comes after is left out with a note.
    pub pages: usize,
    /// Bytes of Markdown; what comes after is left out with a note.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked_bytes: 256 * 1024 * 1024,
            entries: 20_000,
            nodes: 2_000_000,
            pages: 2_000,
            output_bytes: 4_000_000,
        }
    }
}

/// A document as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converted {
    /// The text. It ends with a line break unless it is empty.
    pub markdown: String,
    /// How much it is in a few words, such as `12 pages`; empty where there is nothing to count.
    pub summary: String,
    /// What the reader has to know: what was left out, what could not be read.
    pub notes: Vec<String>,
}

/// Why a document has no text for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// A password is needed.
    #[error("this {} is encrypted; ask the user for a copy without a password", .0.label())]
    Encrypted(Kind),
    /// It is not what it seems to be, or a part of it is broken.
    #[error("this {} is damaged: {why}", .kind.label())]
    Damaged {
        /// What it seems to be.
        kind: Kind,
        /// What is wrong with it.
        why: String,
    },
    /// It is a container of something else.
    #[error("this archive (ZIP) holds no {}, as it has no part {part}; unzip -l lists what it holds", .kind.label())]
    Another {
        /// What it was taken for.
        kind: Kind,
        /// What it would have to hold.
        part: String,
    },
    /// Its parts are larger than we read.
    #[error("this {} unpacks to more than {} MiB, which is more than is read of a document", .kind.label(), .bytes >> 20)]
    TooLarge {
        /// What it is.
        kind: Kind,
        /// The most that is read.
        bytes: u64,
    },
    /// It has more parts than we read.
    #[error("this {} holds more than {entries} files, which is more than is read of a document", .kind.label())]
    TooManyParts {
        /// What it is.
        kind: Kind,
        /// The most that are read.
        entries: usize,
    },
}

impl DocumentError {
    fn damaged(kind: Kind, why: impl std::fmt::Display) -> Self {
        Self::Damaged { kind, why: quoted(&why.to_string()) }
    }

    fn another(kind: Kind, part: &str) -> Self {
        Self::Another { kind, part: quoted(part) }
    }
}

/// Words in which the document may be quoted, on one short line.
fn quoted(words: &str) -> String {
    sanitize::line(&words.chars().take(200).collect::<String>()).chars().take(200).collect()
}

/// The text of a document. `name` is its file name, for what its content does not say.
pub fn convert(kind: Kind, bytes: &[u8], name: &str, limits: &Limits) -> Result<Converted, DocumentError> {
    let read = std::panic::AssertUnwindSafe(|| read(kind, bytes, name, limits));
    match std::panic::catch_unwind(read) {
        Ok(outcome) => outcome,
        Err(_) => Err(DocumentError::damaged(kind, "its reader stopped on a part that makes no sense")),
    }
}

fn read(kind: Kind, bytes: &[u8], name: &str, limits: &Limits) -> Result<Converted, DocumentError> {
    match kind {
        Kind::Pdf => pdf::convert(bytes, limits),
        Kind::Csv => Ok(delimited::convert(bytes, name, limits)),
        Kind::Docx => docx::convert(bytes, limits),
        Kind::Pptx => pptx::convert(bytes, limits),
        Kind::Xlsx => xlsx::convert(bytes, limits),
        Kind::Xls => xls::convert(bytes, limits),
        Kind::Epub => epub::convert(bytes, limits),
        Kind::Html => Ok(html::convert(bytes, limits)),
        Kind::Odt | Kind::Ods | Kind::Odp => odf::convert(kind, bytes, limits),
        Kind::Ipynb => notebook::convert(bytes, limits),
    }
}

#[cfg(test)]
mod tests;
