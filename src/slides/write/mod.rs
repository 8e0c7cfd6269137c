//! A deck as a PPTX file. The same deck gives the same bytes.

mod parts;
mod rels;
mod shapes;
mod table;
mod text;
mod xml;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Cursor, Read as _, Write as _};

use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::deck::{Deck, HEIGHT, Kind, Slide, WIDTH};
use crate::support::hash::hex;
use rels::Rels;
use xml::{HEAD, NAMES, emu, escaped, fill};

/// Where kinds of parts have their names.
const KIND: &str = "application/vnd.openxmlformats-officedocument.presentationml.";

/// The name of a picture's file.
fn media_name(deck: &Deck, media: usize) -> String {
    let kind = deck.media.get(media).map_or("png", |media| media.kind.extension());
    format!("image{}.{kind}", media + 1)
}

/// The parts of a file, as they are put together.
struct Package {
    parts: Vec<(String, Vec<u8>)>,
    types: String,
}

/// Bytes of all parts of a deck that is looked at.
const MOST_OWN: u64 = 1 << 30;
/// What goes before the seal in the comment of the file.
const SEAL: &str = "okcvm ";

/// Whether bytes are a deck that was written here of the same source, and that nobody has changed since.
pub fn is_own(bytes: &[u8], source: &str) -> bool {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else { return false };
    let comment = archive.comment().to_vec();
    let Some(told) = comment.strip_prefix(SEAL.as_bytes()) else { return false };
    let mut seal = Sha256::new();
    seal.update(source.as_bytes());
    let mut left = MOST_OWN;
    for at in 0..archive.len() {
        let Ok(file) = archive.by_index(at) else { return false };
        let Ok(name) = file.name().map(std::borrow::Cow::into_owned) else { return false };
        seal.update(name.as_bytes());
        // Another file under that name may unpack to any size.
        match std::io::copy(&mut file.take(left), &mut HashWriter(&mut seal)) {
            Ok(read) if read < left => left -= read,
            _ => return false,
        }
    }
    hex(&seal.finalize()).as_bytes() == told
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Package {
    fn put(&mut self, name: &str, bytes: &[u8]) {
        self.parts.push((name.to_owned(), bytes.to_vec()));
    }

    /// The file: what tells the kinds of the parts comes first, and a seal over all of it at the end.
    fn written(self, types: &str, source: &str) -> std::io::Result<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let mut seal = Sha256::new();
        seal.update(source.as_bytes());
        let types = ("[Content_Types].xml".to_owned(), types.as_bytes().to_vec());
        for (name, bytes) in std::iter::once(&types).chain(&self.parts) {
            let packed = ["png", "jpeg", "gif"].iter().any(|kind| name.ends_with(kind));
            let method = if packed { CompressionMethod::Stored } else { CompressionMethod::Deflated };
            let options =
                SimpleFileOptions::default().compression_method(method).last_modified_time(DateTime::default());
            seal.update(name.as_bytes());
            seal.update(bytes);
            zip.start_file(name.as_str(), options).map_err(std::io::Error::other)?;
            zip.write_all(bytes)?;
        }
        zip.set_comment(format!("{SEAL}{}", hex(&seal.finalize()))).map_err(std::io::Error::other)?;
        Ok(zip.finish().map_err(std::io::Error::other)?.into_inner())
    }

    /// A part of XML with a kind of its own, and what it refers to.
    fn part(&mut self, name: &str, kind: &str, xml: &str, rels: &Rels) {
        let _ = write!(self.types, "<Override PartName=\"/{name}\" ContentType=\"{kind}\"/>");
        self.put(name, xml.as_bytes());
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let rels = rels.xml();
        if rels.contains("<Relationship ") {
            self.put(&format!("{folder}/_rels/{file}.rels"), rels.as_bytes());
        }
    }
}

/// Writes a deck of this source.
pub(super) fn pptx(deck: &Deck, source: &str) -> std::io::Result<Vec<u8>> {
    let mut package = Package { parts: Vec::new(), types: String::new() };
    let mut root = Rels::default();
    root.part("officeDocument", "ppt/presentation.xml");
    root.part(
        "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties",
        "docProps/core.xml",
    );
    root.part("extended-properties", "docProps/app.xml");
    package.put("_rels/.rels", root.xml().as_bytes());
    let none = Rels::default();
    package.part(
        "docProps/core.xml",
        "application/vnd.openxmlformats-package.core-properties+xml",
        &parts::core(&deck.title),
        &none,
    );
    package.part(
        "docProps/app.xml",
        "application/vnd.openxmlformats-officedocument.extended-properties+xml",
        &parts::app(deck.slides.len()),
        &none,
    );
    presentation(&mut package, deck);
    masters(&mut package);
    for (at, slide) in deck.slides.iter().enumerate() {
        one(&mut package, deck, slide, at + 1);
    }
    for (at, media) in deck.media.iter().enumerate() {
        package.put(&format!("ppt/media/{}", media_name(deck, at)), &media.bytes);
    }
    let kinds: BTreeSet<_> = deck.media.iter().map(|media| media.kind).collect();
    let mut types = HEAD.to_owned()
        + "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" \
           ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" \
           ContentType=\"application/xml\"/>";
    for kind in kinds {
        let _ = write!(types, "<Default Extension=\"{}\" ContentType=\"{}\"/>", kind.extension(), kind.media_type());
    }
    let types = types + &package.types + "</Types>";
    package.written(&types, source)
}

