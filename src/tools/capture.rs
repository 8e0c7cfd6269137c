//! Output of one call on its way out: keys removed, shown live, clipped for the model, kept whole in a file.
//!
//! Memory stays small however long the output is: the beginning, the end, and what the live screen has not yet taken
//! (bounded as well). The file is only made when the output does not fit.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::dispatch::Spill;
use super::plain::Plain;
use super::{OUTPUT_LIMIT, SPILL_LIMIT};
use crate::support::hash::hex;
use crate::support::secret::{RedactedStream, Redactor};

/// Bytes that one call shows live; the rest is in the result and in the file.
const LIVE_LIMIT: usize = 1 << 20;
/// How often who watches is told that a call is alive which shows nothing.
const ALIVE: Duration = Duration::from_secs(1);
/// The tail is cut back when it has grown to this many bytes.
const TAIL_BYTES: usize = 256 << 10;

/// Collects the output of one call.
#[derive(Debug)]
pub(crate) struct Capture {
    redacted: RedactedStream,
    live: Option<mpsc::UnboundedSender<String>>,
    live_left: usize,
    /// When who watches heard something last.
    heard: Option<Instant>,
    folder: PathBuf,
    head: String,
    tail: String,
    chars: usize,
    spill: Option<Writer>,
    trouble: Option<io::Error>,
    /// What is kept is as it stands on a screen in the end, and has its keys removed anew: colours may cut them in two.
    plain: Option<(Plain, RedactedStream)>,
    /// The last character that was taken.
    last: Option<char>,
}

/// What became of the output.
#[derive(Debug)]
pub(super) struct Clipped {
    /// At most [`OUTPUT_LIMIT`] characters.
    pub(super) text: String,
    /// The whole, where it was clipped.
    pub(super) spill: Option<Spill>,
}

impl Capture {
    /// A capture that writes long outputs into `folder`.
    pub(super) fn new(redactor: Redactor, folder: &Path, live: Option<mpsc::UnboundedSender<String>>) -> Self {
        Self {
            redacted: RedactedStream::new(redactor),
            live,
            live_left: LIVE_LIMIT,
            heard: None,
            folder: folder.to_owned(),
            head: String::new(),
            tail: String::new(),
            chars: 0,
            spill: None,
            trouble: None,
            plain: None,
            last: None,
        }
    }

    /// From now on the model is given no colours and no line that was written over; who watches sees both.
    pub(crate) fn keep_plain(&mut self) {
        self.plain = Some((Plain::default(), self.redacted.another()));
    }

    /// Takes output that is shown while the tool runs. False when no more will be kept.
    pub(crate) fn push_live(&mut self, piece: &str) -> bool {
        self.last = piece.chars().next_back().or(self.last);
        let clean = self.redacted.push(piece);
        self.show(&clean);
        match &mut self.plain {
            Some((plain, redacted)) => {
                let kept = redacted.push(&plain.push(piece));
                self.keep(&kept)
            }
            None => self.keep(&clean),
        }
    }

