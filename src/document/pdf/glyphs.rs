//! Content streams to characters with their places.

use std::collections::HashMap;
use std::rc::Rc;

use lopdf::{Dictionary, Document, Object, ObjectId};

use super::checksum;
use super::font::{Font, get, number};
use super::matrix::Matrix;
use super::tokens::{Token, Tokens};

/// How deep forms may hold forms.
const DEEPEST_FORM: usize = 12;
/// Operators of one page; forms that hold one another many times would never end.
const MOST_OPERATORS: usize = 5_000_000;
/// Characters of one page.
const MOST_GLYPHS: usize = 400_000;
/// Bytes that one stream may unpack to.
const MOST_STREAM: usize = 64 * 1024 * 1024;
/// States that may be saved at once.
const MOST_STATES: usize = 512;

/// A character on the page, y pointing up.
#[derive(Debug, Clone)]
pub(super) struct Glyph {
    pub(super) text: String,
    /// Where it begins, and where the next one would.
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) italic: bool,
    pub(super) fixed: bool,
}

#[derive(Clone)]
struct State {
    matrix: Matrix,
    font: Option<Rc<Font>>,
    size: f64,
    spacing: f64,
    word_spacing: f64,
    scale: f64,
    leading: f64,
    rise: f64,
}

/// Reads the pages of one document.
pub(super) struct Reader<'d> {
    document: &'d Document,
    fonts: HashMap<ObjectId, Rc<Font>>,
    pub(super) glyphs: Vec<Glyph>,
    /// Characters whose font does not say what they mean.
    pub(super) unknown: usize,
    /// Pages of which something could not be unpacked.
    pub(super) broken: usize,
    /// Whether this page is one.
    is_broken: bool,
    /// Other pages of which something is not what was written.
    pub(super) doubtful: usize,
    /// Whether this page is one.
    is_doubtful: bool,
    /// Whether the page shows a picture.
    pub(super) pictures: bool,
    operators: usize,
    /// Text that stands for what is shown, and how deep in the marks it began.
    replaced: Option<(usize, String)>,
    marks: usize,
    /// Forms that are being shown: none of them shows itself.
    forms: Vec<ObjectId>,
}

