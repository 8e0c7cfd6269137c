//! Searches the web, for pages and for pictures.

use std::fmt::Write as _;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::protocol::ToolStatus;
use crate::search::{self, Hit, Pages, Picture, Provider, SearchError};
use crate::support::{sanitize, truncate};
use crate::tools::online::Online;
use crate::tools::tool::{Tool, ToolContext, ToolError, ToolOutput};

/// Queries of one call.
const MOST_QUERIES: usize = 10;
/// Characters of a query.
const MOST_QUERY: usize = 400;
/// Hits that are told.
const MOST_HITS: usize = 40;
/// Pictures that may be asked for.
const MOST_PICTURES: i64 = 100;
/// Characters of a snippet.
const MOST_SNIPPET: usize = 300;
/// Characters of an answer that stands for itself.
const MOST_ANSWER: usize = 1000;

/// Searches for pages.
#[derive(Debug)]
pub(super) struct WebSearch;

/// Searches for pictures.
#[derive(Debug)]
pub(super) struct ImageSearch;

impl Tool for WebSearch {
    fn why_not(&self, online: &Online) -> Option<String> {
        online.search().err().map(ToString::to_string)
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let ToolContext { machine, cancel, .. } = cx;
            let queries = queries(&args)?;
            let provider = provider(&machine.online)?;
            let asked = search::ask_each(provider, &queries, |query| provider.web(query));
            let answers = cancel.run_until_cancelled(asked).await.ok_or(ToolError::Cancelled)?;
            let mut outcome = Outcome::of(&queries, answers, "page", Pages::is_empty);
            let pages = std::mem::take(&mut outcome.found).into_iter();
            let (found, said): (Vec<_>, Vec<_>) = pages.map(|pages| (pages.hits, pages.answers)).unzip();
            let hits = search::merged(found);
            let mut text = match outcome.without() {
                Some(without) => format!("{} found by {}{without}.\n", counted(hits.len(), "page"), provider.name()),
                None => format!("The search failed: no answer from {}.\n", provider.name()),
            };
            text.push_str(&outcome.told);
            for (query, answers) in queries.iter().zip(&said) {
                for answer in answers {
                    let _ = writeln!(text, "{} answers {query:?}: {}", provider.name(), short(answer, MOST_ANSWER));
                }
            }
            for (query, hit) in hits.iter().take(MOST_HITS) {
                let id = machine.state.citations.of(&hit.url, &hit.title);
                text.push_str(&line_of(id, hit));
                if queries.len() > 1 {
                    let _ = writeln!(text, "(found for {:?})", queries[*query]);
                }
            }
            if hits.len() > MOST_HITS {
                let _ = writeln!(text, "\n{} more are not shown.", hits.len() - MOST_HITS);
            }
            Ok(ToolOutput { status: outcome.status(), ..ToolOutput::text(text.trim_end().to_owned()) })
        })
    }
}

impl Tool for ImageSearch {
    fn why_not(&self, online: &Online) -> Option<String> {
        online.search().err().map(ToString::to_string)
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let ToolContext { machine, cancel, .. } = cx;
            let queries = queries(&args)?;
            let count = args.get("total_count").and_then(Value::as_i64).unwrap_or(10);
            let most = usize::try_from(count).ok().filter(|_| (1..=MOST_PICTURES).contains(&count));
            let most = most.ok_or_else(|| {
                ToolError::ForModel(format!("total_count must be from 1 to {MOST_PICTURES}, not {count}"))
            })?;
            let provider = provider(&machine.online)?;
            let asked = search::ask_each(provider, &queries, |query| provider.pictures(query, most));
            let answers = cancel.run_until_cancelled(asked).await.ok_or(ToolError::Cancelled)?;
            let mut outcome = Outcome::of(&queries, answers, "picture", Vec::is_empty);
            let pictures = search::merged_pictures(std::mem::take(&mut outcome.found), most);
            let mut text = match outcome.without() {
                Some(without) => {
                    format!("Found {} with {}{without}.\n", counted(pictures.len(), "picture"), provider.name())
                }
                None => format!("Found no pictures: no answer from {}.\n", provider.name()),
            };
            text.push_str(&outcome.told);
            if (1..most).contains(&pictures.len()) {
                let _ = writeln!(text, "{most} were wanted; {} gave no more than these.", provider.name());
            }
            for (query, picture) in &pictures {
                text.push_str(&picture_line(picture));
                if queries.len() > 1 {
                    let _ = writeln!(text, "(found for {:?})", queries[*query]);
                }
            }
            Ok(ToolOutput { status: outcome.status(), ..ToolOutput::text(text.trim_end().to_owned()) })
        })
    }
}

