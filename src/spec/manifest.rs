//! Reads a bundle and tells everything that is wrong with it in one go.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{MANIFEST_FILE, PROMPT_FILE};

const EMBEDDED_PROMPT: &str = include_str!("../../spec/system_prompt.md");
const EMBEDDED_MANIFEST: &str = include_str!("../../spec/tools.json");

/// No manifest is larger than this.
const LARGEST: u64 = 16 << 20;

/// One tool as a manifest promises it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionSpec {
    /// Its name, such as `mshtools-shell`.
    pub name: String,
    /// What the model is told of it.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
    /// JSON Schema of what it gives back.
    pub returns: Value,
}

/// Where a bundle came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The program itself.
    Embedded,
    /// A folder.
    Folder(PathBuf),
}

/// A prompt and the tools that go with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// The template of the system prompt; see [`super::render_prompt`].
    pub system_prompt: String,
    /// The tools, in the manifest's order.
    pub functions: Vec<FunctionSpec>,
    /// Where it came from.
    pub origin: Origin,
}

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// A file is missing or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest is no JSON.
    #[error("{}: line {line}, column {column}: not valid JSON: {message}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser said.
        message: String,
    },
    /// The manifest is JSON of another form; everything that is wrong with it.
    #[error("{}: {}", path.display(), problems.join("; "))]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong, one sentence each.
        problems: Vec<String>,
    },
    /// The prompt is no text.
    #[error("{}: {message}", path.display())]
    Prompt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: &'static str,
    },
}

impl SpecError {
    /// What to do about it, as a sentence.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { path, .. } => {
                let folder = path.parent().unwrap_or(path).display();
                format!("A bundle is a folder with {PROMPT_FILE} and {MANIFEST_FILE}; check {folder}.")
            }
            Self::Json { .. } => "Mend the JSON at that place.".to_owned(),
            Self::Manifest { .. } => {
                "A manifest is {\"functions\": [{\"name\", \"description\", \"parameters\", \"returns\"}]}.".to_owned()
            }
            Self::Prompt { .. } => "Write the system prompt as UTF-8 text.".to_owned(),
        }
    }
}

static EMBEDDED: LazyLock<Bundle> = LazyLock::new(|| Bundle {
    system_prompt: EMBEDDED_PROMPT.to_owned(),
    // A test reads the same text through the same function; a program that passed it has every tool here.
    functions: functions(EMBEDDED_MANIFEST, Path::new(MANIFEST_FILE)).unwrap_or_default(),
    origin: Origin::Embedded,
});

impl Bundle {
    /// The bundle in the program.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads a bundle from a folder.
    pub fn load(dir: &Path) -> Result<Self, SpecError> {
        let system_prompt = read_prompt(dir)?;
        let path = dir.join(MANIFEST_FILE);
        let functions = functions(&read(&path)?, &path)?;
        Ok(Self { system_prompt, functions, origin: Origin::Folder(dir.to_owned()) })
    }

    /// The tool of that name.
    pub fn function(&self, name: &str) -> Option<&FunctionSpec> {
        self.functions.iter().find(|function| function.name == name)
    }
}

/// The prompt of the program, as a template.
pub(super) fn embedded_prompt() -> &'static str {
    EMBEDDED_PROMPT
}

/// The prompt of a folder.
pub(super) fn read_prompt(dir: &Path) -> Result<String, SpecError> {
    let path = dir.join(PROMPT_FILE);
    let text = read(&path)?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if text.trim().is_empty() {
        return Err(SpecError::Prompt { path, message: "the system prompt is empty" });
    }
    Ok(text)
}

fn read(path: &Path) -> Result<String, SpecError> {
    let failed = |source| SpecError::Io { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        let message = if metadata.is_file() { "larger than 16 MiB" } else { "not a file" };
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, message)));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| SpecError::Prompt { path: path.to_owned(), message: "not UTF-8 text" })
}

fn functions(text: &str, path: &Path) -> Result<Vec<FunctionSpec>, SpecError> {
    let text = text.trim_start_matches('\u{feff}');
    let root: Value = serde_json::from_str(text).map_err(|error| {
        let whole = error.to_string();
        let message = whole.rfind(" at line ").map_or(whole.as_str(), |end| &whole[..end]).to_owned();
        SpecError::Json { path: path.to_owned(), line: error.line(), column: error.column(), message }
    })?;
    let wrong = |problems| SpecError::Manifest { path: path.to_owned(), problems };
    let Some(list) = root.get("functions").and_then(Value::as_array) else {
        return Err(wrong(vec!["the top must be an object with a list \"functions\"".to_owned()]));
    };
    let (mut functions, mut problems) = (Vec::<FunctionSpec>::new(), Vec::new());
    for (index, entry) in list.iter().enumerate() {
        match function(entry) {
            Ok(function) if functions.iter().any(|other| other.name == function.name) => {
                problems.push(format!("functions[{index}]: the name {} is there twice", function.name));
            }
            Ok(function) => functions.push(function),
            Err(found) => {
                let name =
                    entry.get("name").and_then(Value::as_str).map(|name| format!(" ({name})")).unwrap_or_default();
                problems.extend(found.into_iter().map(|problem| format!("functions[{index}]{name}: {problem}")));
            }
        }
    }
    if list.is_empty() {
        problems.push("the list \"functions\" is empty".to_owned());
    }
    if problems.is_empty() { Ok(functions) } else { Err(wrong(problems)) }
}

