//! `okcvm spec show | check`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::config_command::finish;
use crate::spec::{Bundle, Origin, SpecError, check};
use crate::support::sanitize;

/// What is asked of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecAction {
    /// The prompt and the tools.
    Show {
        /// As JSON.
        json: bool,
    },
    /// What does not fit.
    Check {
        /// The bundle; `None` is the one in use.
        dir: Option<PathBuf>,
        /// As JSON.
        json: bool,
    },
}

/// Does it. `spec_dir` is the bundle in use (`None` is the one in the program), `known` names the tools that have code.
/// The answer is the exit code: 0, 1 when nothing could be written, 2 for a bundle that does not fit.
pub fn run(
    action: &SpecAction,
    spec_dir: Option<&Path>,
    known: &[&str],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let dir = match action {
        SpecAction::Check { dir: Some(dir), .. } => Some(dir.as_path()),
        _ => spec_dir,
    };
    let loaded;
    let bundle = match dir.map(Bundle::load) {
        None => Bundle::embedded(),
        Some(Ok(bundle)) => {
            loaded = bundle;
            &loaded
        }
        Some(Err(error)) => {
            let json = matches!(action, SpecAction::Check { json: true, .. });
            return finish(refuse(&error, json, out, err), err);
        }
    };
    let done = match action {
        SpecAction::Show { json } => show(bundle, *json, out),
        SpecAction::Check { json, .. } => fits(bundle, known, *json, out, err),
    };
    finish(done, err)
}

fn refuse(error: &SpecError, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let messages: Vec<String> = match error {
        SpecError::Manifest { path, problems } => {
            problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect()
        }
        other => vec![other.to_string()],
    };
    if json {
        let rows: Vec<_> = messages
            .iter()
            .map(|message| json!({ "kind": "unusable", "tool": null, "parameter": null, "message": message }))
            .collect();
        writeln!(out, "{}", serde_json::Value::Array(rows))?;
    } else {
        for message in messages {
            writeln!(err, "error: {}", sanitize::text(&message))?;
        }
        writeln!(err, "hint: {}", sanitize::text(&error.hint()))?;
    }
    Ok(2)
}

fn origin(bundle: &Bundle) -> String {
    match &bundle.origin {
        Origin::Embedded => "built in".to_owned(),
        Origin::Folder(folder) => sanitize::line(&folder.display().to_string()),
    }
}

fn show(bundle: &Bundle, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    if json {
        let whole = json!({
            "origin": origin(bundle),
            "system_prompt": bundle.system_prompt,
            "functions": bundle.functions,
        });
        writeln!(out, "{whole}")?;
        return Ok(0);
    }
    writeln!(out, "{}\n", sanitize::text(bundle.system_prompt.trim_end()))?;
    writeln!(out, "# Tools ({}, {})", bundle.functions.len(), origin(bundle))?;
    for function in &bundle.functions {
        writeln!(out, "\n{}({})", sanitize::line(&function.name), arguments(&function.parameters))?;
        writeln!(out, "{}", sanitize::text(function.description.trim_end()))?;
    }
    Ok(0)
}

/// The parameters of a tool in short: `command: string, timeout?: integer = 60000`.
fn arguments(parameters: &serde_json::Value) -> String {
    let required = |name: &str| {
        parameters["required"].as_array().is_some_and(|list| list.iter().any(|item| item.as_str() == Some(name)))
    };
    let one = |(name, property): (&String, &serde_json::Value)| {
        let mark = if required(name) { "" } else { "?" };
        let kind = property["type"].as_str().unwrap_or("any");
        let default = property.get("default").map(|value| format!(" = {value}")).unwrap_or_default();
        sanitize::line(&format!("{name}{mark}: {kind}{default}"))
    };
    let list: Vec<_> = parameters["properties"].as_object().into_iter().flatten().map(one).collect();
    list.join(", ")
}

fn fits(bundle: &Bundle, known: &[&str], json: bool, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let findings = check(bundle, known);
    if json {
        let rows: Vec<_> = findings
            .iter()
            .map(|finding| {
                json!({
                    "kind": finding.kind(),
                    "tool": finding.tool(),
                    "parameter": finding.parameter(),
                    "message": finding.to_string(),
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::Value::Array(rows))?;
    } else if findings.is_empty() {
        writeln!(out, "{}: {} tools, all of them fit", origin(bundle), bundle.functions.len())?;
    } else {
        for finding in &findings {
            writeln!(err, "error: {}", sanitize::line(&finding.to_string()))?;
        }
        let what = if findings.len() == 1 { "thing does" } else { "things do" };
        writeln!(err, "{}: {} {what} not fit", origin(bundle), findings.len())?;
    }
    Ok(if findings.is_empty() { 0 } else { 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<&'static str> {
        Bundle::embedded().functions.iter().map(|function| function.name.as_str()).collect()
    }

    fn ask(action: &SpecAction) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(action, None, &known(), &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (code, text(out), text(err))
    }

    #[test]
    fn our_own_bundle_is_shown_and_fits() {
        let (code, out, err) = ask(&SpecAction::Show { json: false });
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.contains("mshtools-shell(command: string, description?: string, timeout?: integer = 60000)\n"));
        let (_, out, _) = ask(&SpecAction::Show { json: true });
        let whole: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(whole["functions"].as_array().map(Vec::len), Some(24));
        let (code, out, _) = ask(&SpecAction::Check { dir: None, json: false });
        assert_eq!((code, out.as_str()), (0, "built in: 24 tools, all of them fit\n"));
        assert_eq!(ask(&SpecAction::Check { dir: None, json: true }).1, "[]\n");
    }

    #[test]
    fn a_bundle_that_does_not_fit_is_exit_code_2() {
        let folder = tempfile::tempdir().expect("folder");
        let dir = Some(folder.path().to_owned());
        let (code, _, err) = ask(&SpecAction::Check { dir: dir.clone(), json: false });
        assert_eq!(code, 2);
        assert!(err.contains("system_prompt.md") && err.contains("hint: "), "{err}");
        std::fs::write(folder.path().join("system_prompt.md"), "x").expect("prompt");
        std::fs::write(folder.path().join("tools.json"), r#"{"functions": [{"name": "mshtools-shel"}, 3]}"#)
            .expect("tools");
        let (code, out, _) = ask(&SpecAction::Check { dir: dir.clone(), json: true });
        assert_eq!(code, 2);
        assert!(out.contains("functions[1]: must be an object"), "{out}");
        std::fs::write(folder.path().join("tools.json"), r#"{"functions": [{"name": "mshtools-shel"}]}"#)
            .expect("tools");
        let (code, _, err) = ask(&SpecAction::Check { dir, json: false });
        assert_eq!(code, 2);
        assert!(err.contains("did you mean mshtools-shell?") && err.ends_with("25 things do not fit\n"), "{err}");
    }
}
