//! Events as text: one JSON object a line for scripts, or lines for people.
//!
//! Everything for people is untrusted and goes through the sanitizer. JSON keeps the texts as they are; what a
//! terminal could take for a command is written as an escape, which means the same to every JSON reader.

use serde_json::Value;

use crate::protocol::{Event, ToolStatus};
use crate::support::{sanitize, truncate};

/// Cells of a progress line at most.
const WIDTH: usize = 120;

/// One line of JSON, with the line end; `None` for events that are for screens only.
pub fn json_line(seq: u64, event: &Event) -> Option<String> {
    // The interface has no type of its own for it.
    if let Event::ReplyRestarted { reason } = event {
        let message = format!("the reply starts again, what came of it so far is void: {reason}");
        return json_line(seq, &Event::Warning { message });
    }
    if !event.is_public() {
        return None;
    }
    let body = serde_json::to_string(event).ok()?;
    let fields = body.strip_prefix('{')?;
    let mut line = format!("{{\"seq\":{seq},");
    line.push_str(&sanitize::json(fields));
    line.push('\n');
    Some(line)
}

/// Lines for people about what goes on, without a line end; empty for events that need no word.
pub fn progress(event: &Event) -> Vec<String> {
    match event {
        Event::SessionStarted { session, sandbox, network, model, .. } => {
            vec![line(&format!("session {session}: {model}, sandbox {sandbox}, network {network}"))]
        }
        Event::ToolStarted { tool, arguments, .. } => {
            vec![line(&format!("> {} {}", short(tool), summary(arguments)))]
        }
        Event::ToolFinished { tool, status, duration_ms, output, .. } => finished(tool, *status, *duration_ms, output),
        Event::Artifact(artifact) => {
            let host = artifact.host_path.as_ref().map(|path| path.display().to_string());
            let place = artifact.url.clone().or(host).or_else(|| artifact.path.clone());
            place.map(|place| line(&format!("  made {place}"))).into_iter().collect()
        }
        Event::SnapshotTaken { snapshot, label, files_changed, .. } => {
            let files = if *files_changed == 1 { "file" } else { "files" };
            vec![line(&format!("snapshot {}: {files_changed} {files} changed, {label}", snapshot.short()))]
        }
        Event::NetworkRequest { host, port, allowed: false, reason } => {
            let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            vec![line(&format!("warning: the network refused {host}:{port}{why}"))]
        }
        Event::Warning { message } => vec![long(&format!("warning: {message}"))],
        Event::ReplyRestarted { reason } => vec![long(&format!("warning: the reply starts again: {reason}"))],
        Event::Error { message, hint } => {
            let mut lines = vec![long(&format!("error: {message}"))];
            lines.extend(hint.as_ref().map(|hint| long(&format!("hint: {hint}"))));
            lines
        }
        _ => Vec::new(),
    }
}

fn finished(tool: &str, status: ToolStatus, duration_ms: u64, output: &str) -> Vec<String> {
    let word = match status {
        ToolStatus::Ok => return Vec::new(),
        ToolStatus::Error => "failed",
        ToolStatus::Cancelled => "cancelled",
        ToolStatus::Timeout => "timed out",
    };
    let tenths = duration_ms.div_ceil(100);
    vec![line(&format!("  {} {word} after {}.{} s: {}", short(tool), tenths / 10, tenths % 10, reason(output)))]
}

/// The reason of a failure: what is told as the error, or what was said last, with the mark of how it ended behind it.
fn reason(output: &str) -> String {
    let said = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    // Tools that show what there is all the same begin with why it is not what was wanted.
    if let Some(error) = output.lines().next().and_then(|first| first.strip_prefix("Error: ")) {
        return said(error);
    }
    let mut lines = output.lines().map(said).filter(|line| !line.is_empty()).rev();
    let last = lines.next().unwrap_or_default();
    match lines.next().filter(|_| last.starts_with("[exit code ")) {
        Some(before) => format!("{before} {last}"),
        None => last,
    }
}

