//! How the characters of a text are written as bytes: which encoding, and whether it begins with a byte order mark. One
//! answer for all that reads, edits or converts a file.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, EncoderResult, Encoding, GB18030, GBK, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252,
};

/// Bytes beyond ASCII that are enough to tell an encoding of one or two bytes.
const SURE: usize = 32;
/// Characters that are enough to tell UTF-16 without a mark.
const SURE_WIDE: usize = 16;

/// A character that an encoding does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{encoding}, in which this file is written, has no character {character:?} (U+{:04X})", u32::from(*.character))]
pub struct NotInEncoding {
    /// The first such character.
    pub character: char,
    /// The name of the encoding.
    pub encoding: &'static str,
}

/// How characters are written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    encoding: &'static Encoding,
    mark: bool,
    /// Whether there was enough of the text to tell.
    sure: bool,
}

impl Form {
    /// What a file is when nothing else is known of it.
    pub const UTF_8: Self = Self { encoding: UTF_8, mark: false, sure: true };

    /// The form of a text by its beginning; `None` when that is no text. `whole` says that there is no more.
    pub fn of(start: &[u8], whole: bool) -> Option<Self> {
        // UTF-32 begins as UTF-16 does, and nobody writes it.
        if start.starts_with(&[0xff, 0xfe, 0, 0]) {
            return None;
        }
        if let Some((encoding, _)) = Encoding::for_bom(start) {
            let form = Self { encoding, mark: true, sure: true };
            let odd = form.is_wide() && start.len() > 2 && wide_share(&start[2..], encoding).is_none();
            return (!odd).then_some(form);
        }
        if start.contains(&0) {
            if whole && !start.len().is_multiple_of(2) {
                return None;
            }
            let share = |encoding| Some((wide_share(start, encoding)?, encoding));
            let (_, encoding) = [UTF_16LE, UTF_16BE].into_iter().filter_map(share).max_by_key(|(share, _)| *share)?;
            return Some(Self { encoding, mark: false, sure: start.len() >= 2 * SURE_WIDE });
        }
        if is_utf8(start, whole) {
            return Some(Self::UTF_8);
        }
        let sure = start.iter().filter(|byte| !byte.is_ascii()).nth(SURE - 1).is_some();
        Some(Self { encoding: guessed(start, whole)?, mark: false, sure })
    }

    /// Whether it was told by the bytes themselves and not guessed.
    pub fn is_certain(self) -> bool {
        self.mark || self.is_utf8()
    }

    /// What a reader has to be told; nothing of plain UTF-8.
    pub fn told(self) -> Option<String> {
        let mark = if self.mark { " with a byte order mark" } else { "" };
        let doubt = if self.sure { "" } else { ", perhaps (the text is too short to be sure)" };
        (self != Self::UTF_8).then(|| format!("{}{mark}{doubt}", self.encoding()))
    }

    /// The name of the encoding.
    pub fn encoding(self) -> &'static str {
        match self.encoding.name() {
            "UTF-16LE" => "UTF-16 LE",
            "UTF-16BE" => "UTF-16 BE",
            "gb18030" => "GB18030",
            "windows-1252" => "windows-1252 (Latin-1)",
            name => name,
        }
    }

    /// The name by which a decoder knows it.
    pub fn label(self) -> &'static str {
        self.encoding.name()
    }

    /// The bytes of the byte order mark; none where there is none.
    pub fn mark(self) -> &'static [u8] {
        match (self.mark, self.encoding.name()) {
            (false, _) => &[],
            (true, "UTF-16LE") => &[0xff, 0xfe],
            (true, "UTF-16BE") => &[0xfe, 0xff],
            (true, _) => &[0xef, 0xbb, 0xbf],
        }
    }

    /// Whether its bytes are UTF-8 already.
    pub fn is_utf8(self) -> bool {
        self.encoding == UTF_8
    }

    /// Whether a line feed is more than one byte.
    pub fn is_wide(self) -> bool {
        self.encoding == UTF_16LE || self.encoding == UTF_16BE
    }

    /// Makes characters of bytes piece by piece.
    pub fn decoder(self) -> encoding_rs::Decoder {
        self.encoding.new_decoder_without_bom_handling()
    }

    /// The characters of bytes without a mark. What makes no sense becomes U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> String {
        self.encoding.decode_without_bom_handling(bytes).0.into_owned()
    }

    /// The bytes of characters, without a mark.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, NotInEncoding> {
        if self.is_utf8() {
            return Ok(text.as_bytes().to_vec());
        }
        if self.is_wide() {
            let bytes = if self.encoding == UTF_16LE { u16::to_le_bytes } else { u16::to_be_bytes };
            return Ok(text.encode_utf16().flat_map(bytes).collect());
        }
        let mut encoder = self.encoding.new_encoder();
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        loop {
            let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut out, true);
            rest = &rest[read..];
            match result {
                EncoderResult::InputEmpty => return Ok(out),
                EncoderResult::OutputFull => out.reserve(rest.len() + 64),
                EncoderResult::Unmappable(character) => {
                    return Err(NotInEncoding { character, encoding: self.encoding() });
                }
            }
        }
    }
}