impl<'d> Reader<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Self {
            document,
            fonts: HashMap::new(),
            glyphs: Vec::new(),
            unknown: 0,
            broken: 0,
            is_broken: false,
            doubtful: 0,
            is_doubtful: false,
            pictures: false,
            operators: 0,
            replaced: None,
            marks: 0,
            forms: Vec::new(),
        }
    }

    /// Reads one page into [`Self::glyphs`].
    pub(super) fn page(&mut self, page: ObjectId) {
        self.glyphs.clear();
        self.pictures = false;
        self.operators = 0;
        self.replaced = None;
        self.marks = 0;
        let Ok(dictionary) = self.document.get_dictionary(page) else { return };
        let resources = self.inherited(dictionary, b"Resources").and_then(|o| o.as_dict().ok());
        let turned = self.inherited(dictionary, b"Rotate").and_then(number).unwrap_or(0.0) as i64;
        let matrix = match turned.rem_euclid(360) {
            90 => Matrix([0.0, -1.0, 1.0, 0.0, 0.0, 0.0]),
            180 => Matrix([-1.0, 0.0, 0.0, -1.0, 0.0, 0.0]),
            270 => Matrix([0.0, 1.0, -1.0, 0.0, 0.0, 0.0]),
            _ => Matrix::IDENTITY,
        };
        // What can be read of such a page is read all the same.
        self.is_broken = !self.has_contents(page);
        let mut streams = self.document.get_page_contents(page).into_iter();
        self.is_doubtful = streams.any(|id| {
            let stream = self.document.get_object(id).and_then(Object::as_stream);
            stream.is_ok_and(|stream| !checksum::is_sound(stream, MOST_STREAM))
        });
        let Ok(content) = self.document.get_page_content_with_limit(page, MOST_STREAM) else {
            self.broken += 1;
            return;
        };
        self.stream(&content, resources, matrix, 0);
        self.broken += usize::from(self.is_broken);
        self.doubtful += usize::from(self.is_doubtful && !self.is_broken);
    }

    /// Whether all streams of a page are there and can be unpacked.
    fn has_contents(&self, page: ObjectId) -> bool {
        let streams = self.document.get_page_contents(page);
        streams.into_iter().all(|id| {
            let stream = self.document.get_object(id).and_then(Object::as_stream);
            // What unpacks to nothing was no packed content; nothing itself takes eight bytes.
            stream.is_ok_and(|stream| {
                let plain = stream.get_plain_content_with_limit(MOST_STREAM);
                plain.is_ok_and(|plain| !plain.is_empty() || stream.content.len() < 12)
            })
        })
    }

    /// A value of a page, or of what the page is part of.
    fn inherited(&self, page: &'d Dictionary, key: &[u8]) -> Option<&'d Object> {
        let mut node = page;
        for _ in 0..64 {
            if let Some(value) = get(self.document, node, key) {
                return Some(value);
            }
            node = get(self.document, node, b"Parent")?.as_dict().ok()?;
        }
        None
    }

    fn resource(&self, resources: Option<&'d Dictionary>, kind: &[u8], name: &[u8]) -> Option<&'d Object> {
        get(self.document, resources?, kind)?.as_dict().ok()?.get(name).ok()
    }

    fn font(&mut self, resources: Option<&'d Dictionary>, name: &[u8]) -> Option<Rc<Font>> {
        let object = self.resource(resources, b"Font", name)?;
        let id = object.as_reference().ok();
        if let Some(font) = id.and_then(|id| self.fonts.get(&id)) {
            return Some(font.clone());
        }
        let dictionary = self.document.dereference(object).ok()?.1.as_dict().ok()?;
        let font = Rc::new(Font::read(self.document, dictionary));
        if let Some(id) = id {
            self.fonts.insert(id, font.clone());
        }
        Some(font)
    }

    fn stream(&mut self, content: &[u8], resources: Option<&'d Dictionary>, matrix: Matrix, depth: usize) {
        let mut state = State {
            matrix,
            font: None,
            size: 1.0,
            spacing: 0.0,
            word_spacing: 0.0,
            scale: 1.0,
            leading: 0.0,
            rise: 0.0,
        };
        let mut saved: Vec<State> = Vec::new();
        let (mut text, mut line) = (Matrix::IDENTITY, Matrix::IDENTITY);
        let mut operands: Vec<Token> = Vec::new();
        let mut tokens = Tokens::new(content);
        while let Some(token) = tokens.next() {
            let Token::Operator(operator) = token else {
                if operands.len() < 100_000 {
                    operands.push(token);
                }
                continue;
            };
            self.operators += 1;
            if self.operators > MOST_OPERATORS || self.glyphs.len() > MOST_GLYPHS {
                return;
            }
            let numbers: Vec<f64> = operands
                .iter()
                .take(8)
                .filter_map(|token| if let Token::Number(number) = token { Some(*number) } else { None })
                .collect();
            let first = numbers.first().copied().unwrap_or(0.0);
            let name = operands
                .iter()
                .find_map(|token| if let Token::Name(name) = token { Some(name.as_slice()) } else { None });
            match operator.as_slice() {
                b"q" if saved.len() < MOST_STATES => saved.push(state.clone()),
                b"Q" => state = saved.pop().unwrap_or(state),
                b"cm" => {
                    if let [a, b, c, d, e, f] = numbers[..] {
                        state.matrix = Matrix([a, b, c, d, e, f]).then(state.matrix);
                    }
                }
                b"BT" => (text, line) = (Matrix::IDENTITY, Matrix::IDENTITY),
                b"Tf" => {
                    if let Some(name) = name {
                        state.font = self.font(resources, name);
                    }
                    state.size = first;
                }
                b"Tc" => state.spacing = first,
                b"Tw" => state.word_spacing = first,
                b"Tz" => state.scale = first / 100.0,
                b"TL" => state.leading = first,
                b"Ts" => state.rise = first,
                b"Td" | b"TD" => {
                    if let [x, y] = numbers[..] {
                        if operator == b"TD" {
                            state.leading = -y;
                        }
                        line = Matrix::moved(x, y).then(line);
                        text = line;
                    }
                }
                b"Tm" => {
                    if let [a, b, c, d, e, f] = numbers[..] {
                        line = Matrix([a, b, c, d, e, f]);
                        text = line;
                    }
                }
                b"T*" | b"'" | b"\"" => {
                    if let (b"\"", [word, character]) = (operator.as_slice(), &numbers[..]) {
                        state.word_spacing = *word;
                        state.spacing = *character;
                    }
                    line = Matrix::moved(0.0, -state.leading).then(line);
                    text = line;
                    if operator != b"T*" {
                        self.show(&operands, &state, &mut text);
                    }
                }
                b"Tj" | b"TJ" => self.show(&operands, &state, &mut text),
                b"Do" => {
                    if let Some(name) = name {
                        self.object(name, resources, &state, depth);
                    }
                }
                b"BI" => {
                    self.pictures = true;
                    tokens.skip_picture();
                }
                b"BMC" | b"BDC" => {
                    self.marks += 1;
                    if operator == b"BDC" && self.replaced.is_none() {
                        self.replaced = self.replacement(&operands, resources).map(|text| (self.marks, text));
                    }
                }
                b"EMC" => {
                    if self.replaced.as_ref().is_some_and(|(mark, _)| *mark >= self.marks) {
                        self.replaced = None;
                    }
                    self.marks = self.marks.saturating_sub(1);
                }
                _ => {}
            }
            operands.clear();
        }
    }

    /// The text that a mark gives for what is shown within it.
    fn replacement(&self, operands: &[Token], resources: Option<&'d Dictionary>) -> Option<String> {
        let bytes = match operands.get(1)? {
            Token::Name(name) => {
                let properties = self.resource(resources, b"Properties", name)?;
                let properties = self.document.dereference(properties).ok()?.1.as_dict().ok()?;
                get(self.document, properties, b"ActualText")?.as_str().ok()?.to_vec()
            }
            Token::DictStart => {
                let at = operands.iter().position(|token| *token == Token::Name(b"ActualText".to_vec()))?;
                match operands.get(at + 1)? {
                    Token::Text(text) => text.clone(),
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(text_string(&bytes))
    }

    fn show(&mut self, operands: &[Token], state: &State, text: &mut Matrix) {
        let Some(font) = state.font.clone() else { return };
        for operand in operands {
            match operand {
                Token::Number(by) => *text = Matrix::moved(-by / 1000.0 * state.size * state.scale, 0.0).then(*text),
                Token::Text(bytes) => {
                    for shown in font.show(bytes) {
                        let spacing = state.spacing + if shown.space { state.word_spacing } else { 0.0 };
                        let width = shown.width * state.size * state.scale;
                        let place = text.then(state.matrix);
                        let from = place.point(0.0, state.rise);
                        let to = place.point(width, state.rise);
                        // The height of a line of this text on the page.
                        let [_, _, c, d, _, _] = place.0;
                        let size = (c.hypot(d) * state.size).abs();
                        *text = Matrix::moved(width + spacing * state.scale, 0.0).then(*text);
                        let text = match &mut self.replaced {
                            Some((_, text)) => Some(std::mem::take(text)),
                            None => shown.text,
                        };
                        let Some(text) = text else {
                            self.unknown += 1;
                            continue;
                        };
                        let sound = [from.0, from.1, to.0, to.1, size].iter().all(|n| n.is_finite() && n.abs() < 1e6);
                        if sound && size > 0.01 && !text.is_empty() && self.glyphs.len() <= MOST_GLYPHS {
                            let (bold, italic, fixed) = (font.bold, font.italic, font.fixed);
                            self.glyphs.push(Glyph { text, from, to, size, bold, italic, fixed });
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// A form or a picture.
    fn object(&mut self, name: &[u8], resources: Option<&'d Dictionary>, state: &State, depth: usize) {
        let object = self.resource(resources, b"XObject", name).and_then(|o| self.document.dereference(o).ok());
        let id = object.and_then(|(id, _)| id);
        let Some(stream) = object.and_then(|(_, o)| o.as_stream().ok()) else { return };
        match get(self.document, &stream.dict, b"Subtype").and_then(|o| o.as_name().ok()) {
            Some(b"Image") => self.pictures = true,
            Some(b"Form") if depth < DEEPEST_FORM && id.is_none_or(|id| !self.forms.contains(&id)) => {
                let Ok(content) = stream.get_plain_content_with_limit(MOST_STREAM) else {
                    self.is_broken = true;
                    return;
                };
                self.is_doubtful |= !checksum::is_sound(stream, MOST_STREAM);
                // Each reading of a form counts, also of an empty one: forms that show one another many times end too.
                self.operators += 100;
                let numbers = |key: &[u8]| -> Option<[f64; 6]> {
                    let list = get(self.document, &stream.dict, key)?.as_array().ok()?;
                    list.iter().filter_map(number).collect::<Vec<_>>().try_into().ok()
                };
                let matrix = numbers(b"Matrix").map_or(Matrix::IDENTITY, Matrix).then(state.matrix);
                let own = get(self.document, &stream.dict, b"Resources").and_then(|o| o.as_dict().ok());
                self.forms.extend(id);
                self.stream(&content, own.or(resources), matrix, depth + 1);
                self.forms.truncate(self.forms.len() - usize::from(id.is_some()));
            }
            _ => {}
        }
    }
}

/// A string outside of pages: UTF-16 or UTF-8 with its mark, or about Latin-1.
pub(super) fn text_string(bytes: &[u8]) -> String {
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        let units = rest.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        return char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect();
    }
    match bytes.strip_prefix(b"\xef\xbb\xbf").map(|rest| String::from_utf8_lossy(rest).into_owned()) {
        Some(text) => text,
        None => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}