/// The queries of a call, each once.
fn queries(args: &Value) -> Result<Vec<String>, ToolError> {
    let wrong = |text: String| Err(ToolError::ForModel(text));
    let given = args.get("queries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut queries: Vec<String> = Vec::new();
    for query in given.iter().filter_map(Value::as_str).map(str::trim).filter(|query| !query.is_empty()) {
        if query.chars().count() > MOST_QUERY {
            return wrong(format!(
                "a query has more than {MOST_QUERY} characters: {:?}...",
                truncate::prefix(query, 80)
            ));
        }
        if queries.iter().all(|known| known != query) {
            queries.push(query.to_owned());
        }
    }
    match queries.len() {
        0 => wrong("queries holds no query".to_owned()),
        count if count > MOST_QUERIES => {
            wrong(format!("{count} queries are too many; at most {MOST_QUERIES} go into one call"))
        }
        _ => Ok(queries),
    }
}

fn provider(online: &Online) -> Result<&dyn Provider, ToolError> {
    online.search().map_err(|error| ToolError::ForModel(error.to_string()))
}

/// What came of the queries of a call.
struct Outcome<T> {
    /// What was found for each query.
    found: Vec<T>,
    /// What is to be said of those that found nothing or have no answer.
    told: String,
    /// How many have an answer.
    answered: usize,
    /// How many have none.
    open: usize,
}

impl<T: Default> Outcome<T> {
    fn of(queries: &[String], answers: Vec<Result<T, SearchError>>, what: &str, is_empty: impl Fn(&T) -> bool) -> Self {
        let mut outcome = Self { found: Vec::new(), told: String::new(), answered: 0, open: 0 };
        for (query, answer) in queries.iter().zip(answers) {
            let found = match answer {
                Ok(found) => {
                    outcome.answered += 1;
                    if is_empty(&found) {
                        let _ = writeln!(outcome.told, "For {query:?} no {what} was found.");
                    }
                    found
                }
                Err(error) => {
                    outcome.open += 1;
                    let why = sanitize::line(&error.to_string());
                    let _ = writeln!(outcome.told, "For {query:?} nothing is known: {}.", why.trim_end_matches('.'));
                    T::default()
                }
            };
            outcome.found.push(found);
        }
        outcome
    }

    /// What the first line says of queries without an answer; `None` where none has one.
    fn without(&self) -> Option<String> {
        let all = self.answered + self.open;
        match self.open {
            0 => Some(String::new()),
            open if open == all => None,
            1 => Some(format!("; 1 of {all} queries has no answer")),
            open => Some(format!("; {open} of {all} queries have no answer")),
        }
    }

    fn status(&self) -> ToolStatus {
        if self.answered > 0 { ToolStatus::Ok } else { ToolStatus::Error }
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A text of others as a part of one line.
fn short(text: &str, most: usize) -> String {
    let line = sanitize::line(text);
    let cut = truncate::prefix(&line, most);
    if cut.len() < line.len() { format!("{}…", cut.trim_end()) } else { line }
}

fn line_of(id: u32, hit: &Hit) -> String {
    let title = if hit.title.is_empty() { "(without a title)".to_owned() } else { short(&hit.title, 200) };
    let mut text = format!("\n[{id}] {title}\n{}\n", short(&hit.url, 1000));
    let date = hit.date.as_deref().map(|date| format!("{} · ", short(date, 40))).unwrap_or_default();
    if !date.is_empty() || !hit.snippet.is_empty() {
        let _ = writeln!(text, "{date}{}", short(&hit.snippet, MOST_SNIPPET));
    }
    text
}

fn picture_line(picture: &Picture) -> String {
    let size = picture.size.map(|(width, height)| format!(", {width} x {height}")).unwrap_or_default();
    let title = if picture.title.is_empty() { "(without a title)".to_owned() } else { short(&picture.title, 200) };
    let mut text = format!("\n- {title}{size}\n  {}\n", short(&picture.url, 1000));
    if let Some(page) = &picture.page {
        let _ = writeln!(text, "  on {}", short(page, 1000));
    }
    text
}
