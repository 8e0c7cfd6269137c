//! An analysis of a table: read it, look at it with pandas, plot it, write a report. Without a table, or where the one
//! that is named is not in the session, one is made up, and said to be so.
//!
//! ```text
//! find or make the table -> read it -> load it in a cell -> plot in a cell -> report in a cell -> findings
//! ```
//!
//! Each cell prints what the next step and the last words are made of; variables stay from one cell to the next.

use serde_json::json;

use super::{Step, quote};
use crate::demo::scene::{Done, Scene, file_lines};

/// What the last cell prints.
const REPORT: &str = "report written to ";

pub(super) fn fits(scene: &Scene) -> bool {
    const WORDS: &[&str] = &[
        "analyse",
        "analyze",
        "analysis",
        "plot",
        "chart",
        "graph",
        "histogram",
        "statistics",
        "pandas",
        "matplotlib",
        "draw",
    ];
    scene.has("ipython") && scene.says(WORDS)
}

/// The table that the prompt names, attached or not.
fn table(scene: &Scene) -> Option<String> {
    let word = |word: &str| {
        let word = word.trim_matches(|c: char| !(c.is_alphanumeric() || "/._-".contains(c)));
        let lower = word.to_lowercase();
        [".csv", ".tsv", ".xlsx"].iter().any(|ending| lower.ends_with(ending)).then(|| word.to_owned())
    };
    // An attached file stands at the end with its whole path.
    let named: Vec<String> = scene.prompt.split_whitespace().filter_map(word).collect();
    named
        .iter()
        .rev()
        .find(|path| path.starts_with('/'))
        .or(named.first())
        .map(|path| if path.starts_with('/') { path.clone() } else { format!("{}/{path}", scene.mount) })
}

pub(super) fn step(scene: &Scene) -> Step {
    let named = table(scene);
    let reads = || scene.did("read_file");
    let unread = |read: &Done| file_lines(&read.output).is_none() && !read.output.contains('|');
    // What the prompt names may not be in the session: then the chart is one of sample data.
    let missing = named.as_ref().filter(|path| {
        reads().any(|read| read.argument("file_path") == path.as_str() && read.output.contains("does not exist"))
    });
    let made_up = named.is_none() || missing.is_some();
    let path = match &named {
        Some(path) if !made_up => path.clone(),
        _ => format!("{}/data/rainfall.csv", scene.mount),
    };
    let cells: Vec<&Done> = scene.did("ipython").collect();
    if let Some(failed) = cells.iter().find(|cell| cell.output.contains("Traceback (most recent call last)")) {
        return Step::say(format!("A cell failed, so I stop here. It said:\n\n{}", quote(&failed.output)));
    }
    let Some(read) = reads().rfind(|read| read.argument("file_path") == path) else {
        if made_up && scene.did("write_file").next().is_none() {
            let why = missing.map_or_else(|| "No table is attached".to_owned(), |path| not_there(path));
            return Step::say(format!("{why}, so I make one up to show how it goes."))
                .thinking("There is no table that I could read. A small one with months and cities is enough.")
                .call("write_file", json!({"file_path": path, "content": RAIN}));
        }
        return Step::say(format!("I look at `{path}` first."))
            .thinking("The first lines tell which columns there are.")
            .call("read_file", json!({"file_path": path, "limit": 12}));
    };
    if unread(read) {
        return Step::say(format!("I cannot read `{path}`:\n\n{}", quote(&read.output)));
    }
    let path = serde_json::to_string(&path).unwrap_or_default();
    let mount = serde_json::to_string(&format!("{}/output", scene.mount)).unwrap_or_default();
    match cells.as_slice() {
        [] => cell("Now I load it.", "pandas tells types and spread at a glance.", &LOAD.replace("PATH", &path)),
        [_] => cell("The table is loaded; a picture says more.", "One line for each group.", PLOT),
        [_, _] => cell(
            "The plot is there. I put findings, plot and table into a report.",
            "A data analysis ends in an HTML report.",
            &WRITE.replace("OUTPUT", &mount),
        ),
        [load, .., report] => finish(made_up, missing.map(String::as_str), load, report),
    }
}

