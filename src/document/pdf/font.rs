//! Fonts of a PDF: what a code means and how wide it is.

use std::collections::HashMap;

use encoding_rs::{BIG5, EUC_KR, Encoding as Charset, GBK, SHIFT_JIS, UTF_16BE};
use lopdf::{Dictionary, Document, Object};

use super::cmap::CMap;
use super::metrics;

/// Bytes that a map or an encoding may unpack to.
const MOST_MAP: usize = 8 * 1024 * 1024;

/// How the bytes of a string become codes.
#[derive(Debug)]
enum Codes {
    /// One byte each.
    Bytes,
    /// Two bytes each.
    Pairs,
    /// As the map says.
    Mapped(CMap),
    /// As an encoding of characters says.
    Charset(&'static Charset),
}

/// One font.
#[derive(Debug)]
pub(super) struct Font {
    codes: Codes,
    to_unicode: Option<CMap>,
    /// Texts of single bytes.
    texts: Vec<Option<String>>,
    widths: HashMap<u32, f64>,
    default_width: f64,
    /// Size of a unit of the widths.
    unit: f64,
    pub(super) bold: bool,
    pub(super) italic: bool,
    pub(super) fixed: bool,
}

/// One code of a string.
#[derive(Debug)]
pub(super) struct Shown {
    /// What it means; `None` when the font does not say.
    pub(super) text: Option<String>,
    /// How wide it is, for a font of size 1.
    pub(super) width: f64,
    /// Whether the space between words belongs to it.
    pub(super) space: bool,
}

/// A value through references, however it is kept.
pub(super) fn get<'d>(document: &'d Document, dictionary: &'d Dictionary, key: &[u8]) -> Option<&'d Object> {
    dictionary.get_deref(key, document).ok()
}

pub(super) fn number(object: &Object) -> Option<f64> {
    object.as_float().ok().map(f64::from).filter(|n| n.is_finite())
}

impl Font {
    pub(super) fn read(document: &Document, font: &Dictionary) -> Self {
        let kind = get(document, font, b"Subtype").and_then(|o| o.as_name().ok()).unwrap_or_default();
        let map = |object: Option<&Object>| {
            let stream = object?.as_stream().ok()?;
            stream.get_plain_content_with_limit(MOST_MAP).ok().map(|bytes| CMap::parse(&bytes))
        };
        let to_unicode = map(get(document, font, b"ToUnicode"));
        let child = get(document, font, b"DescendantFonts")
            .and_then(|o| o.as_array().ok())
            .and_then(|fonts| document.dereference(fonts.first()?).ok()?.1.as_dict().ok());
        let holder = child.unwrap_or(font);
        let descriptor = get(document, holder, b"FontDescriptor").and_then(|o| o.as_dict().ok());
        let name = get(document, font, b"BaseFont").and_then(|o| o.as_name().ok()).unwrap_or_default();
        let name = String::from_utf8_lossy(name).to_lowercase();
        let value = |key: &[u8]| descriptor.and_then(|d| get(document, d, key)).and_then(number);
        let flags = value(b"Flags").unwrap_or(0.0) as u32;

        let mut read = Self {
            codes: Codes::Bytes,
            to_unicode,
            texts: Vec::new(),
            widths: HashMap::new(),
            default_width: value(b"MissingWidth").unwrap_or(0.0),
            unit: 0.001,
            bold: name.contains("bold")
                || name.contains("black")
                || flags & 1 << 18 != 0
                || is_heavy(&name)
                || value(b"FontWeight").is_some_and(|w| w >= 600.0),
            italic: name.contains("italic") || name.contains("oblique") || flags & 1 << 6 != 0,
            fixed: flags & 1 != 0 || name.contains("courier") || name.contains("mono"),
        };
        if kind == b"Type0" {
            read.read_composite(document, font, child, map(get(document, font, b"Encoding")));
        } else {
            read.read_simple(document, font, kind, &name, flags & 4 != 0);
        }
        read
    }

