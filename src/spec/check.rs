//! Compares a bundle with the tools that the program has, for `okcvm spec check` and for nothing that must be fast.

use std::fmt;

use serde_json::{Map, Value};

use super::manifest::Bundle;

/// One thing that does not fit between a bundle and the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecFinding {
    /// The bundle promises a tool that the program does not have.
    NoCode {
        /// The tool.
        tool: String,
        /// A tool of nearly that name.
        near: Option<String>,
    },
    /// The program has a tool of which the bundle does not speak.
    NoEntry {
        /// The tool.
        tool: String,
    },
    /// A parameter that the program reads is not in the bundle.
    ParameterMissing {
        /// The tool.
        tool: String,
        /// The parameter.
        parameter: String,
    },
    /// A parameter of the bundle that the program does not read.
    ParameterUnknown {
        /// The tool.
        tool: String,
        /// The parameter.
        parameter: String,
    },
    /// A parameter of another type.
    ParameterType {
        /// The tool.
        tool: String,
        /// The parameter.
        parameter: String,
        /// The program's type.
        ours: String,
        /// The bundle's type.
        theirs: String,
    },
    /// A parameter that only one of the two demands.
    ParameterRequired {
        /// The tool.
        tool: String,
        /// The parameter.
        parameter: String,
        /// Whether it is the bundle that demands it.
        by_bundle: bool,
    },
    /// A parameter with other bounds, choices, default or items.
    ParameterDiffers {
        /// The tool.
        tool: String,
        /// The parameter.
        parameter: String,
        /// The key of the schema that differs.
        key: String,
    },
}

impl SpecFinding {
    /// The tool that it is about.
    pub fn tool(&self) -> &str {
        match self {
            Self::NoCode { tool, .. }
            | Self::NoEntry { tool }
            | Self::ParameterMissing { tool, .. }
            | Self::ParameterUnknown { tool, .. }
            | Self::ParameterType { tool, .. }
            | Self::ParameterRequired { tool, .. }
            | Self::ParameterDiffers { tool, .. } => tool,
        }
    }

    /// The parameter that it is about, if it is about one.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::NoCode { .. } | Self::NoEntry { .. } => None,
            Self::ParameterMissing { parameter, .. }
            | Self::ParameterUnknown { parameter, .. }
            | Self::ParameterType { parameter, .. }
            | Self::ParameterRequired { parameter, .. }
            | Self::ParameterDiffers { parameter, .. } => Some(parameter),
        }
    }

    /// One word for what it is: `no_code`, `parameter_type`, ...
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoCode { .. } => "no_code",
            Self::NoEntry { .. } => "no_entry",
            Self::ParameterMissing { .. } => "parameter_missing",
            Self::ParameterUnknown { .. } => "parameter_unknown",
            Self::ParameterType { .. } => "parameter_type",
            Self::ParameterRequired { .. } => "parameter_required",
            Self::ParameterDiffers { .. } => "parameter_differs",
        }
    }
}

impl fmt::Display for SpecFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.tool())?;
        match self {
            Self::NoCode { near: Some(near), .. } => {
                write!(f, "okcvm has no tool of this name (did you mean {near}?)")
            }
            Self::NoCode { near: None, .. } => f.write_str("okcvm has no tool of this name"),
            Self::NoEntry { .. } => f.write_str("a tool of okcvm that the bundle does not describe"),
            Self::ParameterMissing { parameter, .. } => {
                write!(f, "parameter {parameter} is missing, so the model cannot use it")
            }
            Self::ParameterUnknown { parameter, .. } => {
                write!(f, "parameter {parameter} is unknown to okcvm and has no effect")
            }
            Self::ParameterType { parameter, ours, theirs, .. } => {
                write!(f, "parameter {parameter} is {theirs} in the bundle, but {ours} in okcvm")
            }
            Self::ParameterRequired { parameter, by_bundle: true, .. } => {
                write!(f, "parameter {parameter} is required by the bundle, but not by okcvm")
            }
            Self::ParameterRequired { parameter, by_bundle: false, .. } => {
                write!(f, "parameter {parameter} is required by okcvm, but not by the bundle")
            }
            Self::ParameterDiffers { parameter, key, .. } => {
                write!(f, "parameter {parameter} has another \"{key}\" than in okcvm")
            }
        }
    }
}

