//! The contract of the 24 tools, pinned: names, parameters, types, required lists, enums, defaults, bounds, returns.

use okcvm::spec::{Bundle, load_system_prompt};
use serde_json::Value;

const CONTRACT: &str = include_str!("../fixtures/tools-contract.json");
const OURS: &str = include_str!("../../spec/tools.json");

/// Takes the prose away. A *parameter* called `description` has an object for its value and stays.
fn without_prose(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, value)| !(*name == "description" && value.is_string()));
            Value::Object(kept.map(|(name, value)| (name.clone(), without_prose(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_prose).collect()),
        other => other.clone(),
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn the_schema_is_the_contract_to_the_letter() {
    let (contract, ours) = (parse(CONTRACT), without_prose(&parse(OURS)));
    let names = |manifest: &Value| -> Vec<String> {
        let list = manifest["functions"].as_array().expect("functions");
        list.iter().map(|function| function["name"].as_str().expect("name").to_owned()).collect()
    };
    assert_eq!(names(&contract).len(), 24);
    assert_eq!(names(&ours), names(&contract));
    for (ours, theirs) in
        ours["functions"].as_array().into_iter().flatten().zip(contract["functions"].as_array().into_iter().flatten())
    {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours, contract);
}

#[test]
fn the_program_offers_what_the_file_says() {
    let functions: Vec<Value> =
        Bundle::embedded().functions.iter().map(|function| serde_json::to_value(function).expect("JSON")).collect();
    assert_eq!(Value::Array(functions), parse(OURS)["functions"]);
}

#[test]
fn every_tool_and_every_parameter_is_described() {
    fn described(properties: &Value, tool: &str) {
        for (name, property) in properties.as_object().into_iter().flatten() {
            let text = property["description"].as_str().unwrap_or_default();
            assert!(text.len() > 20 && text.ends_with('.'), "{tool}.{name}: {text:?}");
            described(&property["items"]["properties"], tool);
        }
    }
    for function in &Bundle::embedded().functions {
        assert!(function.description.len() > 150, "{}", function.name);
        described(&function.parameters["properties"], &function.name);
    }
}

/// Words that a description or the prompt must carry, since they are limits, failures or rules of the contract. The
/// program never reads them: this guards the text alone.
#[test]
fn limits_and_failures_stand_where_the_model_reads_them() {
    let rows = [
        ("mshtools-todo_write", vec!["Replaces the whole", "JSON"]),
        ("mshtools-ipython", vec!["10,000", "!", "magics", "images", "Chinese"]),
        ("mshtools-read_file", vec!["cat -n", "first 100 lines", "1,000", "empty file", "does not exist", "Markdown"]),
        ("mshtools-edit_file", vec!["have been read", "only once", "replace_all", "differ"]),
        ("mshtools-write_file", vec!["have been read", "100,000", "append", "somebody else"]),
        ("mshtools-shell", vec!["fresh shell", "&&", "exit code", "10,000", "standard error"]),
        (
            "mshtools-browser_visit",
            vec!["citation id", "interactive elements", "not empty wins", "lists the open pages"],
        ),
        ("mshtools-browser_find", vec!["whatever its case", "highlights", "skip"]),
        ("mshtools-browser_scroll_down", vec!["pixels", "new state"]),
        ("mshtools-image_search", vec!["begins with a line that says how many"]),
        ("mshtools-generate_image", vec!["1024 by 1024", "PNG"]),
        ("mshtools-generate_speech", vec!["MP3 or WAV"]),
        ("mshtools-generate_sound_effects", vec!["22 seconds"]),
        ("mshtools-deploy_website", vec!["index.html", "copied", "URL", "relative"]),
        ("mshtools-slides_generator", vec!["ppt-slide", "1024 by 576", "Tailwind", "PPTX"]),
    ];
    for (tool, words) in rows {
        let text = &Bundle::embedded().function(tool).expect("tool").description;
        for word in words {
            assert!(text.contains(word), "{tool} does not speak of {word:?}");
        }
    }
    let prompt = load_system_prompt(None).expect("prompt");
    for word in [
        "OK Computer",
        "general-purpose",
        "{{date}}",
        "{{mount}}/output/",
        "{{attachments}}",
        "HTML report",
        "mshtools-slides_generator",
        "mshtools-deploy_website",
        "PPTX",
        "only when the user asks",
        "index.html",
        "relative references only",
        "path outside workspace",
        "unless the user names another format",
    ] {
        assert!(prompt.contains(word), "the prompt does not speak of {word:?}");
    }
}