    fn read_composite(
        &mut self,
        document: &Document,
        font: &Dictionary,
        child: Option<&Dictionary>,
        embedded: Option<CMap>,
    ) {
        let name = get(document, font, b"Encoding").and_then(|o| o.as_name().ok()).unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        self.codes = match embedded {
            Some(map) => Codes::Mapped(map),
            None if name.contains("UCS2") || name.contains("UTF16") => Codes::Charset(UTF_16BE),
            None if name.starts_with("GB") => Codes::Charset(GBK),
            None if name.contains("RKSJ") => Codes::Charset(SHIFT_JIS),
            None if name.contains("B5") => Codes::Charset(BIG5),
            None if name.starts_with("KSC") => Codes::Charset(EUC_KR),
            None => Codes::Pairs,
        };
        self.default_width = 1000.0;
        let Some(child) = child else { return };
        if let Some(width) = get(document, child, b"DW").and_then(number) {
            self.default_width = width;
        }
        let Some(list) = get(document, child, b"W").and_then(|o| o.as_array().ok()) else { return };
        let at = |index: usize| list.get(index).and_then(|o| document.dereference(o).ok()).map(|(_, o)| o);
        let mut index = 0;
        while let (Some(first), Some(second)) = (at(index).and_then(number), at(index + 1)) {
            if let Ok(widths) = second.as_array() {
                for (offset, width) in widths.iter().filter_map(number).enumerate() {
                    self.widths.insert(first as u32 + offset as u32, width);
                }
                index += 2;
            } else {
                let (Some(end), Some(width)) = (number(second), at(index + 2).and_then(number)) else { return };
                for glyph in (first as u32..=end as u32).take(0x1_0000) {
                    self.widths.insert(glyph, width);
                }
                index += 3;
            }
        }
    }

    fn read_simple(&mut self, document: &Document, font: &Dictionary, kind: &[u8], name: &str, symbolic: bool) {
        let encoding = get(document, font, b"Encoding");
        let base = encoding.and_then(|o| {
            o.as_name().ok().or_else(|| get(document, o.as_dict().ok()?, b"BaseEncoding")?.as_name().ok())
        });
        let base = base.unwrap_or(if name.contains("symbol") && encoding.is_none() {
            b"SymbolEncoding"
        } else if kind == b"TrueType" && !symbolic {
            b"WinAnsiEncoding"
        } else {
            b"StandardEncoding"
        });
        self.texts = (0..=255u8).map(|byte| base_text(base, byte)).collect();
        let differences = encoding.and_then(|o| o.as_dict().ok()).and_then(|d| get(document, d, b"Differences"));
        let mut code = 0usize;
        for entry in differences.and_then(|o| o.as_array().ok()).into_iter().flatten() {
            match document.dereference(entry).map(|(_, o)| o) {
                Ok(Object::Name(name)) => {
                    if let Some(place) = self.texts.get_mut(code) {
                        *place = glyph_text(name);
                    }
                    code += 1;
                }
                Ok(other) => code = number(other).map_or(code, |n| n as usize),
                Err(_) => {}
            }
        }
        let first = get(document, font, b"FirstChar").and_then(number).unwrap_or(0.0) as u32;
        if let Some(widths) = get(document, font, b"Widths").and_then(|o| o.as_array().ok()) {
            for (offset, width) in widths.iter().take(256).enumerate() {
                if let Some(width) = document.dereference(width).ok().and_then(|(_, o)| number(o)) {
                    self.widths.insert(first + offset as u32, width);
                }
            }
        } else if kind != b"Type3" {
            for (byte, text) in self.texts.iter().enumerate() {
                let c = text.as_deref().and_then(|text| text.chars().next()).unwrap_or(' ');
                self.widths.insert(byte as u32, metrics::width(name, c));
            }
        }
        if kind == b"Type3" {
            let matrix = get(document, font, b"FontMatrix").and_then(|o| o.as_array().ok());
            self.unit = matrix.and_then(|m| number(m.first()?)).unwrap_or(0.001).abs();
        }
    }

