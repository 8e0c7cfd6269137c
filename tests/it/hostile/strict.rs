//! A reader of everything that okcvm writes to a terminal. It knows what the screen's own writer makes and takes nothing
//! else: whatever it does not know has come from outside.

/// Where bytes came from, and so what they may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The screen, from taking the terminal over to giving it back.
    Screen,
    /// The screen in a test, which takes no terminal over.
    Frames,
    /// A command that prints lines.
    Lines,
}

/// What the screen begins and ends with.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?1007s\x1b[?1007l";
const LEAVE: &[u8] = b"\x18\x1b[?2026l\x1b[r\x1b[m\x1b[?2004l\x1b[?25h\x1b[?1007h\x1b[?1007r\x1b[?1049l";
/// Marks that one letter may carry.
const MOST_MARKS: usize = 8;

/// What is wrong with the bytes, with what stands around it.
pub fn faults(writer: Writer, bytes: &[u8]) -> Vec<String> {
    let mut faults = commands(writer, bytes);
    let text = String::from_utf8_lossy(bytes);
    faults.extend(["LEAK", "7777"].into_iter().filter(|word| text.contains(word)).map(|word| {
        let at = text.find(word).expect("found");
        let back = |mut index: usize| {
            while !text.is_char_boundary(index) {
                index -= 1;
            }
            index
        };
        let from = back(at.saturating_sub(60));
        format!("{word} is seen: {:?}", &text[from..back((at + 20).min(text.len()))])
    }));
    faults
}

/// What a terminal would obey that the writer does not make; words that must not be seen are not looked for.
pub fn commands(writer: Writer, bytes: &[u8]) -> Vec<String> {
    let mut body = bytes;
    let mut faults = Vec::new();
    if writer == Writer::Screen {
        // Screens follow each other: the question about the sandbox, the list of sessions, the session.
        while let Some(rest) = body.strip_prefix(ENTER) {
            let end = rest.windows(LEAVE.len()).position(|window| window == LEAVE).unwrap_or(rest.len());
            faults.extend(Reader::new(writer, &rest[..end]).read());
            body = rest.get(end + LEAVE.len()..).unwrap_or_default();
        }
        // What is told after the screen was left.
        faults.extend(Reader::new(Writer::Lines, body).read());
    } else {
        faults.extend(Reader::new(writer, body).read());
    }
    faults
}

struct Reader<'a> {
    writer: Writer,
    bytes: &'a [u8],
    at: usize,
    synchronized: bool,
    linked: bool,
    marks: usize,
    faults: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(writer: Writer, bytes: &'a [u8]) -> Self {
        Self { writer, bytes, at: 0, synchronized: false, linked: false, marks: 0, faults: Vec::new() }
    }

    fn fault(&mut self, what: &str) {
        let from = self.at.saturating_sub(40);
        let to = (self.at + 24).min(self.bytes.len());
        let around = String::from_utf8_lossy(&self.bytes[from..to]).into_owned();
        self.faults.push(format!("{what} at byte {}: {around:?}", self.at));
    }

    fn read(mut self) -> Vec<String> {
        while self.at < self.bytes.len() && self.faults.len() < 5 {
            match self.bytes[self.at] {
                0x1b if self.writer != Writer::Lines => self.escape(),
                b'\n' => self.at += 1,
                b'\r' if self.writer != Writer::Lines => self.at += 1,
                // A terminal writes the end of a line so.
                b'\r' if self.bytes.get(self.at + 1) == Some(&b'\n') => self.at += 1,
                b'\t' if self.writer == Writer::Lines => self.at += 1,
                _ => self.character(),
            }
        }
        if self.linked {
            self.fault("a link is left open");
        }
        self.faults
    }

    fn character(&mut self) {
        let rest = &self.bytes[self.at..];
        let head = &rest[..rest.len().min(4)];
        let c = match std::str::from_utf8(head) {
            Ok(text) => text.chars().next(),
            Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).ok().and_then(|text| text.chars().next()),
        };
        let Some(c) = c else {
            self.fault("bytes that are no text");
            self.at += 1;
            return;
        };
        if c.is_control() || hides_or_reorders(c) {
            self.fault(&format!("{c:?}"));
        }
        let mark = ('\u{300}'..='\u{36f}').contains(&c) || ('\u{1dc0}'..='\u{1dff}').contains(&c);
        self.marks = if mark { self.marks + 1 } else { 0 };
        if self.marks > MOST_MARKS {
            self.fault("marks without end");
        }
        self.at += c.len_utf8();
    }

    /// One of the sequences that the screen's writer makes.
    fn escape(&mut self) {
        let rest = &self.bytes[self.at..];
        let length = match rest.get(1) {
            Some(b'M') => Some(2),
            Some(b'[') => self.control(rest),
            Some(b']') if rest.starts_with(b"\x1b]1337;") => iterm_picture(rest),
            Some(b']') => self.link(rest),
            Some(b'P') => sixel_picture(rest),
            Some(b'_') => kitty_picture(rest),
            _ => None,
        };
        if length.is_none() {
            self.fault("a sequence that is not the screen's own");
        }
        self.at += length.unwrap_or(1);
    }

    fn control(&mut self, rest: &[u8]) -> Option<usize> {
        let end = 2 + rest[2..].iter().position(|byte| (b'@'..=b'~').contains(byte))?;
        let parameters = std::str::from_utf8(&rest[2..end]).ok()?;
        let numbers = |most: usize| {
            let numbers: Option<Vec<u32>> = match parameters {
                "" => Some(Vec::new()),
                text => text.split(';').map(|number| number.parse().ok().filter(|n| *n < 1000)).collect(),
            };
            numbers.is_some_and(|numbers| numbers.len() <= most)
        };
        let known = match rest[end] {
            b'm' => is_sgr(parameters),
            b'H' | b'r' => numbers(2),
            b'C' => numbers(1),
            // The rest of a line is blank; or the question for the device's attributes.
            b'K' | b'c' => parameters.is_empty(),
            // The question for the size of a cell.
            b't' => parameters == "16",
            // The whole screen is cleared after the margins and the pen were reset, and never else.
            b'J' => parameters == "2" && self.bytes[..self.at].ends_with(b"\x1b[r\x1b[m"),
            b'h' | b'l' if parameters == "?25" => true,
            b'h' | b'l' if parameters == "?2026" => {
                let on = rest[end] == b'h';
                on != std::mem::replace(&mut self.synchronized, on)
            }
            _ => false,
        };
        known.then_some(end + 1)
    }

    /// The beginning or the end of a link to a place of the web.
    fn link(&mut self, rest: &[u8]) -> Option<usize> {
        let end = rest.windows(2).position(|pair| pair == b"\x1b\\")?;
        let body = std::str::from_utf8(&rest[2..end]).ok()?;
        let address = body.strip_prefix("8;")?;
        self.linked = !address.starts_with(';');
        if self.linked {
            let (number, address) = address.strip_prefix("id=")?.split_once(';')?;
            let web = address.starts_with("http://") || address.starts_with("https://");
            let plain = address.len() <= 2_000 && address.bytes().all(|byte| byte.is_ascii_graphic());
            (number.parse::<u32>().is_ok() && web && plain).then_some(())?;
        } else if address != ";" {
            return None;
        }
        Some(end + 2)
    }
}

