//! The append-only log of a session.
//!
//! One write per record, each with a checksum. Opening verifies every line: an end that was torn by a crash is moved
//! aside into a file of its own, a damaged line in the middle is left where it is and skipped, and both are told in
//! [`Damage`]: nothing is dropped silently. Records reach the disk with [`Log::sync`]; the ones that must not be lost
//! (what the user said, the end of a turn) are followed by it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::blob::{self, BlobFolder};
use super::record::{self, Record};
use crate::protocol::KEPT_PICTURE;
use crate::support::atomic_file;
use crate::support::clock::{self, Clock};

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record cannot be written as JSON, or a checked line cannot be read as a record.
    #[error("record {seq} of {}: {message}", path.display())]
    Record {
        /// The log.
        path: PathBuf,
        /// The record's number.
        seq: u64,
        /// What is wrong.
        message: String,
    },
}

/// A checked line of the log, not yet parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLine {
    /// The record's number.
    pub seq: u64,
    /// When it was written.
    pub time: String,
    /// The record's kind.
    pub kind: String,
    /// The line without its line end.
    pub bytes: Vec<u8>,
}

impl RawLine {
    /// The record; `get` supplies the blobs.
    pub fn parse(&self, get: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Record, serde_json::Error> {
        record::parse(&self.bytes, get)
    }

    /// The hashes of the blobs that the line refers to.
    pub fn blobs(&self) -> Vec<String> {
        serde_json::from_slice(&self.bytes).map(|value| blob::references(&value)).unwrap_or_default()
    }

    /// The hashes of what the line refers to and does not hold: a whole output, and pictures of pages.
    pub fn kept(&self) -> Vec<String> {
        let output = self.tool_finished().and_then(|line| Some(line["spill"]["sha256"].as_str()?.to_owned()));
        output.into_iter().filter(|hash| blob::is_hash(hash)).chain(self.pages()).collect()
    }

    /// The hashes of the pictures of the pages of what was made.
    pub fn pages(&self) -> Vec<String> {
        // Few lines have any, and many are long.
        if !std::str::from_utf8(&self.bytes).is_ok_and(|line| line.contains(KEPT_PICTURE)) {
            return Vec::new();
        }
        let line = self.tool_finished().unwrap_or_default();
        let made = line["artifacts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let pages = made.iter().filter_map(|artifact| artifact["pages"].as_array()).flatten();
        let hashes = pages.filter_map(|page| page.as_str()?.strip_prefix(KEPT_PICTURE));
        hashes.filter(|hash| blob::is_hash(hash)).map(str::to_owned).collect()
    }

    fn tool_finished(&self) -> Option<Value> {
        (self.kind == "tool_finished").then(|| serde_json::from_slice(&self.bytes).ok())?
    }
}

/// The lines of a node's `turn.jsonl`, and how many of its lines are damaged.
pub fn read_lines(bytes: &[u8]) -> (Vec<RawLine>, usize) {
    let mut lines = Vec::new();
    let mut bad = 0;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match record::check(line) {
            Ok(head) => {
                lines.push(RawLine { seq: head.seq, time: head.time, kind: head.kind, bytes: line.to_vec() });
            }
            Err(_) => bad += 1,
        }
    }
    (lines, bad)
}

/// What was wrong with a log when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// Lines that were skipped: position in the file, and why.
    pub skipped: Vec<(u64, &'static str)>,
    /// The torn end: how many bytes, and where they lie now.
    pub torn: Option<(u64, PathBuf)>,
    /// Numbers of records that are missing between two others.
    pub missing: u64,
}

impl Damage {
    /// Whether nothing was wrong.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What was wrong, one sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let mut all = Vec::new();
        if let Some((bytes, path)) = &self.torn {
            all.push(format!(
                "The log ended in an unfinished record ({bytes} bytes); it was moved to {}.",
                path.display()
            ));
        }
        for (at, why) in self.skipped.iter().take(5) {
            all.push(format!("A damaged record at byte {at} of the log was skipped: {why}."));
        }
        if self.skipped.len() > 5 {
            all.push(format!("{} more damaged records were skipped.", self.skipped.len() - 5));
        }
        if self.missing > 0 {
            all.push(format!("{} records are missing in the log.", self.missing));
        }
        all
    }
}

