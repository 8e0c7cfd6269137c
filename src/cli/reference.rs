//! The tables of the README and of the manual page, drawn from the code's own tables so that they cannot drift.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use super::args::Cli;
use crate::config::{FieldKind, fields};
use crate::spec::Bundle;
use crate::tools::{Availability, ToolRegistry};
use crate::tui::{action, keymap::Keymap, slash};

/// The public events of `exec --json`: type, fields, meaning.
pub const EVENTS: &[(&str, &str, &str)] = &[
    ("session_started", "session, mount, host_path, sandbox, network, model, title", "the session is open"),
    ("turn_started", "turn", "a turn began"),
    ("text_delta", "text", "more of the reply"),
    ("reasoning_delta", "text", "more of the reasoning"),
    ("tool_started", "call, tool, arguments", "a tool call began"),
    ("tool_output", "call, chunk", "output while it runs"),
    ("tool_finished", "call, tool, status, duration_ms, output", "it ended: `ok`, `error`, `cancelled` or `timeout`"),
    ("todo_changed", "todos", "the todo list was replaced"),
    ("network_request", "host, port, allowed, reason", "a program inside asked for a host; told once in a call"),
    (
        "artifact",
        "kind, title, path or url, host_path, pages",
        "something for you was made: `file`, `image`, `url`, `slides` or `audio`",
    ),
    ("snapshot_taken", "snapshot, label, files_changed, bytes", "the state was kept"),
    ("usage", "input, output, cached", "tokens of one request"),
    ("warning", "message", "worth knowing, stops nothing"),
    ("error", "message, hint", "something failed"),
    ("turn_ended", "turn, outcome, reply", "`completed`, `interrupted` or `failed`"),
];

/// The table named in a README marker; `None` for a name that is no table.
pub fn table(name: &str) -> Option<String> {
    match name {
        "keys" => Some(keys()),
        "slash" => Some(slash_commands()),
        "commands" => Some(commands()),
        "events" => Some(events()),
        "config" => Some(configuration()),
        "tools" => Some(tools()),
        _ => None,
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn row(out: &mut String, cells: &[&str]) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "| {} |", cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(" | "));
}

fn head(cells: &[&str]) -> String {
    let mut out = String::new();
    row(&mut out, cells);
    row(&mut out, &vec!["---"; cells.len()]);
    out
}

fn keys() -> String {
    let mut out = head(&["where", "keys", "what", "name for `ui.keys`"]);
    let Ok(keymap) = Keymap::load(&std::collections::BTreeMap::new()) else {
        return out;
    };
    let mut scope = action::Scope::Global;
    for entry in action::TABLE {
        if std::mem::replace(&mut scope, entry.scope) == action::Scope::Composer && scope != action::Scope::Composer {
            for (chords, sentence) in action::EDITING {
                row(&mut out, &[action::Scope::Composer.title(), chords, sentence, "always so"]);
            }
        }
        let chords = keymap.all(entry.action);
        if !chords.is_empty() {
            row(&mut out, &[entry.scope.title(), &chords, entry.sentence, &format!("`{}`", entry.name)]);
        }
    }
    out
}

fn slash_commands() -> String {
    let mut out = head(&["command", "what"]);
    for entry in slash::TABLE {
        row(&mut out, &[&format!("`{}`", entry.usage()), entry.sentence]);
    }
    out
}

fn commands() -> String {
    let mut out = head(&["command", "what"]);
    let mut root = Cli::command();
    root.build();
    add_commands(&mut out, &root, "okcvm");
    out
}

fn add_commands(out: &mut String, command: &clap::Command, path: &str) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        if sub.has_subcommands() {
            add_commands(out, sub, &path);
            continue;
        }
        let mut usage = path;
        for argument in sub.get_positionals() {
            let name = argument.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
            let _ = if argument.is_required_set() { write!(usage, " {name}") } else { write!(usage, " [{name}]") };
        }
        row(out, &[&format!("`{usage}`"), &sub.get_about().map(ToString::to_string).unwrap_or_default()]);
    }
}