    /// The codes of a string.
    pub(super) fn show(&self, bytes: &[u8]) -> Vec<Shown> {
        let mut out = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = match &self.codes {
                Codes::Bytes => 1,
                Codes::Pairs => 2,
                Codes::Mapped(map) => map.length(rest).unwrap_or(2),
                Codes::Charset(charset) if *charset == UTF_16BE => 2,
                Codes::Charset(_) => {
                    if rest[0] < 0x81 {
                        1
                    } else {
                        2
                    }
                }
            };
            let (this, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            let code = this.iter().fold(0u32, |code, byte| code << 8 | u32::from(*byte));
            let glyph = match &self.codes {
                Codes::Mapped(map) => map.glyph(code).unwrap_or(code),
                _ => code,
            };
            let width = self.widths.get(&glyph).copied().unwrap_or(self.default_width) * self.unit;
            out.push(Shown { text: self.text(this, code), width, space: this == b" " });
        }
        out
    }

    fn text(&self, bytes: &[u8], code: u32) -> Option<String> {
        let mapped = self.to_unicode.as_ref().and_then(|map| map.text(bytes.len(), code));
        if let Some(text) = mapped.filter(|text| !text.is_empty() && !text.starts_with(['\0', '\u{fffd}'])) {
            return Some(text.to_owned());
        }
        match &self.codes {
            Codes::Bytes => self.texts.get(code as usize).cloned().flatten(),
            Codes::Charset(charset) => Some(charset.decode_without_bom_handling(bytes).0.into_owned()),
            Codes::Pairs | Codes::Mapped(_) => None,
        }
    }
}

/// Names of weights that stand for bold; TeX has its own.
fn is_heavy(name: &str) -> bool {
    let name = name.split('+').next_back().unwrap_or(name);
    ["cmb", "cmssbx", "sfbx", "ecbx", "heavy", "nimbusromno9l-medi", "nimbussanl-bold", "ptmb", "phvb"]
        .iter()
        .any(|n| name.starts_with(n))
        || name.contains("semibold")
        || name.contains("heavy")
}

/// What a byte means in one of the encodings that the format defines. The crate knows them, but gives them only to
/// fonts.
fn base_text(encoding: &[u8], byte: u8) -> Option<String> {
    if encoding == b"SymbolEncoding" {
        return metrics::symbol(byte).map(String::from);
    }
    let mut font = Dictionary::new();
    font.set("Type", Object::Name(b"Font".to_vec()));
    font.set("Encoding", Object::Name(encoding.to_vec()));
    told(&font, byte)
}

fn told(font: &Dictionary, byte: u8) -> Option<String> {
    let document = Document::new();
    let text = font.get_font_encoding(&document).ok()?.bytes_to_string(&[byte]).ok()?;
    (!text.is_empty() && text != "\0").then_some(text)
}

/// What the name of a glyph means.
fn glyph_text(name: &[u8]) -> Option<String> {
    let whole = std::str::from_utf8(name).ok()?;
    let name = whole.split('.').next().filter(|name| !name.is_empty())?;
    let mut encoding = Dictionary::new();
    encoding.set("Differences", Object::Array(vec![Object::Integer(1), Object::Name(name.as_bytes().to_vec())]));
    let mut font = Dictionary::new();
    font.set("Type", Object::Name(b"Font".to_vec()));
    font.set("Encoding", Object::Dictionary(encoding));
    // An unknown name leaves the standard encoding, in which that byte means nothing.
    if let Some(text) = told(&font, 1) {
        return Some(text);
    }
    if name.contains('_') {
        return name.split('_').map(|part| glyph_text(part.as_bytes())).collect();
    }
    let hex = name.strip_prefix("uni").map(|hex| hex.get(..4).unwrap_or(hex)).or_else(|| name.strip_prefix('u'))?;
    let code = u32::from_str_radix(hex, 16).ok().filter(|_| hex.len() >= 4)?;
    char::from_u32(code).map(String::from)
}