/// The open log.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    blobs: BlobFolder,
    clock: Arc<dyn Clock>,
    len: u64,
    next: u64,
}

impl Log {
    /// Opens or makes the log at `path`, verifies it, and hands each good line to `each` in order. Long texts go to
    /// files in `spill`.
    pub fn open(
        path: &Path,
        spill: &Path,
        clock: Arc<dyn Clock>,
        each: &mut dyn FnMut(RawLine),
    ) -> Result<(Self, Damage), LogError> {
        let failed = |action| io_error(action, path);
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .map_err(failed("open"))?;
        if is_new {
            atomic_file::sync_parent(path).map_err(failed("sync"))?;
        }
        let mut log = Self { file, path: path.to_owned(), blobs: BlobFolder::new(spill), clock, len: 0, next: 1 };
        let damage = log.read_all(each).map_err(failed("read"))?;
        Ok((log, damage))
    }

    /// Appends a record in one write and gives its number. It is on the disk only after [`Log::sync`].
    pub fn append(&mut self, record: &Record) -> Result<RawLine, LogError> {
        let seq = self.next;
        let wrong = |message: String| LogError::Record { path: self.path.clone(), seq, message };
        let mut value = serde_json::to_value(record).map_err(|error| wrong(error.to_string()))?;
        blob::move_out(&mut value, &self.blobs).map_err(io_error("write a long text beside", &self.path))?;
        let kind = value.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned();
        let time = clock::rfc3339(&self.clock.now());
        let mut bytes = record::line(seq, &time, &value);
        if let Err(error) = self.file.write_all(&bytes) {
            // A part of the line may be there (a full disk): without it the log stays whole.
            let _ = self.file.set_len(self.len);
            return Err(io_error("append to", &self.path)(error));
        }
        self.len += bytes.len() as u64;
        self.next += 1;
        bytes.pop();
        Ok(RawLine { seq, time, kind, bytes })
    }

    /// All good lines of the log once more, for what lies behind a node that is lost.
    pub fn lines(&self) -> Result<Vec<RawLine>, LogError> {
        let bytes = std::fs::read(&self.path).map_err(io_error("read", &self.path))?;
        Ok(read_lines(&bytes).0)
    }

    /// Brings everything that was appended to the disk.
    pub fn sync(&self) -> Result<(), LogError> {
        self.file.sync_data().map_err(io_error("sync", &self.path))
    }

    /// The number of the latest record; zero for an empty log.
    pub fn last_seq(&self) -> u64 {
        self.next - 1
    }

    /// The numbers of new records will be above `seq`.
    pub fn continue_after(&mut self, seq: u64) {
        self.next = self.next.max(seq + 1);
    }

    /// Where long texts of records lie.
    pub fn blobs(&self) -> &BlobFolder {
        &self.blobs
    }

    fn read_all(&mut self, each: &mut dyn FnMut(RawLine)) -> io::Result<Damage> {
        let mut damage = Damage::default();
        // Bad lines that no good one has followed yet: if none does, they are the torn end.
        let mut bad: Vec<(u64, &'static str)> = Vec::new();
        let mut at = 0u64;
        let mut good_end = 0u64;
        let mut reader = BufReader::with_capacity(64 * 1024, &self.file);
        reader.seek(SeekFrom::Start(0))?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let count = reader.read_until(b'\n', &mut line)? as u64;
            if count == 0 {
                break;
            }
            let start = at;
            at += count;
            if line.last() != Some(&b'\n') {
                bad.push((start, "it has no end"));
                continue;
            }
            line.pop();
            match record::check(&line) {
                Ok(head) => {
                    damage.skipped.append(&mut bad);
                    if head.seq > self.next && self.next > 1 {
                        damage.missing += head.seq - self.next;
                    }
                    self.next = self.next.max(head.seq + 1);
                    good_end = at;
                    each(RawLine { seq: head.seq, time: head.time, kind: head.kind, bytes: line.clone() });
                }
                Err(why) => bad.push((start, why)),
            }
        }
        // A damaged line in the middle also breaks the sequence: it is told once.
        damage.missing = damage.missing.saturating_sub(damage.skipped.len() as u64);
        if at > good_end {
            damage.torn = Some(self.move_aside(good_end, at)?);
        }
        self.len = good_end;
        Ok(damage)
    }