/// Whether bytes are UTF-8, or were until something else came between.
fn is_utf8(start: &[u8], whole: bool) -> bool {
    let (mut right, mut wrong) = (0_usize, 0_usize);
    let mut chunks = start.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        right += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        let cut_off = !whole && chunks.peek().is_none() && chunk.invalid().len() < 4;
        if !chunk.invalid().is_empty() && !cut_off {
            wrong += 1;
        }
    }
    wrong == 0 || right > 2 * wrong
}

/// An encoding of one or two bytes for each character, as far as that can be told.
fn guessed(start: &[u8], whole: bool) -> Option<&'static Encoding> {
    // Escape sequences of terminals, form feeds and backspaces occur in texts; others hardly do.
    let odd = start.iter().filter(|byte| matches!(byte, 0x01..=0x06 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)).count();
    if odd * 100 > start.len() {
        return None;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(start, whole);
    let guess = detector.guess(None, Utf8Detection::Deny);
    // The larger set, of which GBK is a part.
    let guess = if guess == GBK || (guess == EUC_JP && is_everyday_chinese(start)) { GB18030 } else { guess };
    let sure = !guess.decode_without_bom_handling(if whole { start } else { up_to_line(start) }).1;
    let fallback = || {
        let others = [GB18030, SHIFT_JIS, EUC_JP, EUC_KR, BIG5];
        others.into_iter().find(|encoding| !encoding.decode_without_bom_handling(up_to_line(start)).1)
    };
    Some(if sure { guess } else { fallback().unwrap_or(WINDOWS_1252) })
}

/// Whether all characters of two bytes are the common ones of GB 2312 and its punctuation. A Japanese text of some length
/// has kana, which are none of them.
fn is_everyday_chinese(start: &[u8]) -> bool {
    let mut bytes = start.iter().filter(|byte| !byte.is_ascii());
    while let Some(first) = bytes.next() {
        // The last one may be cut in two.
        let second = bytes.next().is_none_or(|second| *second >= 0xa1);
        if !second || !matches!(first, 0xa1 | 0xa3 | 0xb0..=0xd7) {
            return false;
        }
    }
    true
}

/// The bytes up to the last line feed: no character is cut in two there.
fn up_to_line(start: &[u8]) -> &[u8] {
    let end = start.iter().rposition(|byte| *byte == b'\n').map_or(start.len(), |at| at + 1);
    &start[..end]
}

/// How many of a hundred characters are those that texts have, when bytes are read as UTF-16; `None` when it is no text.
fn wide_share(start: &[u8], encoding: &'static Encoding) -> Option<usize> {
    let order = if encoding == UTF_16LE { u16::from_le_bytes } else { u16::from_be_bytes };
    let units = start.chunks_exact(2).map(|pair| order([pair[0], pair[1]]));
    let (mut all, mut usual) = (0_usize, 0_usize);
    // Two letters of one byte each are a Chinese character when they are read as one. Kana begin with a digit. Of a few
    // characters, one in three of that sort is too many.
    let letters = |unit: u16| matches!(unit.to_be_bytes(), [b'A'..=b'z', b' '..=b'~']);
    let of_letters = units.clone().filter(|unit| letters(*unit)).count();
    if of_letters * 2 > units.len() || (units.len() < SURE_WIDE / 2 && of_letters * 3 >= units.len()) {
        return None;
    }
    let mut characters = char::decode_utf16(units).peekable();
    while let Some(character) = characters.next() {
        all += 1;
        match character {
            Ok(character) if is_usual(character) => usual += 1,
            Ok(character) if character.is_control() => return None,
            // The last pair may be half of a character that goes on after the sample.
            Err(_) if characters.peek().is_some() => return None,
            Ok(_) | Err(_) => {}
        }
    }
    (all > 0).then(|| usual * 100 / all).filter(|share| *share >= 85)
}

