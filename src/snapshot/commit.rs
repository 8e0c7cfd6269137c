//! A node as a commit: what its message says, and back.
//!
//! ```text
//! After: make a plot of the data            <- label
//!
//! Okcvm-Kind: turn
//! Okcvm-Turn: 0190…
//! Okcvm-Seq: 17                             <- latest record of the log that it knows of
//! Okcvm-Changed: 2 1 0 5120                 <- added, modified, removed, bytes; against the first parent
//! Okcvm-Not-Kept: data/big.bin size
//! ```
//!
//! The counts are in the message so that a list of a thousand nodes reads a thousand commits and not one tree.

use std::fmt::Write as _;

use git2::Oid;
use jiff::Zoned;
use jiff::tz::{Offset, TimeZone};

use super::error::SnapshotError;
use super::kept::{NotKept, Reason};
use super::name;
use crate::protocol::{NodeId, NodeKind, TurnId};
use crate::support::{clock, sanitize};

/// Longest label, in characters.
const LABEL_CHARS: usize = 200;
/// How many paths that are not kept a message names; the whole list is in `node/state/files.json`.
const NAMED_NOT_KEPT: usize = 40;
const WHO: &str = "okcvm <okcvm@localhost>";

/// Files that differ between two states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Files that were not there before.
    pub(crate) added: u64,
    /// Files with other contents, mode or target.
    pub(crate) modified: u64,
    /// Files that are gone.
    pub(crate) removed: u64,
    /// Bytes of the added and modified files.
    pub(crate) bytes: u64,
}

impl Counts {
    /// All changed files.
    pub(crate) fn files(self) -> u64 {
        self.added + self.modified + self.removed
    }
}

/// What a commit of the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeInfo {
    pub(crate) tree: Oid,
    pub(crate) parent: Option<NodeId>,
    pub(crate) kind: NodeKind,
    pub(crate) label: String,
    pub(crate) seconds: i64,
    pub(crate) offset_minutes: i32,
    pub(crate) turn: Option<TurnId>,
    pub(crate) files_from: Option<NodeId>,
    pub(crate) before: Option<NodeId>,
    pub(crate) seq: u64,
    pub(crate) counts: Counts,
    pub(crate) not_kept: Vec<String>,
    pub(crate) failed: Option<String>,
}

