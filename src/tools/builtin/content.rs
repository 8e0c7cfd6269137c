//! What a file holds, told by its beginning and, where that leaves it open, by its name.

use crate::document::{self, Kind};
use crate::support::encoding::Form;

/// Bytes that tell what a file is.
pub(in crate::tools) const START: usize = 1 << 20;
/// Bytes in which the marks of known formats stand.
const MAGIC: usize = 4 << 10;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::tools) enum Content {
    /// Nothing.
    Empty,
    /// A picture that can be decoded.
    Picture,
    /// A document that can be converted, and its form where it is text by itself.
    Document(Kind, Option<Form>),
    /// Text.
    Text(Form),
    /// Something else, in words.
    Binary(String),
}

impl Content {
    /// By its first [`START`] bytes. `whole` says that there are no more.
    pub(in crate::tools) fn of(start: &[u8], whole: bool, name: &str) -> Self {
        if start.is_empty() {
            return Self::Empty;
        }
        if media_type(start).is_some() {
            return Self::Picture;
        }
        let form = Form::of(start, whole);
        match document::kind_of(&start[..start.len().min(document::kind::START)], name) {
            // By its name only: it has to be text as well.
            Some(kind) if kind.is_text() => match form {
                Some(form) => Self::Document(kind, Some(form)),
                None => Self::Binary(binary(start)),
            },
            Some(kind) => Self::Document(kind, None),
            None => match form {
                Some(form) if form.is_certain() || !has_mark_of_binary(start) => Self::Text(form),
                _ => Self::Binary(binary(start)),
            },
        }
    }
}

/// The media type of a picture that can be decoded here.
pub(super) fn media_type(start: &[u8]) -> Option<&'static str> {
    Some(match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "image/tiff",
        // Two letters are too few: the reserved words are zero, and the size of what follows is one of a few.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, _, _, _, _, 12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0, ..] => {
            "image/bmp"
        }
        _ => return None,
    })
}

fn has_mark_of_binary(start: &[u8]) -> bool {
    let known = infer::get(&start[..start.len().min(MAGIC)]);
    known.is_some_and(|kind| kind.matcher_type() != infer::MatcherType::Text)
}

/// What a file that is no text holds, in words.
fn binary(start: &[u8]) -> String {
    if start.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]) {
        return "an old Office document (LibreOffice can convert it: soffice --headless --convert-to docx)".to_owned();
    }
    let Some(kind) = infer::get(&start[..start.len().min(MAGIC)]) else { return "binary data".to_owned() };
    let (name, media_type) = (kind.extension().to_uppercase(), kind.mime_type());
    let what = match kind.matcher_type() {
        infer::MatcherType::Audio => format!("a sound recording ({name}, {media_type})"),
        infer::MatcherType::Video => format!("a video ({name}, {media_type})"),
        infer::MatcherType::Image => format!("a picture of a kind that cannot be shown ({name}, {media_type})"),
        infer::MatcherType::Archive if media_type == "application/vnd.sqlite3" => "an SQLite database".to_owned(),
        infer::MatcherType::Archive => format!("an archive ({name}, {media_type})"),
        infer::MatcherType::Font => format!("a font ({name}, {media_type})"),
        infer::MatcherType::App => format!("a program or library ({name}, {media_type})"),
        _ => format!("binary data ({name}, {media_type})"),
    };
    let hint = match kind.extension() {
        "zip" => "; unzip -l lists it",
        "tar" | "gz" | "bz2" | "xz" | "zst" => "; tar -tf lists it if it is a tar archive",
        "sqlite" => "; Python's sqlite3 reads it",
        _ => "",
    };
    format!("{what}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(start: &[u8]) -> Content {
        Content::of(start, true, "file")
    }

    #[test]
    fn pictures_are_told_by_their_bytes() {
        for start in [
            &b"\x89PNG\r\n\x1a\n...."[..],
            b"\xff\xd8\xff\xe0",
            b"GIF89a",
            b"RIFF\x01\x02\x03\x04WEBPVP8 ",
            b"II*\0\x08\0\0\0",
            b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0",
        ] {
            assert_eq!(of(start), Content::Picture, "{start:?}");
        }
        for start in [&b"PNG"[..], b"BMW is a car, and this is a text about it.", b"<svg xmlns='x'></svg>"] {
            assert_eq!(of(start), Content::Text(Form::UTF_8), "{start:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_told_in_words() {
        for (start, words) in [
            (&b"a\0b"[..], "binary data"),
            (b"RIFF\x01\x02\x03\x04WAVEfmt \x10\0\0\0", "a sound recording (WAV, audio/x-wav)"),
            (b"ID3\x03\0\0\0\0\0\0", "a sound recording (MP3"),
            (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", "a video (MP4"),
            (b"\x1f\x8b\x08\0\0\0\0\0", "an archive (GZ"),
            (b"PK\x03\x04\x14\0\0\0\0\0", "unzip -l"),
            (b"SQLite format 3\0", "SQLite"),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "a program"),
        ] {
            let Content::Binary(told) = of(start) else { panic!("{start:?} is {:?}", of(start)) };
            assert!(told.contains(words), "{start:?}: {told}");
        }
        assert_eq!(of(b""), Content::Empty);
    }

    #[test]
    fn a_name_makes_no_document_of_what_is_no_text() {
        assert!(matches!(Content::of(b"a\0b", true, "table.csv"), Content::Binary(_)));
        let table = Content::of(b"a,b\n1,2\n", true, "table.csv");
        assert_eq!(table, Content::Document(Kind::Csv, Some(Form::UTF_8)));
        assert!(matches!(Content::of(b"%PDF-1.7\n%\xe2\xe3\0\0", true, "x"), Content::Document(Kind::Pdf, None)));
    }
}
