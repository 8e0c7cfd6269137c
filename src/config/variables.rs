//! Variables of the environment and of `.env` files: which of them are ours, and what they may set.

use std::collections::BTreeMap;
use std::path::Path;

use super::dotenv;
use super::fields::{ENDPOINT_VARIABLES, ENDPOINTS, FieldKind, field};
use super::problem::Problem;
use super::settings::{Key, Layer, Settings, Settled, Source};
use super::value::{self, Typed};
use crate::support::secret::Secret;

/// One variable and where it stands.
struct Variable {
    name: String,
    value: String,
    source: Source,
    line: Option<usize>,
}

/// The variables of one layer.
pub(super) struct Variables {
    layer: Layer,
    list: Vec<Variable>,
}

/// Reads a `.env`. Lines that are no assignments are problems in the user's own file; in a folder's file only those that
/// concern a variable of ours, since the file is written for other programs too.
pub(super) fn dotenv(text: &str, file: &Path, layer: Layer, problems: &mut Vec<Problem>) -> Variables {
    let (assignments, faults) = dotenv::parse(text);
    for fault in faults {
        if layer == Layer::OwnDotEnv || endpoint_of(&fault.name).is_some() {
            let problem = Problem::new(fault.name, fault.message).at(file, Some(fault.line));
            problems.push(problem.hint("Write NAME=value, with quotes around a value that has spaces."));
        }
    }
    let source = Source::DotEnv(file.to_owned());
    let list = assignments.into_iter().map(|assignment| Variable {
        name: assignment.name,
        value: assignment.value,
        source: source.clone(),
        line: Some(assignment.line),
    });
    Variables { layer, list: list.collect() }
}

impl Variables {
    /// Those of the process.
    pub(super) fn of_environment(env: &BTreeMap<String, String>) -> Self {
        let variable = |(name, value): (&String, &String)| Variable {
            name: name.clone(),
            value: value.clone(),
            source: Source::Env(name.clone()),
            line: None,
        };
        Self { layer: Layer::Env, list: env.iter().map(variable).collect() }
    }

    /// All of them, ours or not, by name.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        self.list.iter().map(|variable| (variable.name.clone(), variable.value.clone()))
    }

    /// Takes over those that are ours. An empty one counts as not set.
    pub(super) fn apply(&self, settings: &mut Settings, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
        for variable in &self.list {
            let Some((endpoint, prefix)) = endpoint_of(&variable.name) else { continue };
            let suffix = &variable.name[prefix.len()..];
            let Some((_, name)) = ENDPOINT_VARIABLES.iter().find(|(known, _)| *known == suffix) else {
                warnings.push(variable.place(unknown(&variable.name, prefix, suffix)));
                continue;
            };
            if variable.value.trim().is_empty() {
                continue;
            }
            if self.layer == Layer::FolderDotEnv && *name == "supports_streaming" {
                let problem = Problem::new(
                    variable.name.clone(),
                    "is left out: a folder's .env sets only keys, models and base URLs",
                );
                warnings.push(variable.place(problem.hint("Set it in your config file or in the environment.")));
                continue;
            }
            self.set(variable, endpoint, name, settings, problems);
        }
    }

    fn set(
        &self,
        variable: &Variable,
        endpoint: &str,
        name: &str,
        settings: &mut Settings,
        problems: &mut Vec<Problem>,
    ) {
        let path = format!("{endpoint}.{name}");
        let Some(field) = field(&path) else { return };
        let of_folder = self.layer == Layer::FolderDotEnv;
        let typed = value::from_text(field.kind, &variable.value);
        let wrong = match &typed {
            Ok(typed) => value::check(field.kind, typed).into_iter().next(),
            Err(wrong) => Some(wrong.clone()),
        };
        // What a folder gets wrong is as if it had not been said.
        if matches!(name, "model" | "base_url") && !(of_folder && wrong.is_some()) {
            settings.speaks_of(endpoint, self.layer);
        }
        match (typed, wrong) {
            (Ok(Typed::Text(key)), None) if field.kind == FieldKind::Key => {
                let key = Key { secret: Secret::new(key), layer: self.layer, source: variable.source.clone() };
                settings.set_key(endpoint, key);
            }
            (Ok(value), None) => {
                let (layer, source) = (self.layer, variable.source.clone());
                settings.set(&path, Settled { value, layer, source, line: variable.line });
            }
            (_, Some(wrong)) => {
                let mut message = wrong.message;
                if of_folder {
                    message.push_str("; it is left out");
                } else {
                    settings.refused.insert(path);
                }
                let mut problem = Problem::new(variable.name.clone(), message);
                problem.hint = wrong.hint;
                problems.push(variable.place(problem));
            }
            (Err(_), None) => {}
        }
    }
}

impl Variable {
    fn place(&self, problem: Problem) -> Problem {
        match self.source.file() {
            Some(file) => problem.at(file, self.line),
            None => problem,
        }
    }
}

/// The endpoint that a variable's name begins with, and that beginning.
fn endpoint_of(name: &str) -> Option<(&'static str, &'static str)> {
    ENDPOINTS.iter().find(|endpoint| name.starts_with(endpoint.env_prefix)).map(|found| (found.path, found.env_prefix))
}

fn unknown(name: &str, prefix: &str, suffix: &str) -> Problem {
    let near = ENDPOINT_VARIABLES.iter().map(|(known, _)| (strsim::damerau_levenshtein(suffix, known), *known)).min();
    let hint = if let Some((_, known)) = near.filter(|(distance, _)| *distance <= 3) {
        format!("Did you mean {prefix}{known}?")
    } else {
        let known: Vec<_> = ENDPOINT_VARIABLES.iter().map(|(known, _)| format!("{prefix}{known}")).collect();
        format!("Known are {}.", known.join(", "))
    };
    Problem::new(name, "is no variable that okcvm knows").hint(hint)
}
