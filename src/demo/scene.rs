//! What a request tells: the mount, what the user wants, what was done for it and what came of that.

use serde_json::Value;

/// A finished tool call: what was asked and what came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The tool's name without its prefix, such as `shell`.
    pub tool: String,
    /// What it was asked.
    pub arguments: Value,
    /// What it gave back.
    pub output: String,
}

impl Done {
    /// A text argument; empty when there is none.
    pub fn argument(&self, name: &str) -> &str {
        self.arguments[name].as_str().unwrap_or_default()
    }

    /// The first line of the output that says something.
    pub fn first_line(&self) -> &str {
        self.output.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("(no output)")
    }
}

/// One request, read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scene {
    /// The mount without a trailing slash, from the system prompt.
    pub mount: String,
    /// What the user said last.
    pub prompt: String,
    /// What was done for the latest prompt, in order.
    pub done: Vec<Done>,
    /// What was done for the prompts before, in order.
    pub earlier: Vec<Done>,
    /// The prompts before, in order.
    pub earlier_prompts: Vec<String>,
    /// Names of the offered tools without their prefix.
    pub tools: Vec<String>,
    /// Nothing was said to the user yet.
    pub is_first_reply: bool,
    /// How many messages the request holds; goes into the ids of calls.
    pub messages: usize,
}

/// What every tool name begins with.
const PREFIX: &str = "mshtools-";

impl Scene {
    /// Reads the body of a chat request.
    pub fn read(request: &Value) -> Self {
        let messages = request["messages"].as_array().map_or(&[][..], Vec::as_slice);
        let mut scene = Self { is_first_reply: true, messages: messages.len(), ..Self::default() };
        let mut calls: Vec<(&str, Done)> = Vec::new();
        for message in messages {
            let text = content(&message["content"]);
            match message["role"].as_str() {
                Some("system") => scene.mount = mount_in(&text).unwrap_or(scene.mount),
                // Pictures of tool results follow as a message of parts; those are no prompt.
                Some("user") if !message["content"].is_array() => {
                    if !scene.prompt.is_empty() {
                        scene.earlier_prompts.push(std::mem::take(&mut scene.prompt));
                    }
                    scene.prompt = text;
                    scene.earlier.append(&mut scene.done);
                }
                Some("assistant") => {
                    scene.is_first_reply &= text.trim().is_empty();
                    for call in message["tool_calls"].as_array().map_or(&[][..], Vec::as_slice) {
                        let name = call["function"]["name"].as_str().unwrap_or_default();
                        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
                        let done = Done {
                            tool: name.strip_prefix(PREFIX).unwrap_or(name).to_owned(),
                            arguments: serde_json::from_str(arguments).unwrap_or_default(),
                            output: String::new(),
                        };
                        calls.push((call["id"].as_str().unwrap_or_default(), done));
                    }
                }
                Some("tool") => {
                    let id = message["tool_call_id"].as_str().unwrap_or_default();
                    if let Some(at) = calls.iter().position(|(call, _)| *call == id) {
                        scene.done.push(Done { output: text, ..calls.remove(at).1 });
                    }
                }
                _ => {}
            }
        }
        if scene.mount.is_empty() {
            "/mnt/okcomputer".clone_into(&mut scene.mount);
        }
        let tools = request["tools"].as_array().map_or(&[][..], Vec::as_slice);
        let name = |tool: &Value| {
            let name = tool["function"]["name"].as_str()?;
            Some(name.strip_prefix(PREFIX).unwrap_or(name).to_owned())
        };
        scene.tools = tools.iter().filter_map(name).collect();
        scene
    }

    /// Whether a tool is offered.
    pub fn has(&self, tool: &str) -> bool {
        self.tools.iter().any(|name| name == tool)
    }

    /// What was done with one tool for the latest prompt, in order.
    pub fn did<'a>(&'a self, tool: &'a str) -> impl DoubleEndedIterator<Item = &'a Done> {
        self.done.iter().filter(move |done| done.tool == tool)
    }

    /// The words of the prompt in lower case, without punctuation at their ends.
    pub fn words(&self) -> Vec<String> {
        let word = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        self.prompt.split_whitespace().map(word).filter(|word| !word.is_empty()).collect()
    }

    /// Whether the prompt holds one of these words.
    pub fn says(&self, any: &[&str]) -> bool {
        self.words().iter().any(|word| any.contains(&word.as_str()))
    }

    /// The first number in the prompt.
    pub fn number(&self) -> Option<u64> {
        let digits = self.prompt.split(|c: char| !c.is_ascii_digit());
        digits.filter(|digits| !digits.is_empty()).find_map(|digits| digits.parse().ok())
    }
}

/// The text of a message, whether it is a string or parts.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// The first mount that a text names.
fn mount_in(text: &str) -> Option<String> {
    const START: &str = "/mnt/okcvm-";
    text.match_indices(START).find_map(|(at, _)| {
        let digits = text.get(at + START.len()..at + START.len() + 16)?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| format!("{START}{digits}"))
    })
}

/// The lines of a file as `read_file` shows them, without their numbers; `None` when the output is no listing.
pub(super) fn file_lines(output: &str) -> Option<Vec<&str>> {
    let numbered = |line: &'_ str| -> Option<usize> {
        let (number, _) = line.split_once('\t')?;
        number.trim().parse::<u64>().ok()?;
        Some(number.len() + 1)
    };
    let lines: Vec<&str> = output.lines().filter_map(|line| numbered(line).map(|start| &line[start..])).collect();
    (!lines.is_empty()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_read_into_a_scene() {
        let call = |id: &str, arguments: &str| json!({"id": id, "function": {"name": "mshtools-shell", "arguments": arguments}});
        let scene = Scene::read(&json!({
            "messages": [
                {"role": "system", "content": "Files go under /mnt/okcvm-0123456789abcdef/output/."},
                {"role": "user", "content": "first"},
                {"role": "assistant", "content": null, "tool_calls": [call("a", "{\"command\":\"ls\"}"), call("b", "{")]},
                {"role": "tool", "tool_call_id": "b", "content": "second output"},
                {"role": "tool", "tool_call_id": "a", "content": "first output"},
                {"role": "user", "content": [{"type": "text", "text": "a picture"}]},
                {"role": "assistant", "content": "done"},
                {"role": "user", "content": "Sleep 30, please!"}
            ],
            "tools": [{"type": "function", "function": {"name": "mshtools-shell"}}]
        }));
        assert_eq!(scene.mount, "/mnt/okcvm-0123456789abcdef");
        assert_eq!(
            (scene.prompt.as_str(), scene.earlier_prompts.as_slice()),
            ("Sleep 30, please!", &["first".to_owned()][..])
        );
        assert_eq!(scene.done, []);
        assert_eq!(scene.earlier.iter().map(Done::first_line).collect::<Vec<_>>(), ["second output", "first output"]);
        assert_eq!(scene.earlier[1].argument("command"), "ls");
        assert!(scene.has("shell") && !scene.has("read_file") && !scene.is_first_reply);
        assert!(scene.says(&["please"]));
        assert_eq!(scene.number(), Some(30));
    }

    #[test]
    fn a_listing_is_told_from_an_error() {
        assert_eq!(file_lines("     1\ta\n     2\t\tb\n"), Some(vec!["a", "\tb"]));
        assert_eq!(file_lines("file not found: x"), None);
    }
}
