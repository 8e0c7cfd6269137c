//! PDF: pages as they are read, paragraphs put together again, headings told by their size.
//!
//! A page holds characters at places and nothing else. `glyphs` finds them, `lines` makes words and lines of them,
//! `columns` finds the order in which a person reads these, `blocks` makes paragraphs, tables and headings.

mod blocks;
mod checksum;
mod cmap;
mod columns;
mod font;
mod glyphs;
mod lines;
mod matrix;
mod metrics;
mod tokens;

use lopdf::{Document, LoadOptions};

use super::markdown::{Writer, count};
use super::{Converted, DocumentError, Kind, Limits};
use blocks::Pages;
use glyphs::{Reader, text_string};

/// What stands at the end of every file.
const END: &[u8] = b"%%EOF";
/// How far before the end of the bytes it is looked for: some programs add something.
const END_WITHIN: usize = 8192;

pub(super) fn convert(bytes: &[u8], limits: &Limits) -> Result<Converted, DocumentError> {
    let damaged = |e: lopdf::Error| DocumentError::damaged(Kind::Pdf, e);
    let options = LoadOptions::with_max_decompressed_size(limits.unpacked_bytes as usize);
    let mut document = match Document::load_mem_with_options(bytes, options.clone()) {
        Ok(document) if !document.get_pages().is_empty() || document.is_encrypted() => document,
        Err(lopdf::Error::InvalidPassword) => return Err(DocumentError::Encrypted(Kind::Pdf)),
        // A broken table of objects: look for the objects themselves.
        first => match Document::load_mem_with_options(bytes, LoadOptions { force_reconstruct: true, ..options }) {
            Ok(document) => document,
            Err(_) => first.map_err(damaged)?,
        },
    };
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(DocumentError::Encrypted(Kind::Pdf));
    }
    let all = document.get_pages();
    if all.is_empty() {
        return Err(DocumentError::damaged(Kind::Pdf, "it has no pages that can be found"));
    }
    let mut writer = Writer::new(limits);
    let mut reader = Reader::new(&document);
    let cut_off = !bytes.windows(END.len()).rev().take(END_WITHIN).any(|piece| piece == END);
    if cut_off {
        writer.note("its end is missing: it is damaged or cut off, and pages or words may be missing");
    }
    let mut pages = Pages::default();
    let (mut scanned, mut empty) = (0, 0);
    let mut kept = 0;
    for id in all.values().take(limits.pages) {
        reader.page(*id);
        let page = columns::read(lines::fragments(&reader.glyphs));
        if page.is_empty() {
            empty += 1;
            scanned += usize::from(reader.pictures);
        }
        kept += page.iter().map(columns::Region::size).sum::<usize>();
        pages.add(page);
        if kept > limits.output_bytes {
            writer.note(format!("only the first {} are read", count(pages.len(), "page")));
            break;
        }
    }
    if all.len() > limits.pages {
        writer.note(format!("only the first {} of {} pages are read", limits.pages, all.len()));
    }
    if empty == pages.len() {
        writer.note(if scanned > 0 {
            "it has no text: its pages are pictures, such as scans; only a look at the pictures or OCR can read them"
        } else if reader.broken > 0 || cut_off {
            "no text of it could be read"
        } else {
            "it has no text"
        });
    } else if scanned > 0 {
        writer.note(format!(
            "{} with pictures and no text; only a look at them or OCR can read them",
            count(scanned, "page")
        ));
    }
    if reader.broken > 0 {
        writer.note(format!("{} could not be read whole: damaged or too large", count(reader.broken, "page")));
    }
    if reader.doubtful > 0 {
        writer.note(format!(
            "{} may be damaged: the checksum is wrong, so words may be missing or garbled",
            count(reader.doubtful, "page")
        ));
    }
    if reader.unknown > 0 {
        writer.note(format!(
            "{} could not be read: the font does not say what they mean",
            count(reader.unknown, "character")
        ));
    }
    if let Some(title) = title(&document) {
        writer.mark(&format!("title: {title}"));
    }
    pages.write(&mut writer);
    Ok(writer.finish(count(all.len(), "page")))
}

/// The title that the document gives itself.
fn title(document: &Document) -> Option<String> {
    let facts = document.trailer.get_deref(b"Info", document).ok()?.as_dict().ok()?;
    let title = text_string(facts.get_deref(b"Title", document).ok()?.as_str().ok()?);
    let title: String = title.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    (!title.is_empty()).then_some(title)
}
