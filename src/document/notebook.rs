//! Jupyter notebooks: text cells as they are, code cells between fences, outputs below them.

use serde_json::Value;

use super::markdown::{Inline, Writer, count};
use super::{Converted, DocumentError, Kind, Limits, encoding};

/// Characters of one output that are kept; a loop may have printed millions.
const MOST_OUTPUT: usize = 20_000;

pub(super) fn convert(bytes: &[u8], limits: &Limits) -> Result<Converted, DocumentError> {
    let text = encoding::decode(bytes, None);
    let notebook: Value =
        serde_json::from_str(&text).map_err(|e| DocumentError::damaged(Kind::Ipynb, format!("not valid JSON: {e}")))?;
    // Before version 4 the cells lay in worksheets.
    let cells: Vec<&Value> = match notebook.get("cells").and_then(Value::as_array) {
        Some(cells) => cells.iter().collect(),
        None => notebook
            .get("worksheets")
            .and_then(Value::as_array)
            .map(|sheets| sheets.iter().filter_map(|s| s.get("cells")?.as_array()).flatten().collect())
            .ok_or_else(|| DocumentError::damaged(Kind::Ipynb, "it has no cells"))?,
    };
    let language = ["/metadata/language_info/name", "/metadata/kernelspec/language", "/metadata/language"]
        .iter()
        .find_map(|path| notebook.pointer(path)?.as_str())
        .unwrap_or("python");
    let language: String = language.chars().filter(|c| c.is_alphanumeric() || "+-#_".contains(*c)).take(30).collect();

    let mut writer = Writer::new(limits);
    for cell in &cells {
        if writer.is_full() {
            break;
        }
        let source = text_of(cell.get("source").or_else(|| cell.get("input")));
        match cell.get("cell_type").and_then(Value::as_str) {
            Some("markdown") => markdown(&mut writer, &source),
            Some("heading") => {
                let level = cell.get("level").and_then(Value::as_u64).unwrap_or(1);
                writer.title(level as usize, &source);
            }
            Some("code") => {
                writer.code(&language, &source);
                for output in cell.get("outputs").and_then(Value::as_array).into_iter().flatten() {
                    self::output(&mut writer, output);
                }
            }
            _ => writer.code("", &source),
        }
    }
    Ok(writer.finish(count(cells.len(), "cell")))
}

/// A cell of text. Pictures that lie in the cell itself are left out: they would be pages of letters.
fn markdown(writer: &mut Writer, source: &str) {
    let text = without_data(source.trim_end());
    let text = text.trim_start_matches(['\n', '\r']);
    if !text.is_empty() {
        writer.block(text);
    }
}

/// The text with `data:` addresses shortened.
fn without_data(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(";base64,") {
        let end = at + ";base64,".len();
        out.push_str(&rest[..end]);
        rest = rest[end..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+/=".contains(c));
        out.push_str("...");
    }
    out.push_str(rest);
    out
}

fn output(writer: &mut Writer, output: &Value) {
    let kind = output.get("output_type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "stream" => shown(writer, &text_of(output.get("text"))),
        "error" | "pyerr" => {
            let trace = text_of(output.get("traceback").filter(|lines| lines.is_array()));
            let name = output.get("ename").and_then(Value::as_str).unwrap_or_default();
            let value = output.get("evalue").and_then(Value::as_str).unwrap_or_default();
            if trace.is_empty() { shown(writer, &format!("{name}: {value}")) } else { shown(writer, &trace) }
        }
        _ => {
            // Up to version 3 the formats stood beside the type, with short names.
            let data = output.get("data").unwrap_or(output);
            let get = |names: &[&str]| names.iter().find_map(|name| data.get(*name)).map(|v| text_of(Some(v)));
            if let Some(text) = get(&["text/markdown"]) {
                markdown(writer, &text);
            } else if let Some(text) = get(&["text/plain", "text"]) {
                shown(writer, &text);
            } else if let Some(text) = get(&["text/latex", "latex", "text/html", "html"]) {
                shown(writer, &text);
            } else if let Some(value) = data.get("application/json") {
                shown(writer, &serde_json::to_string_pretty(value).unwrap_or_default());
            }
            let pictures = ["image/png", "image/jpeg", "image/svg+xml", "image/gif", "png", "jpeg", "svg"];
            if let Some(name) = pictures.iter().find(|name| data.get(**name).is_some()) {
                let mut picture = Inline::default();
                picture.image("output", name);
                writer.paragraph(&picture);
            }
        }
    }
}

/// An output between fences, without its colours.
fn shown(writer: &mut Writer, text: &str) {
    let text = crate::support::sanitize::text(text);
    match crate::support::truncate::head_tail(&text, MOST_OUTPUT) {
        Some(short) => writer.code("output", &short),
        None => writer.code("output", &text),
    }
}

/// A string, or lines of one.
fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(lines)) => {
            let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
            // A traceback has one entry a line, without line breaks; a source has them.
            lines.join(if lines.iter().any(|line| line.ends_with('\n')) { "" } else { "\n" })
        }
        _ => String::new(),
    }
}