fn function(entry: &Value) -> Result<FunctionSpec, Vec<String>> {
    let Some(fields) = entry.as_object() else {
        return Err(vec!["must be an object".to_owned()]);
    };
    let mut problems = Vec::new();
    let name = match fields.get("name").and_then(Value::as_str) {
        Some(name) if is_tool_name(name) => name.to_owned(),
        Some(_) => {
            problems.push("the name must be 1 to 64 letters, digits, _ or -".to_owned());
            String::new()
        }
        None => {
            problems.push("the name is missing".to_owned());
            String::new()
        }
    };
    let description = match fields.get("description") {
        Some(Value::String(text)) => text.clone(),
        Some(_) => {
            problems.push("the description must be text".to_owned());
            String::new()
        }
        None => String::new(),
    };
    let parameters = schema(fields, "parameters", &mut problems);
    if parameters.get("type").is_some_and(|kind| kind != "object") {
        problems.push("parameters must describe an object".to_owned());
    }
    let returns = schema(fields, "returns", &mut problems);
    if problems.is_empty() { Ok(FunctionSpec { name, description, parameters, returns }) } else { Err(problems) }
}

/// A schema that can be used; a missing one allows everything (`returns`) or takes no argument (`parameters`).
fn schema(fields: &Map<String, Value>, field: &str, problems: &mut Vec<String>) -> Value {
    match fields.get(field) {
        None if field == "parameters" => serde_json::json!({ "type": "object", "properties": {} }),
        None => serde_json::json!({}),
        Some(schema @ Value::Object(_)) => {
            if let Err(error) = jsonschema::validator_for(schema) {
                problems.push(format!("{field} is no JSON Schema: {error}"));
            }
            schema.clone()
        }
        Some(_) => {
            problems.push(format!("{field} must be an object"));
            Value::Null
        }
    }
}

/// What every endpoint accepts as the name of a function.
fn is_tool_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(prompt: &str, manifest: &str) -> (tempfile::TempDir, Result<Bundle, SpecError>) {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join(PROMPT_FILE), prompt).expect("prompt");
        std::fs::write(folder.path().join(MANIFEST_FILE), manifest).expect("manifest");
        let bundle = Bundle::load(folder.path());
        (folder, bundle)
    }

    #[test]
    fn the_embedded_manifest_is_whole() {
        assert!(functions(EMBEDDED_MANIFEST, Path::new("x")).is_ok());
        assert_eq!(Bundle::embedded().functions.len(), 24);
        assert!(Bundle::embedded().function("mshtools-shell").is_some());
    }

    #[test]
    fn a_bundle_in_a_folder_is_read_as_it_is() {
        let (folder, loaded) = bundle("\u{feff}You are X.\r\n", r#"{"functions": [{"name": "a", "extra": 1}]}"#);
        let loaded = loaded.expect("bundle");
        assert_eq!(loaded.system_prompt, "You are X.\r\n");
        assert_eq!(loaded.origin, Origin::Folder(folder.path().to_owned()));
        assert_eq!(loaded.functions[0].parameters["type"], "object");
    }

    #[test]
    fn what_is_missing_or_no_json_is_told_with_its_place() {
        let folder = tempfile::tempdir().expect("folder");
        let error = Bundle::load(folder.path()).expect_err("empty folder");
        assert!(error.to_string().contains("system_prompt.md"), "{error}");
        assert!(error.hint().contains("tools.json"));
        let error = bundle("x", "{\n  \"functions\": [,]\n}").1.expect_err("bad JSON");
        assert!(matches!(error, SpecError::Json { line: 2, column: 17, .. }), "{error}");
        assert!(error.to_string().contains("line 2, column 17: not valid JSON: expected value"), "{error}");
        let error = bundle(" \n", "{}").1.expect_err("empty prompt");
        assert!(error.to_string().ends_with("the system prompt is empty"), "{error}");
    }

    #[test]
    fn everything_wrong_with_a_manifest_is_told_at_once() {
        let manifest = serde_json::json!({ "functions": [
            {"name": "twice"}, {"name": "twice"}, 7, {"description": "nameless"}, {"name": "has space"},
            {"name": "list", "parameters": []},
            {"name": "array", "parameters": {"type": "array"}},
            {"name": "odd", "parameters": {"type": "object", "properties": {"a": {"type": "strong"}}}, "returns": 1},
            {"name": "far", "parameters": {"$ref": "https://example.com/schema.json"}},
            {"name": "text", "description": 5},
        ]});
        let error = bundle("x", &manifest.to_string()).1.expect_err("bad manifest");
        let SpecError::Manifest { problems, .. } = error else { panic!("{error}") };
        let starts = [
            "functions[1]: the name twice is there twice",
            "functions[2]: must be an object",
            "functions[3]: the name is missing",
            "functions[4] (has space): the name must be",
            "functions[5] (list): parameters must be an object",
            "functions[6] (array): parameters must describe an object",
            "functions[7] (odd): parameters is no JSON Schema: ",
            "functions[7] (odd): returns must be an object",
            "functions[8] (far): parameters is no JSON Schema: ",
            "functions[9] (text): the description must be text",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:#?}");
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.starts_with(start), "{problem}");
        }
        for manifest in ["[]", "{}", r#"{"functions": {}}"#, r#"{"functions": []}"#] {
            assert!(bundle("x", manifest).1.is_err(), "{manifest}");
        }
    }
}