/// A tool's name without the family's prefix.
fn short(tool: &str) -> &str {
    tool.strip_prefix("mshtools-").unwrap_or(tool)
}

/// What a call is about: its first text argument.
fn summary(arguments: &Value) -> String {
    let text = match arguments {
        Value::Object(fields) => fields.values().find_map(Value::as_str).unwrap_or_default(),
        Value::String(raw) => raw,
        _ => "",
    };
    text.lines().next().unwrap_or_default().to_owned()
}

/// One short line.
fn line(text: &str) -> String {
    truncate::cells(&sanitize::line(text), WIDTH, "...")
}

/// One line that is told whole.
fn long(text: &str) -> String {
    sanitize::line(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::{CallId, Phase, TurnId, TurnOutcome};

    #[test]
    fn a_public_event_is_one_line_that_begins_with_its_number() {
        let event = Event::ToolFinished {
            call: CallId("c1".into()),
            tool: "mshtools-shell".into(),
            status: ToolStatus::Timeout,
            duration_ms: 1234,
            output: "a\nb".into(),
        };
        assert_eq!(
            json_line(7, &event).expect("public"),
            "{\"seq\":7,\"type\":\"tool_finished\",\"call\":\"c1\",\"tool\":\"mshtools-shell\",\"status\":\"timeout\",\
             \"duration_ms\":1234,\"output\":\"a\\nb\"}\n"
        );
        let event =
            Event::TurnEnded { turn: TurnId(uuid::Uuid::nil()), outcome: TurnOutcome::Completed, reply: "ok".into() };
        let value: Value = serde_json::from_str(&json_line(8, &event).expect("public")).expect("JSON");
        assert_eq!(value["outcome"], "completed");
        assert_eq!(json_line(9, &Event::PhaseChanged(Phase::Idle)), None);
        let again = json_line(9, &Event::ReplyRestarted { reason: "broken".into() }).expect("public");
        assert!(again.starts_with("{\"seq\":9,\"type\":\"warning\","), "{again}");
    }

    #[test]
    fn nothing_in_a_line_of_json_commands_a_terminal() {
        let text = "\u{1b}]0;x\u{7} \u{9b}31m \u{202e} é \u{7f}".to_owned();
        let line = json_line(1, &Event::TextDelta { text: text.clone() }).expect("public");
        assert!(line.trim_end().chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line}");
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["text"], text, "the text itself is unchanged");
    }

    #[test]
    fn the_reason_of_a_failure_is_what_was_said_last() {
        assert_eq!(reason("one\n\nsed: no  such file\n[exit code 2]\n"), "sed: no such file [exit code 2]");
        let traceback =
            "ZeroDivisionError            Traceback (most recent call last)\n1/0\nZeroDivisionError: by zero";
        assert_eq!(reason(traceback), "ZeroDivisionError: by zero");
        assert_eq!((reason("[exit code 3]").as_str(), reason(" \n").as_str()), ("[exit code 3]", ""));
    }

    #[test]
    fn progress_is_short_and_clean() {
        let started = Event::ToolStarted {
            call: CallId("c".into()),
            tool: "mshtools-shell".into(),
            arguments: json!({"command": "echo \u{1b}[31mred\nsecond line"}),
        };
        assert_eq!(progress(&started), ["> shell echo red"]);
        let failed = Event::ToolFinished {
            call: CallId("c".into()),
            tool: "mshtools-shell".into(),
            status: ToolStatus::Error,
            duration_ms: 1250,
            output: format!("\n{}", "x".repeat(500)),
        };
        let lines = progress(&failed);
        assert!(lines[0].starts_with("  shell failed after 1.3 s: xxx") && lines[0].ends_with("..."), "{lines:?}");
        let error = Event::Error { message: "no\nkey".into(), hint: Some("Set one.".into()) };
        assert_eq!(progress(&error), ["error: no key", "hint: Set one."]);
    }
}
