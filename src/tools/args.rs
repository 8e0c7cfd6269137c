//! Arguments of a call against the schema that the manifest promises.
//!
//! All errors are told at once, in words that let the model mend its call. Nothing is guessed beyond the schema, with
//! one exception: no text at all counts as `{}`, because several endpoints send that for a tool without parameters.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::support::truncate;

/// Problems that are listed at most.
const MAX_PROBLEMS: usize = 20;
/// Characters of one problem.
const MAX_PROBLEM: usize = 300;

/// The schema of one tool, compiled on first use.
#[derive(Debug)]
pub struct Checker {
    tool: String,
    schema: Value,
    validator: OnceLock<Result<Validator, String>>,
}

impl Checker {
    /// A checker for this schema.
    pub fn new(tool: &str, schema: &Value) -> Self {
        Self { tool: tool.to_owned(), schema: schema.clone(), validator: OnceLock::new() }
    }

    /// The arguments as JSON, or what is wrong with them in words for the model.
    pub fn check(&self, raw: &str) -> Result<Value, String> {
        let raw = raw.trim();
        let args: Value = if raw.is_empty() {
            Value::Object(serde_json::Map::new())
        } else {
            serde_json::from_str(raw).map_err(|error| {
                format!("the arguments of {} are not valid JSON: {error}. Send one JSON object.", self.tool)
            })?
        };
        let compiled =
            self.validator.get_or_init(|| jsonschema::validator_for(&self.schema).map_err(|error| error.to_string()));
        let validator = compiled.as_ref().map_err(|error| format!("the schema of {} is broken: {error}", self.tool))?;
        let mut problems: Vec<String> = Vec::new();
        let mut more = 0;
        for error in validator.iter_errors(&args) {
            if problems.len() == MAX_PROBLEMS {
                more += 1;
                continue;
            }
            let place = error.instance_path().to_string();
            let place = place.trim_start_matches('/').replace('/', ".");
            let message = error.to_string();
            let message = truncate::head_tail(&message, MAX_PROBLEM).unwrap_or(message);
            problems.push(if place.is_empty() { format!("- {message}") } else { format!("- {place}: {message}") });
        }
        if problems.is_empty() {
            return Ok(args);
        }
        if more > 0 {
            problems.push(format!("- and {more} more"));
        }
        Err(format!("the arguments of {} do not fit its schema:\n{}", self.tool, problems.join("\n")))
    }
}

/// A text argument; empty where it is missing, which the schema has ruled out for those that are required.
pub(crate) fn text<'a>(args: &'a Value, name: &str) -> &'a str {
    args.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A flag; false where it is missing.
pub(crate) fn flag(args: &Value, name: &str) -> bool {
    args.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// A whole number; `5.0` is one, as JSON Schema has it.
pub(crate) fn integer(args: &Value, name: &str) -> Option<i64> {
    let number = args.get(name)?;
    number.as_i64().or_else(|| number.as_f64().map(|number| number as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checker() -> Checker {
        let schema = json!({
            "type": "object",
            "properties": {"file_path": {"type": "string"}, "limit": {"type": "integer"}, "kind": {"enum": ["a", "b"]}},
            "required": ["file_path"],
            "additionalProperties": false,
        });
        Checker::new("mshtools-read_file", &schema)
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let message = checker().check(r#"{"limit": "ten", "kind": "c", "colour": 1}"#).expect_err("wrong");
        for part in ["mshtools-read_file", "file_path", "limit", "integer", "kind", "colour"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn text_that_is_not_json_is_told_with_its_place() {
        let message = checker().check(r#"{"file_path": "x""#).expect_err("wrong");
        assert!(message.contains("not valid JSON") && message.contains("line 1"), "{message}");
    }

    #[test]
    fn nothing_is_guessed() {
        for wrong in ["[]", "null", "\"x\"", r#"{"file_path": null}"#, r#"{"file_path": "x", "limit": 1.5}"#] {
            assert!(checker().check(wrong).is_err(), "{wrong}");
        }
        assert!(checker().check(r#"{"file_path": "x", "limit": 5.0}"#).is_ok());
        let none = Checker::new("t", &json!({"type": "object", "properties": {}, "additionalProperties": false}));
        assert_eq!(none.check("").expect("empty"), json!({}));
    }

    #[test]
    fn a_huge_argument_does_not_come_back_in_the_message() {
        let raw = json!({"file_path": "x", "limit": "y".repeat(100_000)}).to_string();
        assert!(checker().check(&raw).expect_err("wrong").len() < 2_000);
    }

    #[test]
    fn numbers_are_read_as_the_schema_reads_them() {
        let args = json!({"a": 5, "b": 5.0, "c": "x"});
        assert_eq!((integer(&args, "a"), integer(&args, "b")), (Some(5), Some(5)));
        assert_eq!((text(&args, "c"), flag(&args, "d"), integer(&args, "d")), ("x", false, None));
    }
}
