//! Bytes of a text to characters.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use crate::support::encoding::Form;

/// The text of `bytes`: by its byte order mark, as UTF-8 when it is that, by the `label` it gives itself, or by a guess.
pub(super) fn decode<'b>(bytes: &'b [u8], label: Option<&str>) -> Cow<'b, str> {
    if Encoding::for_bom(bytes).is_some() {
        return UTF_8.decode(bytes).0;
    }
    // UTF-16 of plain letters is UTF-8 with zeros in it.
    let wide = || Form::of(bytes, true).filter(|form| form.is_wide());
    if !bytes.contains(&0) || wide().is_none() {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Cow::Borrowed(text);
        }
        let named = label.and_then(|label| Encoding::for_label(label.as_bytes())).filter(|named| *named != UTF_8);
        if let Some(named) = named {
            return named.decode_without_bom_handling(bytes).0;
        }
    }
    match Form::of(bytes, true) {
        Some(form) => Cow::Owned(form.decode(bytes)),
        None => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}
