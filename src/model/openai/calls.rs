//! Puts tool calls together from their fragments.
//!
//! Pure. The hard part is to tell which call a fragment belongs to, since endpoints differ:
//!
//! ```text
//! index 0, id A, name f, `{"a`   then  index 0, `":1}`          the protocol as written
//! index 0, id A, name f, `{"a`   then  index 0, id B, `":1}`    a fresh id with every fragment (older vLLM)
//! index 0, id A, name f, `{..}`  then  index 0, id B, name f    whole calls, all under index 0 (Gemini)
//! id A, name f, `{..}`           then  id B, name g             no index at all
//! name f, `{..}`                 then  name f, `{..}`           neither
//! ```
//!
//! So a fragment goes to the latest call of its index (or id, or simply the latest), unless it names a function and
//! that call is already another one: its id differs, or its arguments are a whole JSON object.

use serde::Deserialize;
use serde_json::Value;

use crate::protocol::{CallId, ToolCall};

/// A piece of a call, or all of it.
#[derive(Deserialize)]
pub(super) struct Fragment {
    index: Option<i64>,
    id: Option<Value>,
    function: Option<FunctionFragment>,
}

#[derive(Deserialize)]
struct FunctionFragment {
    name: Option<String>,
    arguments: Option<Value>,
}

/// The calls of one reply.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Slot>);

/// A call as far as it is known.
#[derive(Debug, Default)]
struct Slot {
    index: Option<i64>,
    id: String,
    name: String,
    arguments: String,
    scan: ObjectScan,
}

impl Calls {
    /// Takes the next fragment.
    pub(super) fn take(&mut self, fragment: Fragment) {
        let id = match fragment.id {
            Some(Value::String(id)) => id,
            Some(Value::Number(id)) => id.to_string(),
            _ => String::new(),
        };
        let (name, arguments) = fragment.function.map_or((None, None), |f| (f.name, f.arguments));
        let name = name.unwrap_or_default();
        let arguments = match arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(whole) => whole.to_string(),
        };
        let position = self.place(fragment.index, &id, &name, &arguments).unwrap_or_else(|| {
            self.0.push(Slot { index: fragment.index, ..Slot::default() });
            self.0.len() - 1
        });
        let slot = &mut self.0[position];
        if slot.id.is_empty() {
            slot.id = id;
        }
        // A name may come in fragments, or again with every fragment of the arguments.
        if slot.arguments.is_empty() && slot.name != name {
            slot.name.push_str(&name);
        }
        slot.scan.feed(&arguments);
        slot.arguments.push_str(&arguments);
    }

    /// The call that a fragment belongs to; `None` when it begins a new one. See the table above.
    fn place(&self, index: Option<i64>, id: &str, name: &str, arguments: &str) -> Option<usize> {
        let position = if index.is_some() {
            self.0.iter().rposition(|slot| slot.index == index)
        } else if id.is_empty() {
            self.0.len().checked_sub(1)
        } else {
            let same = self.0.iter().rposition(|slot| slot.id == id);
            if name.is_empty() { same.or(self.0.len().checked_sub(1)) } else { same }
        }?;
        let slot = &self.0[position];
        let other_id = !id.is_empty() && !slot.id.is_empty() && slot.id != id;
        let other_name = index.is_none() && id.is_empty() && !slot.name.is_empty() && slot.name != name;
        let whole_already = slot.scan.whole && !arguments.trim().is_empty();
        let is_new = !name.is_empty() && (other_id || other_name || whole_already);
        (!is_new).then_some(position)
    }

    /// Whether no call waits for more of its arguments.
    pub(super) fn are_whole(&self) -> bool {
        self.0.iter().all(|slot| slot.scan.whole || slot.arguments.trim().is_empty())
    }

    /// The calls, each with an id of its own. `seed` goes into the ids that the endpoint did not give.
    pub(super) fn finish(self, seed: &str) -> Vec<ToolCall> {
        let mut tool_calls: Vec<ToolCall> = Vec::with_capacity(self.0.len());
        for (n, slot) in self.0.into_iter().enumerate() {
            if slot.name.is_empty() && slot.arguments.trim().is_empty() {
                continue;
            }
            let mut id = CallId(slot.id);
            if id.0.is_empty() || tool_calls.iter().any(|call| call.id == id) {
                id = CallId(format!("call_{seed}_{n}"));
            }
            tool_calls.push(ToolCall { id, name: slot.name, arguments: slot.arguments });
        }
        tool_calls
    }
}