/// Everything that does not fit: tools without code, code without a tool, parameters that differ from ours.
///
/// `known` names the tools that have code.
pub fn check(bundle: &Bundle, known: &[&str]) -> Vec<SpecFinding> {
    let mut findings = Vec::new();
    for function in &bundle.functions {
        let tool = &function.name;
        if !known.contains(&tool.as_str()) {
            let near = known.iter().map(|name| (strsim::damerau_levenshtein(tool, name), *name)).min();
            let near = near.filter(|(distance, _)| *distance <= 3).map(|(_, name)| name.to_owned());
            findings.push(SpecFinding::NoCode { tool: tool.clone(), near });
        } else if let Some(ours) = Bundle::embedded().function(tool) {
            compare(tool, &ours.parameters, &function.parameters, &mut findings);
        }
    }
    let missing = known.iter().filter(|name| bundle.function(name).is_none());
    findings.extend(missing.map(|name| SpecFinding::NoEntry { tool: (*name).to_owned() }));
    findings
}

fn compare(tool: &str, ours: &Value, theirs: &Value, findings: &mut Vec<SpecFinding>) {
    let nothing = Map::new();
    let properties = |schema: &Value| schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let requires = |schema: &Value, name: &str| {
        let list = schema.get("required").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|item| item == name))
    };
    let (our_properties, their_properties) = (properties(ours), properties(theirs));
    for (name, our_property) in &our_properties {
        let (tool, parameter) = (tool.to_owned(), name.clone());
        let Some(their_property) = their_properties.get(name) else {
            findings.push(SpecFinding::ParameterMissing { tool, parameter });
            continue;
        };
        let (our_type, their_type) = (type_of(our_property), type_of(their_property));
        if our_type != their_type {
            findings.push(SpecFinding::ParameterType { tool, parameter, ours: our_type, theirs: their_type });
            continue;
        }
        let by_bundle = requires(theirs, name);
        if by_bundle != requires(ours, name) {
            let (tool, parameter) = (tool.clone(), parameter.clone());
            findings.push(SpecFinding::ParameterRequired { tool, parameter, by_bundle });
        }
        let (one, other) = (without_prose(our_property), without_prose(their_property));
        let (one, other) = (one.as_object().unwrap_or(&nothing), other.as_object().unwrap_or(&nothing));
        let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys.into_iter().filter(|key| one.get(*key) != other.get(*key)) {
            let (tool, parameter) = (tool.clone(), parameter.clone());
            findings.push(SpecFinding::ParameterDiffers { tool, parameter, key: key.clone() });
        }
    }
    for name in their_properties.keys().filter(|name| !our_properties.contains_key(*name)) {
        findings.push(SpecFinding::ParameterUnknown { tool: tool.to_owned(), parameter: name.clone() });
    }
}

fn type_of(property: &Value) -> String {
    match property.get("type") {
        Some(Value::String(name)) => name.clone(),
        Some(other) => other.to_string(),
        None => "of any type".to_owned(),
    }
}

/// A schema without titles and descriptions. A *property* that is called `description` has an object for its value and
/// stays.
fn without_prose(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let prose = |name: &str, value: &Value| matches!(name, "description" | "title") && value.is_string();
            let kept = fields.iter().filter(|(name, value)| !prose(name, value));
            Value::Object(kept.map(|(name, value)| (name.clone(), without_prose(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_prose).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known() -> Vec<&'static str> {
        Bundle::embedded().functions.iter().map(|function| function.name.as_str()).collect()
    }

    #[test]
    fn our_own_bundle_fits() {
        assert_eq!(check(Bundle::embedded(), &known()), []);
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let mut bundle = Bundle::embedded().clone();
        bundle.functions.retain(|function| function.name != "mshtools-ipython");
        for function in &mut bundle.functions {
            match function.name.as_str() {
                "mshtools-shell" => {
                    function.name = "mshtools-shel".to_owned();
                }
                "mshtools-read_file" => {
                    function.parameters = json!({
                        "type": "object",
                        "properties": {
                            "file_path": {"type": "string", "description": "other words"},
                            "offset": {"type": "string"},
                            "lines": {"type": "integer"},
                        },
                    });
                }
                "mshtools-image_search" => {
                    function.parameters["properties"]["total_count"]["default"] = json!(20);
                    function.parameters["required"] = json!(["queries", "total_count"]);
                }
                _ => {}
            }
        }
        let told: Vec<_> = check(&bundle, &known()).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "mshtools-read_file: parameter file_path is required by okcvm, but not by the bundle",
                "mshtools-read_file: parameter limit is missing, so the model cannot use it",
                "mshtools-read_file: parameter offset is string in the bundle, but integer in okcvm",
                "mshtools-read_file: parameter lines is unknown to okcvm and has no effect",
                "mshtools-shel: okcvm has no tool of this name (did you mean mshtools-shell?)",
                "mshtools-image_search: parameter total_count is required by the bundle, but not by okcvm",
                "mshtools-image_search: parameter total_count has another \"default\" than in okcvm",
                "mshtools-ipython: a tool of okcvm that the bundle does not describe",
                "mshtools-shell: a tool of okcvm that the bundle does not describe",
            ]
        );
    }
}
