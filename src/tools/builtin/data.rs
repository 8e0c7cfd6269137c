//! Data sources: what they can be asked, and asking them. Long answers are saved as CSV, and told in short.

use std::ffi::OsStr;
use std::fmt::Write as _;

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::data_source::{self, Data, DataError, DataSource, Table};
use crate::protocol::{Artifact, ArtifactKind};
use crate::support::{sanitize, truncate};
use crate::tools::args;
use crate::tools::dispatch::Machine;
use crate::tools::online::Online;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput, blocking};
use crate::workspace::Workspace;

/// Rows of a table that are told.
const MOST_ROWS: usize = 20;
/// Where tables are saved.
const FOLDER: &str = "data";
/// Names that are tried.
const MOST_TRIES: usize = 1_000;
/// Characters of a fact.
const MOST_FACT: usize = 2_000;

/// Says what a source can be asked.
#[derive(Debug)]
pub(super) struct Describe;

/// Asks a source.
#[derive(Debug)]
pub(super) struct Ask;

impl Tool for Describe {
    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let source = source(&cx.machine.online, args::text(&args, "data_source_name"))?;
            Ok(ToolOutput::text(data_source::described(source)))
        })
    }
}

impl Tool for Ask {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let ToolContext { machine, cancel, .. } = cx;
            let source = source(&machine.online, args::text(&args, "data_source_name"))?;
            let api = args::text(&args, "api_name");
            let empty = Map::new();
            let params = args.get("params").and_then(Value::as_object).unwrap_or(&empty);
            let told = |error: DataError| {
                let hint = match error {
                    DataError::Call(_) => ". mshtools-get_data_source_desc describes the APIs",
                    _ => "",
                };
                let why = error.to_string();
                ToolError::ForModel(format!("{}{hint}", why.trim_end_matches('.')))
            };
            let given = data_source::checked(source, api, params).map_err(told)?;
            let asked = cancel.run_until_cancelled(source.call(api, &given)).await;
            let data = asked.ok_or(ToolError::Cancelled)?.map_err(told)?;
            let subject = given.get("symbol").or_else(|| given.get("symbols")).or_else(|| given.get("query"));
            shown(machine, api, subject.unwrap_or_default(), data).await
        })
    }
}

fn source<'a>(online: &'a Online, name: &str) -> Result<&'a dyn DataSource, ToolError> {
    let found = online.sources().find(|source| source.name() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = online.sources().map(DataSource::name).collect();
        let name = truncate::prefix(name, 100);
        ToolError::ForModel(format!("there is no data source {name:?}; there are: {}", names.join(", ")))
    })
}

/// The answer as the model reads it; tables that are cut are saved whole.
async fn shown(machine: &Machine, api: &str, subject: &str, data: Data) -> Result<ToolOutput, ToolError> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let mut text = format!("{} (asked {now})\n", sanitize::line(&data.title));
    for (name, value) in data.facts.iter().filter(|(_, value)| !value.is_empty()) {
        let cut = truncate::prefix(value, MOST_FACT);
        let _ = writeln!(text, "{name}: {}{}", sanitize::line(cut), if cut.len() < value.len() { "…" } else { "" });
    }
    for note in &data.notes {
        let _ = writeln!(text, "Note: {}", sanitize::line(note));
    }
    let mut artifacts = Vec::new();
    for (name, table) in data.tables {
        let rows = table.rows.len();
        let _ = writeln!(text, "\n{} ({rows} rows):\n{}", sanitize::line(&name), table.to_markdown(MOST_ROWS));
        if rows > MOST_ROWS {
            let wanted = file_name(&[subject, api, &name]);
            let workspace = machine.workspace.clone();
            let path = match blocking(move || keep(&workspace, &wanted, &table)).await {
                Ok(path) => path,
                Err(ToolError::ForModel(why)) => {
                    let _ = writeln!(text, "Note: not all rows are here, and the table could not be saved: {why}");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let _ = writeln!(text, "All {rows} rows are in {path}.");
            let place = machine.workspace.resolve(&path).ok();
            let host_path = place.map(|place| machine.workspace.host_path().join(place.relative()));
            artifacts.push(Artifact::at(ArtifactKind::File, path).on_host(host_path));
        }
    }
    Ok(ToolOutput { artifacts, ..ToolOutput::text(text.trim_end().to_owned()) })
}

/// Saves a table under a name that is free.
fn keep(workspace: &Workspace, wanted: &str, table: &Table) -> Result<String, ToolError> {
    let folder = workspace.resolve(FOLDER)?;
    workspace.create_dirs(&folder)?;
    let csv = table.to_csv();
    for number in 1..MOST_TRIES {
        let name = if number == 1 { format!("{wanted}.csv") } else { format!("{wanted}-{number}.csv") };
        let Some(path) = folder.join(OsStr::new(&name)) else { break };
        if workspace.write_new(&path, &csv)? {
            return Ok(path.shown().to_owned());
        }
    }
    Err(ToolError::ForModel(format!("{FOLDER}/ holds too many files that are called {wanted}")))
}

/// A name of these words, each once.
fn file_name(words: &[&str]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for word in words {
        let kept = word.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        let kept: String = kept.take(40).collect();
        let kept = kept.trim_matches('-').to_owned();
        if !kept.is_empty() && !parts.contains(&kept) {
            parts.push(kept);
        }
    }
    if parts.is_empty() { "table".to_owned() } else { parts.join("-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_made_of_letters() {
        assert_eq!(file_name(&["^GSPC", "history", "history"]), "gspc-history");
        assert_eq!(file_name(&["../../x", "a b"]), "x-a-b");
        assert_eq!(file_name(&["", "..."]), "table");
    }
}
