//! Size and shape of plain PNG and JPEG files, from their first bytes and without decoding anything.

/// Format and size of a picture that is whole as far as its frame tells, and that needs no turning.
pub(super) fn plain(bytes: &[u8]) -> Option<(&'static str, (u32, u32))> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return png(bytes).map(|size| ("PNG", size));
    }
    if bytes.starts_with(&[0xff, 0xd8]) {
        return jpeg(bytes).map(|size| ("JPEG", size));
    }
    None
}

fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    if bytes.get(12..16)? != b"IHDR" {
        return None;
    }
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let size = (number(16)?, number(20)?);
    // A file that was cut off has no such end.
    let whole = bytes.ends_with(b"IEND\xae\x42\x60\x82");
    let turned = bytes.windows(4).any(|name| name == b"eXIf");
    (whole && !turned && size.0 > 0 && size.1 > 0).then_some(size)
}

fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    if !bytes.ends_with(&[0xff, 0xd9]) {
        return None;
    }
    let word = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let mut at = 2;
    loop {
        let [0xff, marker] = *bytes.get(at..at + 2)? else { return None };
        let length = usize::from(word(at + 2)?);
        match marker {
            // What may turn it.
            0xe1 if bytes.get(at + 4..)?.starts_with(b"Exif") => return None,
            0xc0..=0xc2 => {
                let (height, width) = (u32::from(word(at + 5)?), u32::from(word(at + 7)?));
                return (width > 0 && height > 0).then_some((width, height));
            }
            // Colours that are not red, green and blue; data, before which the size must have stood; what has no length.
            0xee | 0xda | 0xd8 | 0xd9 | 0x01 | 0xd0..=0xd7 => return None,
            _ => at += 2 + length.max(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_is_cut_off_or_turned_is_not_plain() {
        let mut bytes = Vec::new();
        let picture = image::RgbImage::new(7, 5);
        picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).expect("PNG");
        assert_eq!(plain(&bytes), Some(("PNG", (7, 5))));
        assert_eq!(plain(&bytes[..bytes.len() - 1]), None);
        bytes.clear();
        picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Jpeg).expect("JPEG");
        assert_eq!(plain(&bytes), Some(("JPEG", (7, 5))));
        assert_eq!(plain(&bytes[..bytes.len() - 1]), None);
        let exif = [&bytes[..2], b"\xff\xe1\0\x08Exif\0\0", &bytes[2..]].concat();
        assert_eq!(plain(&exif), None);
        for end in 0..bytes.len() {
            let _ = plain(&bytes[..end]);
        }
    }
}
