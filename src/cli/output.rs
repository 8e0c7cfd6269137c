//! Standard output and standard error of every command: nothing leaves through them but clean text without keys.
//!
//! Commands sanitize what they print where they know what it is, a title on one line or a text on many. What is
//! forgotten there is caught here.

use std::io::{self, Write};

use crate::logging;
use crate::support::sanitize;

/// Standard output of a command for people, or of one that prints JSON.
pub fn out(json: bool) -> Clean<io::Stdout> {
    Clean::new(io::stdout(), json)
}

/// Standard error.
pub fn err() -> Clean<io::Stderr> {
    Clean::new(io::stderr(), false)
}

/// A writer that cleans whole lines.
#[derive(Debug)]
pub struct Clean<W: Write> {
    inner: W,
    json: bool,
    line: Vec<u8>,
}

impl<W: Write> Clean<W> {
    /// Cleans text, or JSON, whose strings stay what they are.
    pub fn new(inner: W, json: bool) -> Self {
        Self { inner, json, line: Vec::new() }
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(bytes);
        let text = if self.json { sanitize::json(&text) } else { sanitize::text(&text) };
        self.inner.write_all(logging::redact(&text).as_bytes())
    }
}

impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.line.split_off(end + 1);
            let lines = std::mem::replace(&mut self.line, rest);
            self.pass(&lines)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.line);
        if !rest.is_empty() {
            self.pass(&rest)?;
        }
        self.inner.flush()
    }
}

impl<W: Write> Drop for Clean<W> {
    fn drop(&mut self) {
        // Whole lines have been written, and their errors told.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::secret::{Redactor, Secret};

    fn written(json: bool, pieces: &[&[u8]]) -> String {
        let mut bytes = Vec::new();
        let mut clean = Clean::new(&mut bytes, json);
        for piece in pieces {
            clean.write_all(piece).expect("written");
        }
        drop(clean);
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn what_a_command_forgets_is_caught_here() {
        assert_eq!(written(false, &[b"a\x1b[", b"2Jb\xc3", b"\xa9\n\x1b]0;x\x07c"]), "ab\u{e9}\nc");
        let raw = "\u{9b}31m é \u{202e} 👩\u{200d}👧 e\u{301}";
        let json = serde_json::to_string(raw).expect("JSON");
        let out = written(true, &[json.as_bytes(), b"\n"]);
        assert!(!out.contains(['\u{9b}', '\u{202e}']), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).expect("JSON"), raw);
    }

    #[test]
    fn no_key_leaves_with_what_a_command_prints() {
        logging::also_remove(&Redactor::new([Secret::new("sk-output-test")]));
        assert_eq!(written(false, &[b"refused: sk-out", b"put-test\n"]), "refused: [key removed]\n");
        assert_eq!(written(true, &[b"{\"a\":\"sk-output-test\"}\n"]), "{\"a\":\"[key removed]\"}\n");
    }
}
