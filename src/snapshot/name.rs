//! File names as the trees of the store spell them.
//!
//! Git refuses some names (`.git` in any disguise, odd `.gitmodules` and `.gitattributes`), and a store that refuses
//! names cannot hold every workspace. So a name that could be taken for one of these is stored with every byte outside
//! A-Z, a-z and 0-9 as `%XX`, and `%` itself always is `%25`:
//!
//! | in the workspace | in the tree |
//! |---|---|
//! | `.git` | `%2Egit` |
//! | `GIT~1` | `GIT%7E1` |
//! | `100%` | `100%25` |
//! | `.gitignore` | `.gitignore` |
//!
//! Decoding is plain percent-decoding, so the two spellings are one to one; a stored name that this program would not
//! have written is refused, since two stored names must never mean one file.

/// A stored name that no workspace can have given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a stored file name", display(.0))]
pub struct NameError(pub Vec<u8>);

/// The stored spelling of a file name.
pub fn encode(name: &[u8]) -> Vec<u8> {
    let guarded = name.split(|byte| *byte == b'\\').any(is_guarded);
    if !guarded && !name.contains(&b'%') {
        return name.to_vec();
    }
    let mut stored = Vec::with_capacity(name.len() + 8);
    for &byte in name {
        if byte == b'%' || (guarded && !byte.is_ascii_alphanumeric()) {
            push_escaped(&mut stored, byte);
        } else {
            stored.push(byte);
        }
    }
    stored
}

/// The file name of a stored spelling.
pub fn decode(stored: &[u8]) -> Result<Vec<u8>, NameError> {
    let wrong = || NameError(stored.to_vec());
    let name = if stored.contains(&b'%') { unescape(stored).ok_or_else(wrong)? } else { stored.to_vec() };
    let possible = !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0);
    if possible && encode(&name) == stored { Ok(name) } else { Err(wrong()) }
}

/// A path on one line: `%`, blanks and control bytes as `%XX`.
pub fn escape_path(path: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(path.len());
    for &byte in path {
        if byte == b'%' || byte <= b' ' || byte == 0x7f {
            push_escaped(&mut line, byte);
        } else {
            line.push(byte);
        }
    }
    line
}

/// Undoes percent spelling; `None` where a `%` is not followed by two digits.
pub fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let (pair, tail) = tail.split_at_checked(2)?;
            let digit = |byte: u8| (byte as char).to_digit(16);
            bytes.push((digit(pair[0])? * 16 + digit(pair[1])?) as u8);
            rest = tail;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    Some(bytes)
}

/// A name or path for listings: bytes that are not UTF-8 as `\xNN`.
pub fn display(path: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Whether a name means Git's own folder on some file system, however it is spelled.
pub fn is_git_folder(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'\\').any(|part| {
        let plain = without_ignored(part).to_ascii_lowercase();
        let digits = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        plain.strip_prefix(b".git").is_some_and(ends)
            || plain.strip_prefix(b"git~").is_some_and(|rest| digits(rest) > 0 && ends(&rest[digits(rest)..]))
    })
}

/// Whether a guarded word ends here: what follows, some file systems drop.
fn ends(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b' ' | b'.' | b':'))
}

fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// Whether a part of a name (between backslashes) could be taken for one that Git refuses.
fn is_guarded(part: &[u8]) -> bool {
    // All of them begin so, behind what HFS ignores; this spares most names the copy.
    if !matches!(part.first(), Some(b'.' | b'g' | b'G' | b'~' | 0xe2 | 0xef)) {
        return false;
    }
    let plain = without_ignored(part).to_ascii_lowercase();
    let long: [&[u8]; 3] = [b".git", b".gitmodules", b".gitattributes"];
    if long.iter().any(|word| plain.strip_prefix(*word).is_some_and(ends)) {
        return true;
    }
    let Some(tilde) = plain.iter().position(|byte| *byte == b'~') else {
        return false;
    };
    let (stem, rest) = (&plain[..tilde], &plain[tilde + 1..]);
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let short = stem == b"git"
        || stem == b"gitmod"
        || stem == b"gitatt"
        || b"gi7eba".starts_with(stem)
        || b"gi7d29".starts_with(stem);
    short && digits > 0 && ends(&rest[digits..])
}

