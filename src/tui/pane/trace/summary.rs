//! What a call was asked, in a few words: one row a tool.

use serde_json::Value;

use crate::support::{sanitize, truncate};

/// Longest summary in characters; rows cut it to their width.
const LONGEST: usize = 300;

/// One part of a summary, made from one argument.
enum Part {
    /// A path; the mount is left out.
    Path(&'static str),
    /// A text; its first line.
    Text(&'static str),
    /// A command: its first line, as one thinks of it who stands in the mount.
    Command(&'static str),
    /// The one, or where that says nothing the other.
    Either(&'static Self, &'static Self),
    /// A number after a word.
    Number(&'static str, &'static str),
    /// The number of things in a list.
    Count(&'static str, &'static str),
    /// The lines of a text, as added ones.
    Lines(&'static str),
    /// A list of texts.
    List(&'static str),
    /// A word where a switch is on.
    Switch(&'static str, &'static str),
}

use Part::{Command, Count, Either, Lines, List, Number, Path, Switch, Text};

const TABLE: &[(&str, &[Part])] = &[
    ("todo_read", &[]),
    ("todo_write", &[Count("todos", "item")]),
    ("ipython", &[Switch("restart", "restart"), Text("code")]),
    ("read_file", &[Path("file_path"), Number("from line", "offset")]),
    ("edit_file", &[Path("file_path"), Switch("replace_all", "all")]),
    ("write_file", &[Path("file_path"), Lines("content"), Switch("append", "append")]),
    ("shell", &[Command("command")]),
    ("browser_visit", &[Either(&Text("url"), &Number("page", "citation_id"))]),
    ("browser_state", &[]),
    ("browser_click", &[Number("element", "element_index"), Text("url")]),
    ("browser_find", &[Text("keyword"), Text("url")]),
    ("browser_input", &[Number("element", "element_index"), Text("content")]),
    ("browser_scroll_down", &[Number("pixels", "scroll_amount")]),
    ("browser_scroll_up", &[Number("pixels", "scroll_amount")]),
    ("web_search", &[List("queries")]),
    ("image_search", &[List("queries")]),
    ("generate_image", &[Path("output_file"), Text("description")]),
    ("get_available_voices", &[]),
    ("generate_speech", &[Path("output_path"), Text("text")]),
    ("generate_sound_effects", &[Path("output_path"), Text("description")]),
    ("get_data_source_desc", &[Text("data_source_name")]),
    ("get_data_source", &[Text("data_source_name"), Text("api_name")]),
    ("deploy_website", &[Path("local_dir")]),
    ("slides_generator", &[Path("file_path"), Lines("content")]),
];

/// A tool's name without the prefix of the contract.
pub fn short_tool_name(tool: &str) -> &str {
    tool.strip_prefix("mshtools-").unwrap_or(tool)
}

/// What a call was asked, in a few words, clean, on one line.
pub fn argument_summary(tool: &str, arguments: &Value) -> String {
    summary(tool, arguments, true)
}

/// As [`argument_summary`], without the number of lines that were asked for: the lines that changed stand beside it.
pub(super) fn summary_beside_counts(tool: &str, arguments: &Value) -> String {
    summary(tool, arguments, false)
}

fn summary(tool: &str, arguments: &Value, with_lines: bool) -> String {
    let fields = match arguments {
        Value::Object(fields) => fields,
        // Not JSON: what the model wrote.
        Value::String(raw) => return shorten(raw),
        Value::Null => return String::new(),
        other => return shorten(&other.to_string()),
    };
    let parts = match TABLE.iter().find(|(name, _)| *name == short_tool_name(tool)) {
        Some((_, parts)) => {
            let shown = parts.iter().filter(|part| with_lines || !matches!(part, Lines(_)));
            shown.filter_map(|part| part.text(fields)).collect()
        }
        // A tool of someone else: its arguments in their order.
        None => fields.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>(),
    };
    shorten(&parts.join("  "))
}

impl Part {
    fn text(&self, fields: &serde_json::Map<String, Value>) -> Option<String> {
        let text_of = |name: &str| fields.get(name)?.as_str().filter(|text| !text.trim().is_empty());
        match self {
            Path(name) => text_of(name).map(|path| without_mount(path).to_owned()),
            Text(name) => text_of(name).map(first_line),
            Command(name) => text_of(name).map(|text| from_the_mount(&first_line(text))),
            Number(word, name) => match fields.get(*name)? {
                Value::Number(number) => Some(format!("{word} {number}")),
                _ => None,
            },
            Either(first, second) => first.text(fields).or_else(|| second.text(fields)),
            Count(name, thing) => {
                let count = fields.get(*name)?.as_array()?.len();
                Some(if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") })
            }
            Lines(name) => text_of(name).map(|text| format!("+{}", text.lines().count())),
            List(name) => {
                let items: Vec<&str> = fields.get(*name)?.as_array()?.iter().filter_map(Value::as_str).collect();
                Some(items.join(", "))
            }
            Switch(name, word) => fields.get(*name)?.as_bool()?.then(|| (*word).to_owned()),
        }
    }
}

/// The path as a person thinks of it: relative to the mount.
pub(super) fn without_mount(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/mnt/") else { return path };
    let (name, inside) = rest.split_once('/').unwrap_or((rest, ""));
    match (is_mount(name), inside) {
        (false, _) => path,
        (true, "") => ".",
        (true, inside) => inside,
    }
}

/// A command without the mount's path: what stands there is relative to it, and going there is where it starts.
fn from_the_mount(command: &str) -> String {
    let mut rest = command;
    if let Some((before, after)) = command.strip_prefix("cd ").and_then(|there| there.split_once("&&")) {
        let folder = before.trim().trim_matches(['"', '\'']).trim_end_matches('/');
        let plain = !folder.contains([' ', ';', '|', '$', '`', '&']);
        if plain && without_mount(folder) != folder && !after.trim().is_empty() {
            rest = after.trim_start();
        }
    }
    let mut out = String::new();
    while let Some(at) = rest.find("/mnt/okc") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = rest["/mnt/".len()..].split_once('/').map_or("", |(name, _)| name);
        if is_mount(name) {
            let whole = "/mnt/".len() + name.len() + 1;
            let ends = rest[whole..].chars().next().is_none_or(|c| c.is_whitespace() || "\"';|&)".contains(c));
            out.push_str(if ends { "." } else { "" });
            rest = &rest[whole..];
        } else {
            out.push_str("/mnt/okc");
            rest = &rest["/mnt/okc".len()..];
        }
    }
    out.push_str(rest);
    out
}

fn is_mount(name: &str) -> bool {
    name == "okcomputer"
        || name.strip_prefix("okcvm-").is_some_and(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The first line that says something, with a mark when more follow.
fn first_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    if lines.next().is_some() { format!("{first} …") } else { first }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => first_line(text),
        other => other.to_string(),
    }
}

fn shorten(text: &str) -> String {
    sanitize::line(truncate::prefix(text.trim(), LONGEST))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_tool_of_the_contract_has_a_summary() {
        let rows = [
            ("mshtools-todo_write", json!({"todos": [{}, {}]}), "2 items"),
            ("mshtools-todo_write", json!({"todos": [{}]}), "1 item"),
            ("mshtools-read_file", json!({"file_path": "/mnt/okcvm-0123456789abcdef/cv.pdf"}), "cv.pdf"),
            ("mshtools-read_file", json!({"file_path": "/mnt/okcomputer/a/b", "offset": 10}), "a/b  from line 10"),
            ("mshtools-write_file", json!({"file_path": "/etc/x", "content": "a\nb\n"}), "/etc/x  +2"),
            ("mshtools-edit_file", json!({"file_path": "/mnt/okcvm-0123456789abcdef", "replace_all": true}), ".  all"),
            ("mshtools-shell", json!({"command": "\n  make test\nmake install"}), "make test …"),
            ("mshtools-ipython", json!({"code": "", "restart": true}), "restart"),
            ("mshtools-browser_click", json!({"element_index": 3, "citation_id": 1, "url": ""}), "element 3"),
            ("mshtools-web_search", json!({"queries": ["a", "b"]}), "a, b"),
            ("mshtools-get_data_source", json!({"data_source_name": "y", "api_name": "quote"}), "y  quote"),
            ("mshtools-todo_read", json!({}), ""),
            ("someone-else", json!({"path": "x", "deep": true}), "path x  deep true"),
        ];
        for (tool, arguments, expected) in rows {
            assert_eq!(argument_summary(tool, &arguments), expected, "{tool}");
        }
    }

    #[test]
    fn a_command_is_told_as_from_inside_the_mount() {
        let mount = "/mnt/okcvm-0123456789abcdef";
        let rows = [
            (format!("cd {mount} && make test"), "make test"),
            (format!("cd {mount}/site && ls"), "ls"),
            (format!("cat {mount}/a.txt {mount}/b/c.txt > \"{mount}/\""), "cat a.txt b/c.txt > \".\""),
            ("cd /etc && ls".to_owned(), "cd /etc && ls"),
            ("ls /mnt/okcvm-else/x /mnt/okcomputer/y".to_owned(), "ls /mnt/okcvm-else/x y"),
            (format!("cd {mount} && "), "cd /mnt/okcvm-0123456789abcdef &&"),
        ];
        for (command, expected) in rows {
            assert_eq!(argument_summary("mshtools-shell", &json!({"command": command})), expected);
        }
    }

    #[test]
    fn arguments_that_are_not_json_are_shown_as_they_are() {
        assert_eq!(argument_summary("mshtools-shell", &json!("{\"command\": ")), "{\"command\":");
        assert_eq!(argument_summary("mshtools-shell", &json!({"command": 5})), "");
        assert_eq!(argument_summary("mshtools-shell", &Value::Null), "");
    }

    #[test]
    fn nothing_dangerous_and_nothing_endless_comes_through() {
        let summary =
            argument_summary("mshtools-shell", &json!({"command": format!("a\x1b[2Jb{}", "x".repeat(9_000))}));
        assert!(summary.starts_with("abx") && summary.chars().count() <= LONGEST, "{summary}");
    }
}