    fn move_aside(&self, from: u64, to: u64) -> io::Result<(u64, PathBuf)> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(to - from).read_to_end(&mut bytes)?;
        let mut aside = self.path.with_extension(format!("torn-{}", self.next));
        let mut n = 1;
        while aside.exists() {
            n += 1;
            aside = self.path.with_extension(format!("torn-{}-{n}", self.next));
        }
        atomic_file::write(&aside, &bytes, 0o600)?;
        self.file.set_len(from)?;
        self.file.sync_all()?;
        Ok((to - from, aside))
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |source| LogError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::support::clock::FixedClock;

    fn clock() -> Arc<dyn Clock> {
        Arc::new(FixedClock("2026-11-22T12:00:00+01:00[+01:00]".parse().expect("time")))
    }

    fn open(dir: &Path) -> (Log, Vec<RawLine>, Damage) {
        let mut lines = Vec::new();
        let (log, damage) =
            Log::open(&dir.join("log.jsonl"), &dir.join("spill"), clock(), &mut |line| lines.push(line)).expect("open");
        (log, lines, damage)
    }

    fn note(text: &str) -> Record {
        Record::Note { text: text.to_owned() }
    }

    #[test]
    fn records_are_read_back_in_order_and_numbered_on() {
        let dir = tempfile::tempdir().expect("folder");
        let (mut log, lines, damage) = open(dir.path());
        assert!(lines.is_empty() && damage.is_none());
        assert_eq!(log.append(&note("one")).expect("append").seq, 1);
        log.append(&note(&"long ".repeat(100_000))).expect("append");
        log.sync().expect("sync");
        drop(log);
        let (mut log, lines, damage) = open(dir.path());
        assert!(damage.is_none(), "{damage:?}");
        assert_eq!(lines.len(), 2);
        assert!(lines[1].bytes.len() < 1000);
        let blobs = log.blobs().clone();
        let back = lines[1].parse(&|hash| blobs.get(hash)).expect("parse");
        assert_eq!(back, note(&"long ".repeat(100_000)));
        assert_eq!(log.append(&note("three")).expect("append").seq, 3);
    }

    #[test]
    fn a_log_cut_at_any_byte_loses_only_the_last_record_and_says_so() {
        let dir = tempfile::tempdir().expect("folder");
        let (mut log, ..) = open(dir.path());
        log.append(&note("one")).expect("append");
        log.append(&note("two")).expect("append");
        drop(log);
        let path = dir.path().join("log.jsonl");
        let whole = fs::read(&path).expect("read");
        let first = whole.iter().position(|byte| *byte == b'\n').expect("line end") + 1;
        for cut in first..whole.len() {
            fs::write(&path, &whole[..cut]).expect("write");
            let (mut log, lines, damage) = open(dir.path());
            assert_eq!(lines.len(), 1, "cut at {cut}");
            assert_eq!(damage.torn.is_some(), cut > first, "cut at {cut}");
            if let Some((bytes, aside)) = damage.torn {
                assert_eq!(fs::read(&aside).expect("aside"), &whole[first..cut]);
                assert_eq!(bytes as usize, cut - first);
                fs::remove_file(aside).expect("remove");
            }
            assert_eq!(log.append(&note("again")).expect("append").seq, 2);
            drop(log);
            let (_, lines, damage) = open(dir.path());
            assert_eq!((lines.len(), damage.is_none()), (2, true), "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_record_in_the_middle_is_skipped_and_kept() {
        let dir = tempfile::tempdir().expect("folder");
        let (mut log, ..) = open(dir.path());
        for text in ["one", "two", "three"] {
            log.append(&note(text)).expect("append");
        }
        drop(log);
        let path = dir.path().join("log.jsonl");
        let text = fs::read_to_string(&path).expect("read").replace("two", "twO");
        fs::write(&path, &text).expect("write");
        let (mut log, lines, damage) = open(dir.path());
        assert_eq!(lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [1, 3]);
        assert_eq!((damage.skipped.len(), damage.torn.clone(), damage.missing), (1, None, 0));
        assert_eq!(damage.sentences().len(), 1);
        assert_eq!(fs::read_to_string(&path).expect("read"), text);
        assert_eq!(log.append(&note("four")).expect("append").seq, 4);
    }
}