/// Watches a JSON object come in and knows when it is closed, at the cost of one look at each byte.
#[derive(Debug, Default)]
struct ObjectScan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    whole: bool,
}

impl ObjectScan {
    fn feed(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.whole = self.depth == 0;
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calls(fragments: &[Value]) -> Vec<(String, String, String)> {
        let mut calls = Calls::default();
        for fragment in fragments {
            calls.take(serde_json::from_value(fragment.clone()).expect("fragment"));
        }
        calls.finish("seed").into_iter().map(|call| (call.id.0, call.name, call.arguments)).collect()
    }

    fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
        (id.to_owned(), name.to_owned(), arguments.to_owned())
    }

    #[test]
    fn fragments_go_to_the_call_of_their_index() {
        let got = calls(&[
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}),
            json!({"index": 0, "function": {"arguments": "{\"x\":"}}),
            json!({"index": 1, "id": "b", "function": {"name": "f", "arguments": "{"}}),
            json!({"index": 0, "function": {"arguments": "1}"}}),
            json!({"index": 1, "function": {"arguments": "}"}}),
        ]);
        assert_eq!(got, [call("a", "f", "{\"x\":1}"), call("b", "f", "{}")]);
    }

    #[test]
    fn whole_calls_under_one_index_are_several_calls() {
        let got = calls(&[
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}}),
            json!({"index": 0, "id": "b", "function": {"name": "f", "arguments": "{\"x\":2}"}}),
            json!({"index": 0, "id": "", "function": {"name": "g", "arguments": "{}"}}),
        ]);
        assert_eq!(got, [call("a", "f", "{\"x\":1}"), call("b", "f", "{\"x\":2}"), call("call_seed_2", "g", "{}")]);
    }

    #[test]
    fn a_fresh_id_with_every_fragment_is_still_one_call() {
        let got = calls(&[
            json!({"index": 0, "id": "a", "function": {"name": "f"}}),
            json!({"index": 0, "id": "b", "function": {"arguments": "{\"x\":"}}),
            json!({"index": 0, "id": "c", "function": {"arguments": "1}"}}),
        ]);
        assert_eq!(got, [call("a", "f", "{\"x\":1}")]);
    }

    #[test]
    fn an_id_and_a_name_with_every_fragment_are_still_one_call() {
        let fragment = |args: &str| json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": args}});
        assert_eq!(calls(&[fragment("{\"x\""), fragment(":1}"), fragment("")]), [call("a", "f", "{\"x\":1}")]);
    }

    #[test]
    fn without_an_index_ids_and_names_tell_calls_apart() {
        let got = calls(&[
            json!({"id": "a", "function": {"name": "f", "arguments": "{\"x\":"}}),
            json!({"function": {"arguments": "1}"}}),
            json!({"id": "b", "function": {"name": "g", "arguments": "{}"}}),
        ]);
        assert_eq!(got, [call("a", "f", "{\"x\":1}"), call("b", "g", "{}")]);
        let got = calls(&[
            json!({"function": {"name": "f", "arguments": {"x": 1}}}),
            json!({"function": {"name": "f", "arguments": {"x": 2}}}),
            json!({"function": {"name": "g"}}),
        ]);
        let wanted = [("call_seed_0", "f", "{\"x\":1}"), ("call_seed_1", "f", "{\"x\":2}"), ("call_seed_2", "g", "")];
        assert_eq!(got, wanted.map(|(id, name, args)| call(id, name, args)));
    }

    #[test]
    fn one_id_for_two_calls_becomes_two_ids() {
        let got = calls(&[
            json!({"index": 0, "id": "same", "function": {"name": "f", "arguments": "{}"}}),
            json!({"index": 1, "id": "same", "function": {"name": "f", "arguments": "{}"}}),
        ]);
        assert_eq!(got, [call("same", "f", "{}"), call("call_seed_1", "f", "{}")]);
    }

    #[test]
    fn a_name_may_come_in_fragments() {
        let got = calls(&[
            json!({"index": 0, "id": "a", "function": {"name": "mshtools-"}}),
            json!({"index": 0, "function": {"name": "shell"}}),
            json!({"index": 0, "function": {"arguments": "{}"}}),
        ]);
        assert_eq!(got, [call("a", "mshtools-shell", "{}")]);
    }

    #[test]
    fn braces_inside_strings_do_not_end_the_arguments() {
        let mut scan = ObjectScan::default();
        scan.feed("{\"a\": \"}\\\"}");
        assert!(!scan.whole);
        scan.feed("\"}");
        assert!(scan.whole);
    }
}