fn cell(text: &str, reasoning: &str, code: &str) -> Step {
    Step::say(text).thinking(reasoning).call("ipython", json!({"code": code}))
}

/// Says what is missing, and how it gets there.
fn not_there(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("`{name}` is not in this session (`/attach {name}`, or `--attach {name}` with `exec`, brings it along)")
}

fn finish(made_up: bool, missing: Option<&str>, load: &Done, report: &Done) -> Step {
    let Some(path) = report.output.lines().find_map(|line| line.trim().strip_prefix(REPORT)) else {
        return Step::say(format!("The report was not written. The cell said:\n\n{}", quote(&report.output)));
    };
    let rows = load.output.lines().find(|line| line.contains(" rows")).unwrap_or_default();
    let findings: Vec<String> = report
        .output
        .lines()
        .filter_map(|line| line.trim().strip_prefix("finding: "))
        .map(|line| format!("- {line}"))
        .collect();
    let note = match missing {
        Some(path) => format!("\n\nThe numbers are made up: {}.", not_there(path)),
        None if made_up => "\n\nThe numbers are made up: attach a CSV file to see your own.".to_owned(),
        None => String::new(),
    };
    Step::say(format!("{rows}\n\n{}\n\nThe report with the plot lies in `{path}`.{note}", findings.join("\n")))
}

const RAIN: &str = "\
city,month,rain_mm
Bergen,1,255
Bergen,4,124
Bergen,7,165
Bergen,10,295
Lisbon,1,110
Lisbon,4,64
Lisbon,7,4
Lisbon,10,101
Tokyo,1,60
Tokyo,4,134
Tokyo,7,157
Tokyo,10,235
";

const LOAD: &str = r#"import pandas as pd
path = PATH
table = pd.read_excel(path) if path.lower().endswith(".xlsx") else pd.read_csv(path, sep=None, engine="python")
numbers = table.select_dtypes("number")
words = [name for name in table.columns if name not in numbers.columns]
print(f"{len(table)} rows, {len(table.columns)} columns: {', '.join(map(str, table.columns))}")
table.describe().round(2)"#;

const PLOT: &str = r#"import matplotlib.pyplot as plt
value = numbers.columns[-1]
along = numbers.columns[0] if len(numbers.columns) > 1 else None
figure, axes = plt.subplots(figsize=(7, 4))
groups = list(table.groupby(words[0])) if words and table[words[0]].nunique() <= 8 else [(str(value), table)]
for name, part in groups:
    x = part[along] if along is not None else range(len(part))
    axes.plot(x, part[value], marker="o", label=str(name))
axes.set_xlabel(str(along) if along is not None else "row")
axes.set_ylabel(str(value))
axes.set_title(f"{value} of {path.rsplit('/', 1)[-1]}")
axes.legend()
plt.show()"#;

const WRITE: &str = r#"import base64, html, io, os
picture = io.BytesIO()
figure.savefig(picture, format="png", dpi=120)
findings = [f"{value} runs from {table[value].min():g} to {table[value].max():g}, {table[value].mean():.1f} on average"]
if len(groups) > 1:
    means = table.groupby(words[0])[value].mean().sort_values()
    findings.append(f"{means.index[-1]} has the highest mean ({means.iloc[-1]:.1f}), {means.index[0]} the lowest ({means.iloc[0]:.1f})")
items = "".join(f"<li>{html.escape(finding)}</li>" for finding in findings)
image = base64.b64encode(picture.getvalue()).decode()
page = (f"<!doctype html><meta charset=utf-8><title>Report</title><h1>{html.escape(str(value))}</h1><ul>{items}</ul>"
        f"<img alt='plot' src='data:image/png;base64,{image}'>{table.head(50).to_html(index=False)}")
os.makedirs(OUTPUT, exist_ok=True)
target = os.path.join(OUTPUT, "report.html")
with open(target, "w", encoding="utf-8") as file:
    file.write(page)
for finding in findings:
    print("finding:", finding)
print("report written to", target)"#;