fn is_base64(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// `name=number` in this order and no other.
fn fields(text: &str, names: &[&str]) -> bool {
    let parts: Vec<&str> = text.split(',').collect();
    let fits = |(part, name): (&&str, &&str)| match (part.split_once('='), name.split_once('=')) {
        (Some(own), Some(fixed)) => own == fixed,
        (Some((own, number)), None) => own == *name && number.len() < 11 && number.parse::<u32>().is_ok(),
        _ => false,
    };
    parts.len() == names.len() && parts.iter().zip(names).all(fits)
}

/// A picture for kitty: the question, a piece of a file, a placement, or the end of one.
fn kitty_picture(rest: &[u8]) -> Option<usize> {
    let end = rest.windows(2).position(|pair| pair == b"\x1b\\")?;
    let body = std::str::from_utf8(rest[..end].strip_prefix(b"\x1b_G")?).ok()?;
    let known = match body.split_once(';') {
        Some((keys, "AAAA")) if keys.starts_with("i=31") => keys == "i=31,s=1,v=1,a=q,t=d,f=24",
        Some((keys, data)) => {
            let piece = fields(keys, &["a=t", "f=100", "q=2", "i", "m"]) || fields(keys, &["q=2", "m"]);
            piece && data.len() <= 4096 && is_base64(data.as_bytes())
        }
        None => {
            fields(body, &["a=p", "q=2", "i", "p", "x", "y", "w", "h", "c", "r", "C=1"])
                || fields(body, &["a=d", "d=i", "q=2", "i", "p"])
                || fields(body, &["a=d", "d=I", "q=2", "i"])
                || body == "a=d,d=A,q=2"
        }
    };
    known.then_some(end + 2)
}

/// A sixel picture with its size and its colours.
fn sixel_picture(rest: &[u8]) -> Option<usize> {
    let end = rest.windows(2).position(|pair| pair == b"\x1b\\")?;
    let body = rest[..end].strip_prefix(b"\x1bP0;1;0q\"1;1;")?;
    let sixels = |byte: &u8| matches!(byte, b'0'..=b'9' | b';' | b'#' | b'!' | b'$' | b'-' | b'?'..=b'~');
    body.iter().all(sixels).then_some(end + 2)
}

/// A picture for iTerm2, to be shown and not to be saved.
fn iterm_picture(rest: &[u8]) -> Option<usize> {
    let end = rest.iter().position(|byte| *byte == 7)?;
    let body = rest[..end].strip_prefix(b"\x1b]1337;File=")?;
    let colon = body.iter().position(|byte| *byte == b':')?;
    let head = std::str::from_utf8(&body[..colon]).ok()?.replace(';', ",");
    let known = fields(&head, &["inline=1", "size", "width", "height", "preserveAspectRatio=0", "doNotMoveCursor=1"]);
    (known && is_base64(&body[colon + 1..])).then_some(end + 1)
}

/// Colours and attributes that the screen uses.
fn is_sgr(parameters: &str) -> bool {
    let mut numbers = parameters.split(';').map(|number| if number.is_empty() { Some(0) } else { number.parse().ok() });
    while let Some(number) = numbers.next() {
        let Some(number) = number else { return false };
        let byte = |number: Option<Option<u16>>| number.flatten().is_some_and(|number| number < 256);
        let known = match number {
            0..=5 | 7 | 9 | 22..=25 | 27 | 29..=37 | 39..=47 | 49 | 90..=97 | 100..=107 => true,
            38 | 48 => match numbers.next().flatten() {
                Some(5) => byte(numbers.next()),
                Some(2) => byte(numbers.next()) && byte(numbers.next()) && byte(numbers.next()),
                _ => false,
            },
            _ => false,
        };
        if !known {
            return false;
        }
    }
    true
}

/// Characters that are not seen or change the order of others. Joiners and selectors belong to emoji and scripts.
fn hides_or_reorders(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}'
            | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[test]
fn the_reader_takes_the_screens_own_sequences_and_no_other() {
    let own: &[&[u8]] = &[
        b"\x1b[0;1;31mtext\x1b[m \x1b[38;5;208;48;2;1;2;3mx\x1b[H\x1b[3;4H\x1b[12C\x1b[K\x1b[2;9r\x1b[9H\n\x1bM\x1b[r\x1b[?25l",
        b"\x1b[?2026h\x1b[r\x1b[m\x1b[2Jx\x1b[?2026l",
        "\x1b]8;id=3;https://e.x/a;b\x1b\\日本\x1b]8;;\x1b\\".as_bytes(),
        b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c",
        b"\x1b_Ga=t,f=100,q=2,i=7,m=1;aGk=\x1b\\\x1b_Gq=2,m=0;aGk=\x1b\\\x1b_Ga=d,d=i,q=2,i=7,p=1\x1b\\\x1b_Ga=d,d=A,q=2\x1b\\",
        b"\x1b_Ga=p,q=2,i=7,p=1,x=0,y=0,w=8,h=8,c=1,r=1,C=1\x1b\\\x1bP0;1;0q\"1;1;8;6#0;2;100;0;0#0!7~$-\x1b\\",
        b"\x1b]1337;File=inline=1;size=2;width=1;height=1;preserveAspectRatio=0;doNotMoveCursor=1:aGk=\x07",
    ];
    for bytes in own {
        assert_eq!(faults(Writer::Frames, bytes), Vec::<String>::new());
    }
    let foreign: &[&[u8]] = &[
        b"\x1b[2J",
        b"\x1b[?1049l",
        b"\x1b[?1000h",
        b"\x1b]0;x\x07",
        b"\x1b]52;c;aGk=\x07",
        b"\x1bPq\x1b\\",
        b"\x1bP0;1;0q\"1;1;8;6\x18\x1b\\",
        b"\x1bP1$r0m\x1b\\",
        b"\x1b_Ga=t,f=100,t=f,q=2,i=7,m=0;L2V0Yy9wYXNzd2Q=\x1b\\",
        b"\x1b_Ga=q,i=31;AAAA\x1b\\",
        b"\x1b_Ga=p,i=7\x1b\\",
        b"\x1b]1337;File=inline=0;size=2;width=1;height=1;preserveAspectRatio=0;doNotMoveCursor=1:aGk=\x07",
        b"\x1b]1337;SetUserVar=a=b\x07",
        b"\x1b[14t",
        b"\x1b[>c",
        b"\x1bc",
        b"\x1b[6n",
        b"\x1b[8m",
        b"\x1b[>1u",
        b"\x1b[1000;1H",
        b"\x9b31m",
        b"\xc2\x9b31m",
        b"\x08",
        b"\x00",
        b"\x7f",
        b"\x07",
        b"\x18",
        b"\x1b",
        b"\x1b]8;id=3;file:///etc\x1b\\x",
        b"\x1b]8;;https://e.x\x1b\\x\x1b]8;;\x1b\\",
        b"\x1b]8;id=3;https://e.x/\x1b\\x",
        b"\x1b[?2026h\x1b[?2026h",
        "\u{202e}".as_bytes(),
        "\u{200b}".as_bytes(),
        "LEAK".as_bytes(),
        b"\xff",
    ];
    for bytes in foreign {
        assert!(!faults(Writer::Frames, bytes).is_empty(), "{:?}", String::from_utf8_lossy(bytes));
    }
    assert!(!faults(Writer::Lines, b"\x1b[31mx").is_empty() && faults(Writer::Lines, b"x\r\n\ty\n").is_empty());
}
