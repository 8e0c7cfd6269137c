//! Text that tries to command a terminal: the rows of `tests/fixtures/hostile`, the rows E of the escape table, and more
//! of the kind from a generator.
//!
//! Sequences that a terminal ends by itself hold the word LEAK or the number 7777, which nothing else does: neither may
//! ever be seen, not even as harmless letters.

const ROWS: &str = include_str!("../../fixtures/hostile/rows.tsv");
const ESCAPES: &str = include_str!("../../fixtures/escapes.tsv");

/// A row: its name and its bytes.
pub struct Row {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Row {
    /// The row as text, with the replacement character where its bytes are none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Whether nothing in it ends its last sequence: what follows it may be swallowed by that.
    pub fn is_open(&self) -> bool {
        self.name.contains("unterminated") || self.name.contains("end") || self.name.starts_with("generated")
    }
}

/// All rows. Those of names that begin with `raw` are bytes, the others text.
pub fn rows() -> Vec<Row> {
    let written = ROWS.lines().map(|line| {
        let (name, text) = line.split_once('\t').expect("a name and a text");
        let text = unescape(text);
        let bytes = if name.starts_with("raw") {
            text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect()
        } else {
            text.into_bytes()
        };
        Row { name: name.to_owned(), bytes }
    });
    let table = ESCAPES.lines().filter(|line| line.starts_with('E')).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let payload = fields[3].split(" :: ").next().expect("a payload");
        let text = payload.strip_prefix("printf '").and_then(|text| text.strip_suffix('\'')).expect("printf");
        Row { name: fields[0].to_owned(), bytes: unescape(text).into_bytes() }
    });
    let flood =
        Row { name: "combining-thousands".to_owned(), bytes: format!("a{}b", "\u{301}".repeat(5_000)).into_bytes() };
    let all: Vec<Row> = written.chain(table).chain([flood]).chain((1..=16).map(generated)).collect();
    assert!(all.len() > 75, "only {} rows", all.len());
    all
}

/// `\e`, `\n`, `\r`, `\t`, `\0`, `\\`, `\xNN` and `\u{N}` as in Rust; `\uNNNN` as in a shell.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let number = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).expect("a character");
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (c, length) = match after.as_bytes()[0] {
            b'e' => ('\u{1b}', 1),
            b'n' => ('\n', 1),
            b'r' => ('\r', 1),
            b't' => ('\t', 1),
            b'0' => ('\0', 1),
            b'\\' => ('\\', 1),
            b'x' => (number(&after[1..3]), 3),
            b'u' if after.as_bytes()[1] == b'{' => {
                let end = after.find('}').expect("an end");
                (number(&after[2..end]), end + 1)
            }
            b'u' => (number(&after[1..5]), 5),
            other => unreachable!("\\{} in {text}", char::from(other)),
        };
        out.push(c);
        rest = &after[length..];
    }
    out + rest
}

/// Pieces of sequences, thrown together; the same for a number each time.
fn generated(number: u64) -> Row {
    const PIECES: &[&str] = &[
        "\u{1b}",
        "\u{1b}[",
        "\u{1b}]",
        "\u{1b}P",
        "\u{1b}_",
        "\u{1b}^",
        "\u{1b}X",
        "\u{1b}\\",
        "\u{9b}",
        "\u{9d}",
        "\u{90}",
        "\u{9c}",
        "\u{9f}",
        "\u{7}",
        "0;",
        "52;c;",
        "8;;",
        "?",
        ">",
        ";",
        "1049",
        "31",
        "2",
        "m",
        "h",
        "l",
        "J",
        "H",
        "r",
        "c",
        "n",
        " ",
        "\n",
        "\r",
        "\t",
        "\u{8}",
        "\0",
        "\u{7f}",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{200d}",
        "\u{fe0f}",
        "\u{e0041}",
        "\u{301}",
        "a",
        "日",
        "👩",
        "é",
        "|",
        "`",
        "*",
        "[",
        "](",
        ")",
        "#",
        "<",
        ">",
        "&#27;",
        "- ",
        "\n\n",
    ];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let count = 4 + next() % 60;
    let text: String = (0..count).map(|_| PIECES[(next() % PIECES.len() as u64) as usize]).collect();
    Row { name: format!("generated-{number}"), bytes: text.into_bytes() }
}
