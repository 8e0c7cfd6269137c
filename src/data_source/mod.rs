//! Data of the markets and such, by name: each source describes its APIs, and is one file behind one trait.

mod table;
mod yahoo;

use std::fmt::Write as _;

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::config::schema::DataSection;
use crate::support::truncate;

pub use table::Table;

/// Bytes of a text that is given.
const MOST_TEXT: usize = 500;

/// An API of a source.
#[derive(Debug, Clone, Copy)]
pub struct Api {
    /// Its name.
    pub name: &'static str,
    /// What it gives, in a sentence.
    pub about: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// Parameters of an example, as JSON.
    pub example: &'static str,
}

/// A parameter of an API.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it has to be there.
    pub required: bool,
    /// What it means, in a sentence.
    pub about: &'static str,
}

/// What a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// One or more words with commas between, or an array of them.
    Words,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A whole number from 1 to this one.
    Count(u64),
}

impl Kind {
    fn words(self) -> String {
        match self {
            Self::Text => format!("string of at most {MOST_TEXT} bytes"),
            Self::Words => format!("strings with commas between, of at most {MOST_TEXT} bytes"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Date => "date, YYYY-MM-DD".to_owned(),
            Self::Count(most) => format!("number from 1 to {most}"),
        }
    }
}

/// What an API gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Data {
    /// What it is, in a line.
    pub title: String,
    /// Short facts: name and value.
    pub facts: Vec<(String, String)>,
    /// Rows of values; the words name each for a file.
    pub tables: Vec<(String, Table)>,
    /// What the reader has to know, such as how old the figures are.
    pub notes: Vec<String>,
}

/// Why there is no data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The call is wrong.
    #[error("{0}")]
    Call(String),
    /// The source has nothing of that kind.
    #[error("{0}")]
    Nothing(String),
    /// It wants fewer requests.
    #[error("{0} limits how often it is asked; try again later, and ask for less")]
    Limited(&'static str),
    /// It failed, was not reached, or was not understood.
    #[error("{source_name} did not answer: {why}")]
    Failed {
        /// Who.
        source_name: &'static str,
        /// What happened.
        why: String,
    },
}

/// A source of data.
pub trait DataSource: Send + Sync {
    /// Its name, as the model says it.
    fn name(&self) -> &'static str;

    /// What it is, in a sentence or two.
    fn about(&self) -> &'static str;

    /// What it can be asked.
    fn apis(&self) -> &'static [Api];

    /// Asks it. The parameters fit the API.
    fn call<'a>(&'a self, api: &'a str, given: &'a Given) -> BoxFuture<'a, Result<Data, DataError>>;
}

/// Parameters of a call, checked.
#[derive(Debug, Clone, Default)]
pub struct Given(Vec<(&'static str, String)>);

impl Given {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of one that has to be there.
    fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }
}

/// All sources, with these settings. Nothing is connected.
pub fn sources(section: &DataSection) -> Vec<Box<dyn DataSource>> {
    vec![Box::new(yahoo::Yahoo::new(section.yahoo_base_url.as_deref()))]
}

/// What a source can be asked, for a model.
pub fn described(source: &dyn DataSource) -> String {
    let mut text = format!("{}: {}\n", source.name(), source.about());
    for api in source.apis() {
        let _ = write!(text, "\n## {}\n{}\n", api.name, api.about);
        for parameter in api.parameters {
            let required = if parameter.required { "required" } else { "optional" };
            let _ =
                writeln!(text, "- {} ({}, {required}): {}", parameter.name, parameter.kind.words(), parameter.about);
        }
        let _ = writeln!(text, "Example: api_name \"{}\", params {}", api.name, api.example);
    }
    text
}

/// Checks the parameters of a call against its API. `Err` says everything that is wrong with them.
pub fn checked(source: &dyn DataSource, api: &str, params: &Map<String, Value>) -> Result<Given, DataError> {
    let Some(known) = source.apis().iter().find(|known| known.name == api) else {
        let names: Vec<&str> = source.apis().iter().map(|api| api.name).collect();
        return Err(DataError::Call(format!("{} has no API {api:?}; it has: {}", source.name(), names.join(", "))));
    };
    let mut wrong = Vec::new();
    let mut given = Given::default();
    for name in params.keys().filter(|name| known.parameters.iter().all(|known| known.name != name.as_str())) {
        let names: Vec<&str> = known.parameters.iter().map(|parameter| parameter.name).collect();
        wrong.push(format!("{api} has no parameter {name:?}; it has: {}", names.join(", ")));
    }
    for parameter in known.parameters {
        let value = match params.get(parameter.name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => None,
            Some(Value::String(text)) => Some(text.trim().to_owned()),
            Some(Value::Array(list)) if list.is_empty() => None,
            Some(Value::Array(list)) if parameter.kind == Kind::Words => {
                let words = list
                    .iter()
                    .map(|word| word.as_str().map_or_else(|| word.to_string(), |word| word.trim().to_owned()));
                Some(words.collect::<Vec<_>>().join(","))
            }
            Some(Value::Array(_) | Value::Object(_)) => {
                wrong.push(format!("{} must be {}, one of them", parameter.name, parameter.kind.words()));
                continue;
            }
            Some(other) => Some(other.to_string()),
        };
        match value {
            None if parameter.required => wrong.push(format!("{} is missing: {}", parameter.name, parameter.about)),
            None => {}
            Some(value) => match fits(parameter.kind, &value) {
                Ok(value) => given.0.push((parameter.name, value)),
                Err(wanted) => {
                    let value = truncate::prefix(&value, 100);
                    wrong.push(format!("{} is {value:?}, and must be {wanted}", parameter.name));
                }
            },
        }
    }
    if wrong.is_empty() { Ok(given) } else { Err(DataError::Call(wrong.join("\n"))) }
}

/// A value as it is meant, or what it has to be.
fn fits(kind: Kind, value: &str) -> Result<String, String> {
    let good = match kind {
        Kind::Text | Kind::Words => value.len() <= MOST_TEXT && !value.contains(char::is_control),
        Kind::Choice(words) => {
            if let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(value)) {
                return Ok((*word).to_owned());
            }
            false
        }
        Kind::Date => value.parse::<jiff::civil::Date>().is_ok(),
        Kind::Count(most) => value.parse().is_ok_and(|count: u64| (1..=most).contains(&count)),
    };
    if good { Ok(value.to_owned()) } else { Err(kind.words()) }
}
