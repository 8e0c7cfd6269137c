//! The rows: what is attempted, and what must then be so.

use std::fs;

use okcvm::protocol::ToolStatus;
use regex::Regex;

use super::place::Host;
use crate::support::machine::{self, Machine};

const TABLES: [&str; 2] = [include_str!("../../fixtures/escapes.tsv"), include_str!("../../fixtures/more_escapes.tsv")];

/// One attempt.
#[derive(Clone, Copy)]
pub struct Row {
    pub id: &'static str,
    pub how: &'static str,
    pub payload: &'static str,
    pub expected: &'static str,
}

/// All of both tables.
pub fn rows() -> Vec<Row> {
    let parse = |line: &'static str| {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            [id, _, how, payload, expected] => Row { id, how, payload, expected },
            _ => unreachable!("a row has five fields: {line}"),
        }
    };
    TABLES.iter().flat_map(|table| table.lines().skip(1)).map(parse).collect()
}

/// What a row left behind.
pub struct Seen {
    /// All of it, or what the model was given where all of it is long.
    pub output: String,
    /// Characters that the model was given.
    pub given: usize,
    pub status: ToolStatus,
}

/// What is wrong with the outcome of a row; empty when every expectation holds.
pub fn judge(row: &Row, host: &Host, machine: &Machine, seen: &Seen) -> Vec<String> {
    // A space and a parenthesis open a comment.
    let expected = row.expected.split(" (").next().unwrap_or_default();
    let mut wrong = Vec::new();
    for token in expected.split('&') {
        let (name, value) = token.split_once('=').unwrap_or((token, ""));
        let value = host.fill(value, machine);
        let matches = || Regex::new(&format!("(?m){value}")).expect("expression").is_match(&seen.output);
        let holds = match name {
            "yes" => matches(),
            "no" => !matches(),
            "absent" => fs::symlink_metadata(&value).is_err(),
            "intact" => fs::read_to_string(&value).is_ok_and(|text| text == "# BASHRC-ORIG\n"),
            "canary-intact" => {
                fs::read_to_string(host.home.join("canary.txt")).is_ok_and(|text| text == "CANARY-ORIG\n")
            }
            "gone" => machine::soon(|| machine::processes_with(&value).is_empty()),
            // Whoever runs this line is alive; the rest was looked at when the row had run.
            "alive" | "next" => true,
            "silent-pts" => host.terminal_is_silent(),
            "refuse" => seen.status == ToolStatus::Error,
            "allow" => seen.status == ToolStatus::Ok && seen.output.contains(&value),
            "trunc" => {
                let spilled: u64 = fs::read_dir(machine.root.join("spill"))
                    .expect("spill")
                    .flatten()
                    .map(|entry| entry.metadata().expect("metadata").len())
                    .sum();
                seen.given <= 10_000 && spilled <= 64 << 20 && seen.status == ToolStatus::Error
            }
            other => unreachable!("{}: unknown expectation {other}", row.id),
        };
        if !holds {
            wrong.push(format!("{} does not hold: {token}\n{}", row.id, indented(&seen.output)));
        }
    }
    wrong
}

/// The text that the next command in the same machine must give, where a row says so.
pub fn next(row: &Row) -> Option<&'static str> {
    let expected = row.expected.split(" (").next().unwrap_or_default();
    expected.split('&').find_map(|token| token.strip_prefix("next="))
}

/// A text for a failure, its beginning only.
pub fn indented(text: &str) -> String {
    use std::fmt::Write as _;
    text.lines().take(30).fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "    | {line}");
        out
    })
}