impl NodeInfo {
    /// When the node was made, RFC 3339.
    pub(crate) fn time(&self) -> String {
        let zone = Offset::from_seconds(self.offset_minutes * 60).unwrap_or(Offset::UTC);
        let moment = jiff::Timestamp::from_second(self.seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        clock::rfc3339(&moment.to_zoned(TimeZone::fixed(zone)))
    }

    /// The bytes of the commit object. `not_kept` is the whole list.
    pub(crate) fn to_bytes(&self, not_kept: &[NotKept]) -> Vec<u8> {
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let offset = self.offset_minutes.unsigned_abs();
        let when = format!("{} {sign}{:02}{:02}", self.seconds, offset / 60, offset % 60);
        let mut text = format!("tree {}\n", self.tree);
        if let Some(parent) = &self.parent {
            let _ = writeln!(text, "parent {parent}");
        }
        let _ = writeln!(text, "author {WHO} {when}\ncommitter {WHO} {when}\n\n{}\n", self.label);
        let mut trailer = |name: &str, value: &str| {
            let _ = writeln!(text, "Okcvm-{name}: {value}");
        };
        trailer("Kind", self.kind.as_str());
        if let Some(turn) = &self.turn {
            trailer("Turn", &turn.to_string());
        }
        if let Some(node) = &self.files_from {
            trailer("Files-From", node.as_str());
        }
        if let Some(node) = &self.before {
            trailer("Before", node.as_str());
        }
        trailer("Seq", &self.seq.to_string());
        let Counts { added, modified, removed, bytes } = self.counts;
        trailer("Changed", &format!("{added} {modified} {removed} {bytes}"));
        for item in not_kept.iter().take(NAMED_NOT_KEPT) {
            let path = String::from_utf8_lossy(&name::escape_path(name::display(&item.path).as_bytes())).into_owned();
            trailer("Not-Kept", &format!("{path} {}", item.reason.word()));
        }
        if not_kept.len() > NAMED_NOT_KEPT {
            trailer("Not-Kept-More", &(not_kept.len() - NAMED_NOT_KEPT).to_string());
        }
        if let Some(reason) = &self.failed {
            trailer("Failed", &one_line(reason, 300));
        }
        text.into_bytes()
    }

    /// Reads a commit object. Trailers that are missing or odd are taken as empty: a node must stay readable.
    pub(crate) fn parse(id: Oid, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let wrong = |what: &str| SnapshotError::Damaged(format!("commit {id} {what}"));
        let text = String::from_utf8_lossy(bytes);
        let (head, message) = text.split_once("\n\n").ok_or_else(|| wrong("has no message"))?;
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let tree = field("tree ").and_then(|hex| Oid::from_str(hex).ok()).ok_or_else(|| wrong("has no tree"))?;
        let (seconds, offset_minutes) = field("committer ").and_then(parse_when).ok_or_else(|| wrong("has no time"))?;
        let (label, rest) = message.split_once('\n').unwrap_or((message, ""));
        let trailers: Vec<(&str, &str)> =
            rest.lines().filter_map(|line| line.strip_prefix("Okcvm-")?.split_once(": ")).collect();
        let trailer = |name: &str| trailers.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        let mut not_kept: Vec<String> = trailers
            .iter()
            .filter(|(name, _)| *name == "Not-Kept")
            .filter_map(|(_, value)| {
                let (path, reason) = value.split_once(' ')?;
                let path = name::unescape(path.as_bytes())?;
                Some(format!("{}: {reason}", String::from_utf8_lossy(&path)))
            })
            .collect();
        if let Some(more) = trailer("Not-Kept-More") {
            not_kept.push(format!("and {more} more"));
        }
        let numbers: Vec<u64> =
            trailer("Changed").unwrap_or_default().split(' ').filter_map(|word| word.parse().ok()).collect();
        let counts = match numbers.as_slice() {
            &[added, modified, removed, bytes] => Counts { added, modified, removed, bytes },
            _ => Counts::default(),
        };
        Ok(Self {
            tree,
            parent: field("parent ").and_then(|hex| hex.parse().ok()),
            kind: trailer("Kind").and_then(NodeKind::parse).ok_or_else(|| wrong("is not a node"))?,
            label: label.to_owned(),
            seconds,
            offset_minutes,
            turn: trailer("Turn").and_then(|text| text.parse().ok()).map(TurnId),
            files_from: trailer("Files-From").and_then(|hex| hex.parse().ok()),
            before: trailer("Before").and_then(|hex| hex.parse().ok()),
            seq: trailer("Seq").and_then(|text| text.parse().ok()).unwrap_or(0),
            counts,
            not_kept,
            failed: trailer("Failed").map(str::to_owned),
        })
    }
}

fn parse_when(committer: &str) -> Option<(i64, i32)> {
    let mut words = committer.rsplit(' ');
    let offset = words.next()?;
    let seconds = words.next()?.parse().ok()?;
    let (sign, digits) = offset.split_at_checked(1)?;
    let number: i32 = digits.parse().ok()?;
    let minutes = number / 100 * 60 + number % 100;
    Some((seconds, if sign == "-" { -minutes } else { minutes }))
}

/// Seconds and offset of a moment, as a commit wants them.
pub(crate) fn when(moment: &Zoned) -> (i64, i32) {
    (moment.timestamp().as_second(), moment.offset().seconds() / 60)
}

/// A label: one line, no control characters, at most 200 characters, never empty.
pub(crate) fn clean_label(label: &str, kind: NodeKind) -> String {
    let line = one_line(label, LABEL_CHARS);
    if line.is_empty() { kind.as_str().to_owned() } else { line }
}

/// The label of a turn: `After: ` and the first sixty characters of what the user said.
pub fn label_after(text: &str) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    format!("After: {}", one_line(first, 60)).trim_end().to_owned()
}

fn one_line(text: &str, limit: usize) -> String {
    let line: String = sanitize::line(text).trim().chars().take(limit).collect();
    line.trim_end().to_owned()
}

/// The whole list of paths that are not kept, as `node/state/files.json`.
pub(crate) fn not_kept_to_json(list: &[NotKept]) -> Vec<u8> {
    use base64::Engine as _;
    let rows: Vec<serde_json::Value> = list
        .iter()
        .map(|item| {
            let mut row = serde_json::json!({
                "path": name::display(&item.path), "reason": item.reason, "bytes": item.bytes,
            });
            if std::str::from_utf8(&item.path).is_err() {
                row["path_bytes"] = base64::engine::general_purpose::STANDARD.encode(&item.path).into();
            }
            row
        })
        .collect();
    serde_json::json!({ "not_kept": rows }).to_string().into_bytes()
}