fn events() -> String {
    let mut out = head(&["type", "fields", "meaning"]);
    for (name, fields, meaning) in EVENTS {
        row(&mut out, &[&format!("`{name}`"), fields, meaning]);
    }
    out
}

fn configuration() -> String {
    let mut out = head(&["field", "default", "meaning"]);
    for field in fields() {
        let shown = if matches!(field.kind, FieldKind::Key) { "" } else { field.default };
        row(&mut out, &[&format!("`{}`", field.path), shown, &field.doc]);
    }
    out
}

fn tools() -> String {
    let mut out = head(&["tool", "now"]);
    let Ok(registry) = ToolRegistry::from_bundle(Bundle::embedded()) else {
        return out;
    };
    for entry in registry.rows() {
        let now = match &entry.availability {
            Availability::Ready => "works".to_owned(),
            Availability::Unavailable(reason) => reason.clone(),
        };
        row(&mut out, &[&format!("`{}`", entry.name), &now]);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::{Artifact, ArtifactKind, CallId, Event, NodeId, SessionId, ToolStatus, TurnId, TurnOutcome};

    /// One of each public event; a new variant that is not here fails the test below.
    fn samples() -> Vec<Event> {
        let call = CallId("c".to_owned());
        let turn = TurnId::now();
        vec![
            Event::SessionStarted {
                session: SessionId::from_random(1),
                mount: String::new(),
                host_path: "/".into(),
                sandbox: String::new(),
                network: String::new(),
                model: String::new(),
                title: String::new(),
            },
            Event::TurnStarted { turn },
            Event::TextDelta { text: String::new() },
            Event::ReasoningDelta { text: String::new() },
            Event::ToolStarted { call: call.clone(), tool: String::new(), arguments: json!({}) },
            Event::ToolOutput { call: call.clone(), chunk: String::new() },
            Event::ToolFinished {
                call,
                tool: String::new(),
                status: ToolStatus::Ok,
                duration_ms: 0,
                output: String::new(),
            },
            Event::TodoChanged { todos: Vec::new() },
            Event::NetworkRequest { host: String::new(), port: 443, allowed: true, reason: None },
            Event::Artifact(
                Artifact::at(ArtifactKind::Slides, "")
                    .titled("")
                    .on_host(Some("/".into()))
                    .with_pages(vec![String::new()]),
            ),
            Event::SnapshotTaken {
                snapshot: "8f3a21c08f3a21c08f3a21c08f3a21c08f3a21c0".parse::<NodeId>().expect("id"),
                label: String::new(),
                files_changed: 0,
                bytes: 0,
            },
            Event::Usage { input: 0, output: 0, cached: 0 },
            Event::Warning { message: String::new() },
            Event::Error { message: String::new(), hint: None },
            Event::TurnEnded { turn, outcome: TurnOutcome::Completed, reply: String::new() },
        ]
    }

    #[test]
    fn the_event_table_is_what_events_look_like() {
        let samples = samples();
        assert!(samples.iter().all(Event::is_public));
        assert_eq!(samples.len(), EVENTS.len());
        for (sample, (name, fields, _)) in samples.iter().zip(EVENTS) {
            let Value::Object(object) = serde_json::to_value(sample).expect("JSON") else {
                unreachable!("an event is an object")
            };
            assert_eq!(object["type"], *name);
            let told: Vec<&str> =
                fields.split([',', ' ']).filter(|word| !word.is_empty() && *word != "or" && *word != "url").collect();
            let real: Vec<&str> = object.keys().map(String::as_str).filter(|field| *field != "type").collect();
            assert_eq!(told, real, "{name}");
        }
    }

    #[test]
    fn every_table_has_rows() {
        for name in ["keys", "slash", "commands", "events", "config", "tools"] {
            let table = table(name).expect("a table");
            assert!(table.lines().count() > 4, "{name}:\n{table}");
        }
        assert!(table("nothing").is_none());
    }
}