fn presentation(package: &mut Package, deck: &Deck) {
    let mut rels = Rels::default();
    let master = rels.part("slideMaster", "slideMasters/slideMaster1.xml");
    let notes = rels.part("notesMaster", "notesMasters/notesMaster1.xml");
    let mut slides = String::new();
    for at in 0..deck.slides.len() {
        let slide = rels.part("slide", &format!("slides/slide{}.xml", at + 1));
        let _ = write!(slides, "<p:sldId id=\"{}\" r:id=\"{slide}\"/>", 256 + at);
    }
    for (kind, name) in [
        ("presProps", "presProps"),
        ("viewProps", "viewProps"),
        ("theme", "theme/theme1"),
        ("tableStyles", "tableStyles"),
    ] {
        rels.part(kind, &format!("{name}.xml"));
    }
    let xml = format!(
        "{HEAD}<p:presentation {NAMES} saveSubsetFonts=\"1\"><p:sldMasterIdLst><p:sldMasterId id=\"2147483648\" \
         r:id=\"{master}\"/></p:sldMasterIdLst><p:notesMasterIdLst><p:notesMasterId r:id=\"{notes}\"/></p:notesMasterIdLst>\
         <p:sldIdLst>{slides}</p:sldIdLst><p:sldSz cx=\"{}\" cy=\"{}\"/><p:notesSz cx=\"6858000\" cy=\"9144000\"/>\
         <p:defaultTextStyle>{}</p:defaultTextStyle></p:presentation>",
        emu(WIDTH),
        emu(HEIGHT),
        parts::levels()
    );
    package.part("ppt/presentation.xml", &format!("{KIND}presentation.main+xml"), &xml, &rels);
    let none = Rels::default();
    for (name, content) in parts::SMALL {
        let xml = format!("{HEAD}{content}").replace("NAMES", NAMES);
        package.part(&format!("ppt/{name}.xml"), &format!("{KIND}{name}+xml"), &xml, &none);
    }
    let theme = "application/vnd.openxmlformats-officedocument.theme+xml";
    for number in 1..=2 {
        package.part(&format!("ppt/theme/theme{number}.xml"), theme, &parts::theme(), &none);
    }
}

fn masters(package: &mut Package) {
    let mut rels = Rels::default();
    let layouts = [1, 2].map(|number| rels.part("slideLayout", &format!("../slideLayouts/slideLayout{number}.xml")));
    rels.part("theme", "../theme/theme1.xml");
    package.part(
        "ppt/slideMasters/slideMaster1.xml",
        &format!("{KIND}slideMaster+xml"),
        &parts::master(&layouts),
        &rels,
    );
    for (number, titled) in [(1, true), (2, false)] {
        let mut rels = Rels::default();
        rels.part("slideMaster", "../slideMasters/slideMaster1.xml");
        let name = format!("ppt/slideLayouts/slideLayout{number}.xml");
        package.part(&name, &format!("{KIND}slideLayout+xml"), &parts::layout(titled), &rels);
    }
    let mut rels = Rels::default();
    rels.part("theme", "../theme/theme2.xml");
    package.part("ppt/notesMasters/notesMaster1.xml", &format!("{KIND}notesMaster+xml"), &parts::notes_master(), &rels);
}

fn one(package: &mut Package, deck: &Deck, slide: &Slide, number: usize) {
    let mut rels = Rels::default();
    let titled = slide.shapes.iter().any(|shape| matches!(&shape.kind, Kind::Text(text) if text.is_title));
    rels.part("slideLayout", &format!("../slideLayouts/slideLayout{}.xml", if titled { 1 } else { 2 }));
    let ground = slide.ground.as_ref().map_or_else(String::new, |ground| {
        format!("<p:bg><p:bgPr>{}<a:effectLst/></p:bgPr></p:bg>", fill(Some(ground)))
    });
    let tree = shapes::tree(deck, slide, &mut rels);
    let name = if slide.title.is_empty() { String::new() } else { format!(" name=\"{}\"", escaped(&slide.title)) };
    let xml = format!(
        "{HEAD}<p:sld {NAMES}><p:cSld{name}>{ground}{tree}</p:cSld><p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sld>"
    );
    let notes = slide.notes.trim();
    if !notes.is_empty() {
        rels.part("notesSlide", &format!("../notesSlides/notesSlide{number}.xml"));
        let mut back = Rels::default();
        back.part("notesMaster", "../notesMasters/notesMaster1.xml");
        back.part("slide", &format!("../slides/slide{number}.xml"));
        let part = format!("ppt/notesSlides/notesSlide{number}.xml");
        package.part(&part, &format!("{KIND}notesSlide+xml"), &parts::notes(notes), &back);
    }
    package.part(&format!("ppt/slides/slide{number}.xml"), &format!("{KIND}slide+xml"), &xml, &rels);
}