/// Reads [`not_kept_to_json`] back.
pub(crate) fn not_kept_from_json(bytes: &[u8]) -> Option<Vec<NotKept>> {
    use base64::Engine as _;
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    value
        .get("not_kept")?
        .as_array()?
        .iter()
        .map(|row| {
            let path = match row.get("path_bytes").and_then(|text| text.as_str()) {
                Some(text) => base64::engine::general_purpose::STANDARD.decode(text).ok()?,
                None => row.get("path")?.as_str()?.as_bytes().to_vec(),
            };
            let reason = serde_json::from_value::<Reason>(row.get("reason")?.clone()).ok()?;
            Some(NotKept { path, reason, bytes: row.get("bytes").and_then(serde_json::Value::as_u64).unwrap_or(0) })
        })
        .collect()
}

/// The file `node/modes`: one line per path, octal bits and the path.
pub(crate) fn modes_to_bytes(modes: &[(Vec<u8>, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, bits) in modes {
        bytes.extend_from_slice(format!("{bits:04o} ").as_bytes());
        bytes.extend_from_slice(&name::escape_path(path));
        bytes.push(b'\n');
    }
    bytes
}

/// Reads [`modes_to_bytes`] back; `None` where a line is not of that form.
pub(crate) fn modes_from_bytes(bytes: &[u8]) -> Option<Vec<(Vec<u8>, u32)>> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (bits, rest) = line.split_at_checked(4)?;
            let bits = u32::from_str_radix(std::str::from_utf8(bits).ok()?, 8).ok()?;
            let path = name::unescape(rest.strip_prefix(b" ")?)?;
            (bits & !0o1777 == 0).then_some((path, bits))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> NodeInfo {
        NodeInfo {
            tree: Oid::from_bytes(&[3; 20]).expect("id"),
            parent: "1".repeat(40).parse().ok(),
            kind: NodeKind::Restore,
            label: "After: make a plot".to_owned(),
            seconds: 1_795_345_200,
            offset_minutes: -210,
            turn: Some(TurnId::now()),
            files_from: "2".repeat(40).parse().ok(),
            before: "3".repeat(40).parse().ok(),
            seq: 17,
            counts: Counts { added: 2, modified: 1, removed: 0, bytes: 5120 },
            not_kept: vec!["a b\\xff: size".to_owned(), "x: fifo".to_owned()],
            failed: Some("no space left".to_owned()),
        }
    }

    #[test]
    fn a_commit_reads_back() {
        let not_kept = [
            NotKept { path: b"a b\xff".to_vec(), reason: Reason::Size, bytes: 9 },
            NotKept { path: b"x".to_vec(), reason: Reason::Fifo, bytes: 0 },
        ];
        let bytes = info().to_bytes(&not_kept);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("committer okcvm <okcvm@localhost> 1795345200 -0330\n"), "{text}");
        let back = NodeInfo::parse(info().tree, &bytes).expect("parse");
        assert_eq!(back, NodeInfo { turn: back.turn, ..info() });
        assert_eq!(back.time(), "2026-11-22T07:30:00-03:30");
        assert_eq!(not_kept_from_json(&not_kept_to_json(&not_kept)).as_deref(), Some(&not_kept[..]));
    }

    #[test]
    fn a_message_cannot_forge_trailers() {
        let label = clean_label("x\n\nOkcvm-Kind: turn", NodeKind::Named);
        assert_eq!(label, "x  Okcvm-Kind: turn");
        assert_eq!(clean_label(" \n", NodeKind::Named), "named");
        assert_eq!(label_after(&format!("\n  {}", "ä".repeat(80))), format!("After: {}", "ä".repeat(60)));
        assert_eq!(label_after(""), "After:");
    }

    #[test]
    fn modes_read_back() {
        let modes = vec![(b"a b\n%".to_vec(), 0o600), (b"d".to_vec(), 0o1777)];
        assert_eq!(modes_from_bytes(&modes_to_bytes(&modes)), Some(modes));
        assert_eq!(modes_from_bytes(b"9999 x\n"), None);
        assert_eq!(modes_from_bytes(b"4755 x\n"), None, "no bits that give rights");
    }
}