/// Letters of Europe, the Near East and East Asia, punctuation, blanks, and whatever lies beyond 16 bits.
fn is_usual(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}' | '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{6ff}' | '\u{e00}'..='\u{e7f}'
            | '\u{1e00}'..='\u{206f}' | '\u{2190}'..='\u{22ff}' | '\u{3000}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}' | '\u{feff}'..='\u{ffef}' | '\u{10000}'..
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHINESE: &str = "第一行：今天的天气很好，我们去公园散步。\n第二行：数据分析报告已经完成，请查收。\n";
    const TRADITIONAL: &str = "第一行：今天的天氣很好，我們去公園散步。\n資料分析報告已經完成，請查收。\n";
    const JAPANESE: &str = "今日は天気がいいので、公園を散歩しましょう。\nデータの分析が終わりました。\n";
    const KOREAN: &str = "오늘은 날씨가 좋아서 공원을 산책합시다.\n데이터 분석이 끝났습니다.\n";
    const GERMAN: &str = "Größe, Straße und Übermut – das süße Café „Schön“.\nÄrger für alle.\n";

    #[test]
    fn each_encoding_is_told_and_gives_back_the_same_bytes() {
        for (text, encoding, name) in [
            (CHINESE, GB18030, "GB18030"),
            (TRADITIONAL, BIG5, "Big5"),
            (JAPANESE, SHIFT_JIS, "Shift_JIS"),
            (JAPANESE, EUC_JP, "EUC-JP"),
            (KOREAN, EUC_KR, "EUC-KR"),
            (GERMAN, WINDOWS_1252, "windows-1252 (Latin-1)"),
        ] {
            let (bytes, _, lost) = encoding.encode(text);
            assert!(!lost);
            let form = Form::of(&bytes, true).expect("text");
            assert_eq!(form.encoding(), name);
            assert_eq!(form.decode(&bytes), text, "{name}");
            assert_eq!(form.encode(text).expect("fits"), *bytes, "{name}");
            // As the beginning of a longer file, cut anywhere.
            let long = bytes.repeat(20);
            for cut in [long.len() - 1, long.len() - 2, long.len() - 33] {
                assert_eq!(Form::of(&long[..cut], false).map(Form::encoding), Some(name), "{name} at {cut}");
            }
        }
    }

    #[test]
    fn a_few_chinese_words_are_not_taken_for_japanese() {
        let bytes = GB18030.encode("名称,数量\n苹果,3").0;
        let form = Form::of(&bytes, true).expect("text");
        assert_eq!((form.encoding(), form.decode(&bytes).as_str()), ("GB18030", "名称,数量\n苹果,3"));
    }

    #[test]
    fn a_guess_from_a_few_characters_says_perhaps() {
        let told = |text: &str| {
            let bytes = GB18030.encode(text).0;
            Form::of(&bytes, true).expect("text").told().expect("told")
        };
        assert!(told("名称,数量\n苹果,3").starts_with("GB18030, perhaps ("), "{}", told("名称"));
        assert_eq!(told(CHINESE), "GB18030");
    }

    #[test]
    fn utf_16_is_told_with_and_without_a_mark_and_utf_8_with_one() {
        for text in [CHINESE, JAPANESE, GERMAN, "plain words\n", "𝄞 music\n"] {
            for (encoding, name) in [(UTF_16LE, "UTF-16 LE"), (UTF_16BE, "UTF-16 BE")] {
                for mark in [true, false] {
                    let sure = mark || text.encode_utf16().count() >= SURE_WIDE;
                    let form = Form { encoding, mark, sure };
                    let bytes = [form.mark(), &form.encode(text).expect("fits")].concat();
                    assert_eq!(Form::of(&bytes, true), Some(form), "{name} {mark} {text}");
                    assert_eq!(form.decode(&bytes[form.mark().len()..]), text);
                    assert_eq!(form.told().expect("told").contains("mark"), mark);
                    assert_eq!(form.told().expect("told").contains("perhaps"), !sure);
                }
            }
        }
        let form = Form::of("\u{feff}text".as_bytes(), true).expect("text");
        assert_eq!(form.told().as_deref(), Some("UTF-8 with a byte order mark"));
        assert_eq!(Form::UTF_8.told(), None);
    }

    #[test]
    fn what_is_cut_in_a_character_is_still_utf_8_and_binary_data_is_no_text() {
        let text = CHINESE.repeat(3);
        for cut in 1..8 {
            assert_eq!(Form::of(&text.as_bytes()[..text.len() - cut], false), Some(Form::UTF_8), "{cut}");
        }
        assert_eq!(Form::of(b"", true), Some(Form::UTF_8));
        for tiny in [&b"a\0b"[..], b"a\0bc", b"ab\0c", b"a\0bcd\0", b"ab\0cde"] {
            assert_eq!(Form::of(tiny, true), None, "{tiny:?}");
        }
        assert_eq!(Form::of(&[0xff, 0xfe, 0, 0, b'a', 0, 0, 0], true), None);
        let program: Vec<u8> = (0_u32..4_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
        assert_eq!(Form::of(&program, true), None);
        let wide: Vec<u8> = (0_u32..4_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(Form::of(&wide, true), None);
    }
}
