//! Reads the config file and tells everything that is wrong with it, in one go.

use std::path::Path;

use serde_yaml::Value;

use super::fields::{Field, FieldKind, field, names_below, nearest};
use super::outline::Outline;
use super::problem::Problem;
use super::settings::{Key, Layer, Settings, Settled, Source};
use super::value::{self, Typed, Wrong};
use crate::support::secret::Secret;

/// Brackets of a file at most: the YAML library takes minutes over a hundred thousand that stand in each other.
const MOST_BRACKETS: usize = 2_000;

/// Takes over what the file sets; what it gets wrong goes to `problems`.
pub(super) fn read_file(text: &str, file: &Path, settings: &mut Settings, problems: &mut Vec<Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > MOST_BRACKETS {
        problems.push(Problem::new("", "holds more brackets than any configuration needs").at(file, None));
        return;
    }
    let parsed = serde_yaml::from_str::<Value>(text).and_then(|mut value| value.apply_merge().map(|()| value));
    match parsed {
        Ok(root) => {
            // Only what the library took: it is not as patient with texts made to be slow as a scan of lines.
            let mut reader = Reader { file, outline: Outline::of(text), settings, problems };
            match &root {
                Value::Null => {}
                Value::Mapping(_) => reader.block("", &root),
                other => {
                    let message = format!("expected a block of settings, found {}", value::found(other));
                    reader.problem("", Problem::new("", message));
                }
            }
        }
        Err(error) => {
            let told = syntax(&error, text);
            problems.extend(told.into_iter().map(|(problem, line)| problem.at(file, line)));
        }
    }
}

/// What the YAML library says, as problems with lines.
fn syntax(error: &serde_yaml::Error, text: &str) -> Vec<(Problem, Option<usize>)> {
    let whole = error.to_string();
    let message = whole.rfind(" at line ").map_or(whole.as_str(), |end| &whole[..end]);
    if message.contains("duplicate entry") {
        let outline = Outline::of(text);
        let twice = outline.entries.iter().filter_map(|entry| {
            let line = outline.second_line_of(&entry.path)?;
            (line == entry.line + 1).then(|| {
                let problem = Problem::new(entry.path.clone(), "is set twice");
                (problem.hint("Remove one of the two lines."), Some(line))
            })
        });
        let twice: Vec<_> = twice.collect();
        if !twice.is_empty() {
            return twice;
        }
    }
    if message.contains("more than one document") {
        let line = text.lines().enumerate().skip(1).find(|(_, line)| line.starts_with("---"));
        let problem =
            Problem::new("", "holds more than one YAML document").hint("Remove all lines that begin with ---.");
        return vec![(problem, line.map(|(index, _)| index + 1))];
    }
    let line = error.location().map(|at| at.line());
    let tab = line
        .and_then(|line| text.lines().nth(line - 1))
        .is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'));
    let hint = if tab {
        "YAML is indented with spaces; replace the tab."
    } else {
        "Check this line and the one before it: indentation, colons, quotes."
    };
    vec![(Problem::new("", format!("is not valid YAML: {message}")).hint(hint), line)]
}

struct Reader<'a> {
    file: &'a Path,
    outline: Outline,
    settings: &'a mut Settings,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, path: &str, problem: Problem) {
        let line = self.outline.line_of(path);
        self.problems.push(problem.at(self.file, line));
    }

    fn block(&mut self, block: &str, value: &Value) {
        let Value::Mapping(map) = value else { return };
        if let (false, Some(line)) = (block.is_empty(), self.outline.line_of(block)) {
            self.settings.block_lines.insert(block.to_owned(), line);
        }
        for (name, value) in map {
            let Value::String(name) = name else {
                self.problem(block, Problem::new(block, "has a name that is not text"));
                continue;
            };
            let path = if block.is_empty() { name.clone() } else { format!("{block}.{name}") };
            if let Some(field) = field(&path) {
                self.field(field, value);
            } else if !names_below(&path).is_empty() {
                match value {
                    Value::Null => {}
                    Value::Mapping(_) => self.block(&path, value),
                    other => {
                        let message = format!("expected a block of settings, found {}", value::found(other));
                        let hint =
                            format!("Indent its settings on lines of their own: {}.", names_below(&path).join(", "));
                        self.problem(&path, Problem::new(path.clone(), message).hint(hint));
                    }
                }
            } else {
                self.unknown(block, name, &path);
            }
        }
        self.one_key(block, value);
    }

    fn unknown(&mut self, block: &str, name: &str, path: &str) {
        let hint = match nearest(block, name) {
            Some(known) if known.contains('.') => format!("Its place is {known}."),
            Some(known) => format!("Did you mean {known}?"),
            None => format!("Known here: {}.", names_below(block).join(", ")),
        };
        self.problem(path, Problem::new(path, "unknown field").hint(hint));
    }

    fn field(&mut self, field: &Field, value: &Value) {
        match value::from_yaml(field.kind, value) {
            Ok(None) => {}
            Ok(Some(typed)) => {
                self.speaks_of(&field.path);
                let wrongs = value::check(field.kind, &typed);
                let is_right = wrongs.is_empty();
                for wrong in wrongs {
                    self.wrong(&field.path, wrong);
                }
                // The other items of a list of paths are looked at later, so that all that is wrong comes at once.
                if !is_right && field.kind != FieldKind::PathList {
                    return;
                }
                if field.kind == FieldKind::Key {
                    self.key(&field.path, typed);
                } else {
                    let line = self.outline.line_of(&field.path);
                    let source = Source::File(self.file.to_owned());
                    self.settings.set(&field.path, Settled { value: typed, layer: Layer::File, source, line });
                }
            }
            Err(wrong) => {
                self.speaks_of(&field.path);
                self.wrong(&field.path, wrong);
            }
        }
    }

    /// Notes that an endpoint's block has something in it.
    fn speaks_of(&mut self, path: &str) {
        if let Some((block, _)) = path.rsplit_once('.')
            && super::fields::ENDPOINTS.iter().any(|endpoint| endpoint.path == block)
        {
            self.settings.present.insert(block.to_owned());
        }
    }

    fn wrong(&mut self, path: &str, wrong: Wrong) {
        self.settings.refused.insert(path.to_owned());
        let place = format!("{path}{}", wrong.place);
        let mut problem = Problem::new(place.clone(), wrong.message);
        problem.hint = wrong.hint;
        self.problem(&place, problem);
    }

    fn key(&mut self, path: &str, typed: Typed) {
        if let (Typed::Text(key), Some(endpoint)) = (typed, path.strip_suffix(".api_key")) {
            let source = Source::File(self.file.to_owned());
            self.settings.set_key(endpoint, Key { secret: Secret::new(key), layer: Layer::File, source });
        }
    }

    fn one_key(&mut self, block: &str, value: &Value) {
        let set = |name: &str| value.get(name).is_some_and(|value| !value.is_null());
        if field(&format!("{block}.api_key")).is_some() && set("api_key") && set("api_key_env") {
            let path = format!("{block}.api_key_env");
            let problem = Problem::new(path.clone(), "is set together with api_key");
            self.problem(&path, problem.hint("Keep one of the two."));
        }
    }
}
