//! `--output-schema`: a final reply that has to be JSON of a given shape.

use std::fmt;

use serde_json::Value;

/// A compiled JSON Schema (drafts 4 to 2020-12, told by `$schema`; 2020-12 without it). References to other documents
/// are refused: nothing is fetched.
pub struct OutputSchema {
    text: String,
    validator: jsonschema::Validator,
}

impl OutputSchema {
    /// Compiles the text of a schema; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let schema: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
        let validator = jsonschema::validator_for(&schema).map_err(|error| format!("is not a JSON Schema: {error}"))?;
        Ok(Self { text: text.trim().to_owned(), validator })
    }

    /// The user's message with what is expected of the reply.
    pub fn ask(&self, prompt: &str) -> String {
        format!(
            "{prompt}\n\nEnd with one JSON value that fits this JSON Schema, and let the final reply hold nothing \
             else:\n{}",
            self.text
        )
    }

    /// The value that a reply holds, with or without a code fence around it; otherwise everything that is wrong, in
    /// words for the model.
    pub fn check(&self, reply: &str) -> Result<Value, String> {
        let value: Value = serde_json::from_str(bare(reply))
            .map_err(|error| format!("The final reply has to be one JSON value and nothing else ({error})."))?;
        let wrong: Vec<String> = self
            .validator
            .iter_errors(&value)
            .map(|error| {
                format!(
                    "- {}: {error}",
                    if error.instance_path().as_str().is_empty() { "/" } else { error.instance_path().as_str() }
                )
            })
            .collect();
        if wrong.is_empty() {
            return Ok(value);
        }
        Err(format!("The JSON of the final reply does not fit the schema:\n{}", wrong.join("\n")))
    }
}

impl fmt::Debug for OutputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputSchema").field("text", &self.text).finish_non_exhaustive()
    }
}

/// What stands inside a code fence that is the whole reply.
fn bare(reply: &str) -> &str {
    let reply = reply.trim();
    let Some(inside) = reply.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else {
        return reply;
    };
    inside.split_once('\n').map_or(inside, |(_, body)| body).trim()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reply_is_taken_out_of_its_fence_and_checked() {
        let schema =
            OutputSchema::parse(r#"{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}"#)
                .expect("schema");
        assert_eq!(schema.check("```json\n{\"n\": 1}\n```"), Ok(json!({"n": 1})));
        assert_eq!(schema.check(" {\"n\": 1}\n"), Ok(json!({"n": 1})));
        assert!(schema.check("Sure: {\"n\": 1}").is_err_and(|told| told.contains("nothing else")));
        assert!(schema.check("{\"n\": \"x\"}").is_err_and(|told| told.contains("/n")));
        assert!(schema.ask("how many?").contains("\"integer\""));
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        assert!(OutputSchema::parse("{").is_err_and(|why| why.contains("not JSON")));
        assert!(OutputSchema::parse(r#"{"type": "nonsense"}"#).is_err_and(|why| why.contains("not a JSON Schema")));
    }
}