/// The name without the code points that HFS ignores when it compares.
fn without_ignored(part: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some(&first) = rest.first() {
        let ignored = match rest {
            [0xe2, 0x80, 0x8c..=0x8f | 0xaa..=0xae, ..] | [0xe2, 0x81, 0xaa..=0xaf, ..] | [0xef, 0xbb, 0xbf, ..] => 3,
            _ => 0,
        };
        if ignored == 0 {
            plain.push(first);
        }
        rest = &rest[ignored.max(1)..];
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_git_refuses_are_stored_encoded() {
        for (name, stored) in [
            (".git", "%2Egit"),
            (".GiT", "%2EGiT"),
            (".git.", "%2Egit%2E"),
            (".git ", "%2Egit%20"),
            (".git::$INDEX_ALLOCATION", "%2Egit%3A%3A%24INDEX%5FALLOCATION"),
            ("git~1", "git%7E1"),
            ("GIT~12", "GIT%7E12"),
            (".gitmodules", "%2Egitmodules"),
            (".gitattributes", "%2Egitattributes"),
            ("gitmod~1", "gitmod%7E1"),
            ("gi7eba~1", "gi7eba%7E1"),
            ("gi7d29~2", "gi7d29%7E2"),
            ("a\\.git", "a%5C%2Egit"),
            (".g\u{200c}it", "%2Eg%E2%80%8Cit"),
            ("\u{feff}.git", "%EF%BB%BF%2Egit"),
            ("100%", "100%25"),
            ("%2Egit", "%252Egit"),
        ] {
            assert_eq!(String::from_utf8_lossy(&encode(name.as_bytes())), stored, "{name}");
            assert_eq!(decode(stored.as_bytes()), Ok(name.as_bytes().to_vec()), "{name}");
        }
    }

    #[test]
    fn other_names_stay_as_they_are() {
        for name in [
            ".gitignore",
            ".github",
            ".gitkeep",
            "git",
            "git~",
            "git~a",
            "digit~1",
            "a.git",
            "with space",
            "ü",
            "new\nline",
            "back\\slash",
            "...",
        ] {
            assert_eq!(encode(name.as_bytes()), name.as_bytes(), "{name}");
            assert_eq!(decode(name.as_bytes()), Ok(name.as_bytes().to_vec()), "{name}");
        }
        assert_eq!(encode(b"\xff\xfe"), b"\xff\xfe");
    }

    #[test]
    fn stored_names_that_were_never_written_are_refused() {
        for stored in [
            &b""[..],
            b".",
            b"..",
            b"%2E%2E",
            b"a/b",
            b"a%2Fb",
            b"%00",
            b"%41",
            b"%2egit",
            b".git",
            b"%",
            b"%2",
            b"%zz",
            b"a\0b",
        ] {
            assert!(decode(stored).is_err(), "{}", display(stored));
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_shown_as_escapes() {
        assert_eq!(display(b"caf\xe9/\xc3\xa9"), "caf\\xe9/\u{e9}");
    }

    fn any_name() -> impl Strategy<Value = Vec<u8>> {
        let fragments = prop::sample::select(vec![
            &b".git"[..],
            b"git~1",
            b"modules",
            b"attributes",
            b"%",
            b"%2E",
            b"\\",
            b" ",
            b".",
            b":",
            b"\xe2\x80\x8c",
            b"\xff",
            b"A",
            b"~",
            b"gi7eba",
        ]);
        let bytes = prop::collection::vec(any::<u8>(), 1..4);
        let piece = prop_oneof![fragments.prop_map(<[u8]>::to_vec), bytes];
        prop::collection::vec(piece, 1..5)
            .prop_map(|pieces| pieces.concat())
            .prop_filter("a name", |name| !name.contains(&b'/') && !name.contains(&0) && name != b"." && name != b"..")
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in any_name()) {
            let stored = encode(&name);
            prop_assert_eq!(decode(&stored), Ok(name.clone()));
            prop_assert!(!stored.split(|b| *b == b'\\').any(is_guarded), "{}", display(&stored));
        }

        #[test]
        fn two_names_are_never_stored_alike(a in any_name(), b in any_name()) {
            prop_assert_eq!(a == b, encode(&a) == encode(&b));
        }

        #[test]
        fn escaped_paths_come_back_on_one_line(path in prop::collection::vec(any::<u8>(), 0..40)) {
            let line = escape_path(&path);
            prop_assert!(!line.contains(&b'\n') && !line.contains(&b' '));
            prop_assert_eq!(unescape(&line), Some(path));
        }
    }
}
