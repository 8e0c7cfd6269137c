//! Bytes of a text to characters.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};

/// The text of `bytes`: by its byte order mark, as UTF-8 when it is that, by the `label` it gives itself, or by a guess.
pub(super) fn decode(bytes: &[u8], label: Option<&str>) -> String {
    if Encoding::for_bom(bytes).is_none() {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return text.to_owned();
        }
        let encoding = label.and_then(|label| Encoding::for_label(label.as_bytes())).filter(|e| *e != UTF_8);
        return encoding.unwrap_or_else(|| guess(bytes)).decode_without_bom_handling(bytes).0.into_owned();
    }
    UTF_8.decode(bytes).0.into_owned()
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Allow)
}
