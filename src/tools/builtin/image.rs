//! Pictures and other binary files, told by their first bytes.

/// The media type of a picture that vision models take.
pub(super) fn media_type(start: &[u8]) -> Option<&'static str> {
    match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// What a file that is no text holds, in words; `None` when its beginning looks like text.
pub(super) fn binary(start: &[u8]) -> Option<&'static str> {
    let known: &[(&[u8], &str)] = &[
        (b"%PDF-", "a PDF document"),
        (b"PK\x03\x04", "a zip archive (or an Office document)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
        (b"\x7fELF", "a program or library"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"BZh", "a bzip2 archive"),
        (b"\xfd7zXZ\0", "an xz archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"ID3", "an MP3 recording"),
        (b"OggS", "an Ogg recording"),
        (b"RIFF", "a RIFF file (audio or video)"),
        (b"\xff\xfe", "UTF-16 text (convert it with iconv)"),
        (b"\xfe\xff", "UTF-16 text (convert it with iconv)"),
    ];
    if let Some((_, what)) = known.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Some(what);
    }
    start.contains(&0).then_some("binary data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_told_by_their_bytes() {
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\n...."), Some("image/png"));
        assert_eq!(media_type(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(media_type(b"GIF89a"), Some("image/gif"));
        assert_eq!(media_type(b"RIFF\x01\x02\x03\x04WEBPVP8 "), Some("image/webp"));
        assert_eq!(media_type(b"RIFF\x01\x02\x03\x04WAVE"), None);
        assert_eq!(media_type(b"PNG"), None);
    }

    #[test]
    fn text_is_no_binary() {
        assert_eq!(binary("plain täxt 世界".as_bytes()), None);
        assert_eq!(binary(b""), None);
        assert_eq!(binary(b"a\0b"), Some("binary data"));
        assert_eq!(binary(b"%PDF-1.7"), Some("a PDF document"));
    }
}