    /// Forgets what was kept so far; who watches has seen it.
    pub(crate) fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
        (self.chars, self.last) = (0, None);
        if let Some(writer) = self.spill.take() {
            writer.discard();
        }
        if self.plain.is_some() {
            self.keep_plain();
        }
    }

    /// Whether the output stands at the beginning of a line.
    pub(crate) fn at_line_start(&self) -> bool {
        self.last.is_none_or(|last| last == '\n')
    }

    /// Whether the output so far holds one of these words near its beginning or end.
    pub(crate) fn mentions(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.head.contains(word) || self.tail.contains(word))
    }

    /// Whether there was any output yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.chars == 0
    }

    /// Lets who watches know that the call does something, though there is nothing to be shown.
    pub(crate) fn is_alive(&mut self) {
        if let Some(live) = &self.live
            && self.heard.is_none_or(|heard| heard.elapsed() >= ALIVE)
        {
            self.heard = Some(Instant::now());
            let _ = live.send(String::new());
        }
    }

    fn show(&mut self, piece: &str) {
        if piece.is_empty() {
            return;
        }
        if self.live_left == 0 {
            return self.is_alive();
        }
        let Some(live) = &self.live else { return };
        self.heard = Some(Instant::now());
        // A screen that is gone needs nothing.
        if piece.len() < self.live_left {
            self.live_left -= piece.len();
            let _ = live.send(piece.to_owned());
        } else {
            self.live_left = 0;
            let _ = live.send("\n[more output follows; it is not shown live]\n".to_owned());
        }
    }

    fn keep(&mut self, piece: &str) -> bool {
        let chars = piece.chars().count();
        let before = self.chars;
        self.chars += chars;
        if self.spill.is_none() && self.chars <= OUTPUT_LIMIT {
            self.head.push_str(piece);
            return true;
        }
        let fits = OUTPUT_LIMIT.saturating_sub(before);
        let cut = piece.char_indices().nth(fits).map_or(piece.len(), |(index, _)| index);
        if self.spill.is_none() && self.trouble.is_none() {
            match Writer::create(&self.folder) {
                Ok(mut writer) => {
                    self.trouble = writer.write(&self.head).err();
                    self.spill = Some(writer);
                }
                Err(error) => self.trouble = Some(error),
            }
        }
        self.head.push_str(&piece[..cut]);
        self.tail.push_str(&piece[cut..]);
        if self.tail.len() > TAIL_BYTES {
            self.tail = last_chars(&self.tail, OUTPUT_LIMIT).to_owned();
        }
        match &mut self.spill {
            Some(writer) if self.trouble.is_none() => match writer.write(piece) {
                Ok(more) => more,
                Err(error) => {
                    self.trouble = Some(error);
                    true
                }
            },
            // Without a file the output is clipped all the same.
            _ => self.chars < SPILL_LIMIT as usize,
        }
    }

    /// Ends the output with more text and with a line that clipping must not touch.
    pub(super) fn finish(mut self, text: &str, footer: &str) -> Clipped {
        let mut rest = self.redacted.push(text);
        rest.push_str(&self.redacted.finish());
        if self.chars > 0 || self.plain.is_some() {
            // What was held back belongs to the live output too.
            self.show(&rest);
        }
        if let Some((mut plain, mut redacted)) = self.plain.take() {
            rest = redacted.push(&(plain.push(text) + &plain.finish()));
            rest.push_str(&redacted.finish());
        }
        self.keep(&rest);
        let whole = self.spill.is_none() && self.trouble.is_none();
        let footer_chars = footer.chars().count() + 1;
        if whole && (footer.is_empty() || self.chars + footer_chars <= OUTPUT_LIMIT) {
            return Clipped { text: with_footer(self.head, footer), spill: None };
        }
        if whole {
            // It fits, but not together with the last line.
            let written = Writer::create(&self.folder).and_then(|mut writer| {
                writer.write(&self.head)?;
                Ok(writer)
            });
            match written {
                Ok(writer) => self.spill = Some(writer),
                Err(error) => self.trouble = Some(error),
            }
        }
        let room = OUTPUT_LIMIT - footer_chars.min(OUTPUT_LIMIT / 2) - 64;
        let text = clip(&self.head, &self.tail, self.chars, room);
        let spill = self.spill.take().and_then(|writer| match writer.finish() {
            Ok(spill) => Some(spill),
            Err(error) => {
                self.trouble.get_or_insert(error);
                None
            }
        });
        if let Some(error) = &self.trouble {
            tracing::warn!(%error, folder = %self.folder.display(), "long output could not be kept whole");
        }
        Clipped { text: with_footer(text, footer), spill }
    }
}

/// Beginning and end of a text of `total` characters that starts with `head` and goes on, or ends, with `tail`.
fn clip(head: &str, tail: &str, total: usize, room: usize) -> String {
    let front = room.div_ceil(2);
    let back = room - front;
    let front_end = head.char_indices().nth(front).map_or(head.len(), |(index, _)| index);
    let tail_chars = tail.chars().count();
    let end = if tail_chars >= back {
        last_chars(tail, back).to_owned()
    } else {
        // The tail is short: the head goes on right before it.
        format!("{}{tail}", last_chars(head, back - tail_chars))
    };
    let missing = total.saturating_sub(front + back);
    format!("{}\n[... {missing} characters left out ...]\n{end}", &head[..front_end])
}

fn last_chars(text: &str, count: usize) -> &str {
    if count == 0 {
        return "";
    }
    let start = text.char_indices().rev().nth(count - 1).map_or(0, |(index, _)| index);
    &text[start..]
}

/// A text with a last line.
pub(super) fn with_footer(mut text: String, footer: &str) -> String {
    if !footer.is_empty() {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(footer);
    }
    text
}

/// The file of a long output.
#[derive(Debug)]
struct Writer {
    file: BufWriter<File>,
    path: PathBuf,
    hash: Sha256,
    bytes: u64,
}

impl Writer {
    fn create(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.txt", uuid::Uuid::new_v4().simple()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file: BufWriter::with_capacity(64 << 10, file), path, hash: Sha256::new(), bytes: 0 })
    }

    /// Removes the file: what it holds is not wanted any more.
    fn discard(self) {
        let Self { file, path, .. } = self;
        // What is not written yet need not be.
        drop(file.into_parts());
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(%error, path = %path.display(), "a file of output stays");
        }
    }

    /// False when the file is as long as it may get.
    fn write(&mut self, text: &str) -> io::Result<bool> {
        let left = usize::try_from(SPILL_LIMIT - self.bytes).unwrap_or(usize::MAX);
        let mut end = text.len().min(left);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.file.write_all(&text.as_bytes()[..end])?;
        self.hash.update(&text.as_bytes()[..end]);
        self.bytes += end as u64;
        Ok(end == text.len())
    }

    /// Gives the file its hash as its name, by which records and snapshots find it.
    fn finish(mut self) -> io::Result<Spill> {
        self.file.flush()?;
        let sha256 = hex(&self.hash.finalize());
        let path = self.path.with_file_name(&sha256);
        std::fs::rename(&self.path, &path)?;
        Ok(Spill { path, sha256, bytes: self.bytes })
    }
}

#[cfg(test)]
mod tests;
