//! The form of one endpoint: what is typed, what is wrong with it, and what it would change.

use std::fmt;
use std::sync::Arc;

use super::{Trial, TrialKey};
use crate::config::{Change, EndpointName, Preset, ShownValue, Source, check_value};
use crate::support::secret::Secret;
use crate::tui::pane::line_input::LineInput;

/// An endpoint as it is configured now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) model: String,
    pub(super) base_url: String,
    pub(super) key: PresentKey,
    pub(super) streaming: bool,
    /// Values that another layer than the file gives, each with its source: saving does not change them.
    pub(super) elsewhere: Vec<(String, String)>,
}

/// The key that is configured now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PresentKey {
    None,
    /// The key itself is set, somewhere.
    Set {
        in_file: bool,
    },
    /// A variable is named.
    Variable(String),
}

impl Present {
    /// Reads one endpoint out of the list of values.
    pub(super) fn of(values: &[ShownValue], endpoint: &str) -> Self {
        let find = |field: &str| {
            let path = format!("{endpoint}.{field}");
            values.iter().find(|row| row.path == path && row.value != "[not set]" && row.source != Source::Default)
        };
        let text = |field: &str| find(field).map(|row| row.value.clone()).unwrap_or_default();
        // A variable first: what it holds is listed as the key too.
        let key = match (find("api_key_env"), find("api_key")) {
            (Some(row), _) => PresentKey::Variable(row.value.clone()),
            (None, Some(row)) => PresentKey::Set { in_file: matches!(row.source, Source::File(_)) },
            (None, None) => PresentKey::None,
        };
        let from_variable = |row: &ShownValue| matches!((&row.source, &key), (Source::Env(name), PresentKey::Variable(named)) if name == named);
        let elsewhere = ["model", "base_url", "api_key", "api_key_env", "supports_streaming"]
            .into_iter()
            .filter_map(find)
            .filter(|row| !matches!(row.source, Source::File(_)) && !from_variable(row))
            .map(|row| (row.path.clone(), row.source.to_string()))
            .collect();
        Self {
            model: text("model"),
            base_url: text("base_url").trim().trim_end_matches('/').to_owned(),
            key,
            streaming: text("supports_streaming") != "false",
            elsewhere,
        }
    }

    pub(super) fn is_set(&self) -> bool {
        !self.model.is_empty() || !self.base_url.is_empty()
    }
}

/// Where the key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFrom {
    /// The one that is configured.
    Present,
    /// Typed here, kept in the file.
    Typed,
    /// A variable of the environment.
    Variable,
    /// No key.
    Nowhere,
}

impl KeyFrom {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Present => "the one that is set now",
            Self::Typed => "typed here, kept in the file",
            Self::Variable => "an environment variable",
            Self::Nowhere => "no key",
        }
    }
}

/// A row of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    BaseUrl,
    KeyFrom,
    Key,
    Variable,
    Model,
    Streaming,
    Pick,
    Test,
    Save,
    Remove,
}

/// What is typed for one endpoint. Its `Debug` shows no key.
pub(super) struct Form {
    pub(super) endpoint: &'static EndpointName,
    /// The provider's name, for the title.
    pub(super) provider: String,
    pub(super) present: Present,
    pub(super) base_url: LineInput,
    pub(super) key_from: KeyFrom,
    pub(super) key: LineInput,
    pub(super) variable: LineInput,
    pub(super) model: LineInput,
    pub(super) streaming: bool,
    pub(super) example: &'static str,
    /// The provider refuses requests without a key.
    pub(super) needs_key: bool,
    pub(super) focus: Row,
    /// Whether a variable is set.
    has_variable: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// A first attempt was made: problems of untouched rows are told too.
    pub(super) tried: bool,
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form")
            .field("endpoint", &self.endpoint.path)
            .field("focus", &self.focus)
            .finish_non_exhaustive()
    }
}

impl Form {
    /// The form for a provider, or for the endpoint as it is configured now.
    pub(super) fn new(
        endpoint: &'static EndpointName,
        preset: Option<&Preset>,
        now: Present,
        has_variable: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    ) -> Self {
        let base_url = preset.map_or(now.base_url.as_str(), |preset| preset.base_url).to_owned();
        let same = now.is_set() && base_url.trim_end_matches('/') == now.base_url;
        let variable = match (&now.key, preset.and_then(|preset| preset.key_env)) {
            (PresentKey::Variable(name), _) if same => name.clone(),
            (_, Some(name)) => name.to_owned(),
            _ => String::new(),
        };
        let needs_key = preset.is_some_and(|preset| preset.needs_key);
        let key_from = match &now.key {
            PresentKey::Variable(_) if same => KeyFrom::Variable,
            PresentKey::Set { .. } if same => KeyFrom::Present,
            _ if !variable.is_empty() && has_variable(&variable) => KeyFrom::Variable,
            _ if needs_key || preset.is_some_and(|preset| preset.base_url.is_empty()) => KeyFrom::Typed,
            _ if endpoint.path != "chat" && !same => KeyFrom::Typed,
            _ => KeyFrom::Nowhere,
        };
        let model = if same { now.model.clone() } else { String::new() };
        let mut form = Self {
            endpoint,
            provider: preset.map_or_else(|| endpoint.title.to_owned(), |preset| preset.name.to_owned()),
            base_url: LineInput::new(&base_url),
            key_from,
            key: LineInput::new(""),
            variable: LineInput::new(&variable),
            model: LineInput::new(&model),
            streaming: if same { now.streaming } else { true },
            example: preset.map_or("", |preset| preset.example_model),
            needs_key,
            present: now,
            has_variable,
            focus: Row::BaseUrl,
            tried: false,
        };
        // Start where something is missing.
        form.focus = form.first_problem().map_or(Row::Save, |(row, _)| row);
        form
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = vec![Row::BaseUrl, Row::KeyFrom];
        match self.key_from {
            KeyFrom::Typed => rows.push(Row::Key),
            KeyFrom::Variable => rows.push(Row::Variable),
            KeyFrom::Present | KeyFrom::Nowhere => {}
        }
        rows.extend([Row::Model, Row::Pick]);
        if self.is_chat() {
            rows.extend([Row::Streaming, Row::Test]);
        }
        rows.push(Row::Save);
        if self.present.is_set() && !self.is_chat() {
            rows.push(Row::Remove);
        }
        rows
    }

    pub(super) fn is_chat(&self) -> bool {
        self.endpoint.path == "chat"
    }

    /// Moves the focus.
    pub(super) fn step(&mut self, forward: bool) {
        let rows = self.rows();
        let at = rows.iter().position(|row| *row == self.focus).unwrap_or(0);
        let next = if forward { (at + 1).min(rows.len() - 1) } else { at.saturating_sub(1) };
        self.focus = rows[next];
    }

    /// The text of the row that has the focus.
    pub(super) fn input(&mut self) -> Option<&mut LineInput> {
        match self.focus {
            Row::BaseUrl => Some(&mut self.base_url),
            Row::Key => Some(&mut self.key),
            Row::Variable => Some(&mut self.variable),
            Row::Model => Some(&mut self.model),
            _ => None,
        }
    }

    /// Whether the row that has the focus holds nothing yet.
    pub(super) fn holds_nothing(&self) -> bool {
        match self.focus {
            Row::BaseUrl => self.base_url.text().is_empty(),
            Row::Key => self.key.text().is_empty(),
            Row::Variable => self.variable.text().is_empty(),
            Row::Model => self.model.text().is_empty(),
            _ => false,
        }
    }

    /// Takes the next, or the former, source of the key.
    pub(super) fn choose_key(&mut self, forward: bool) {
        let mut choices = vec![KeyFrom::Typed, KeyFrom::Variable, KeyFrom::Nowhere];
        if matches!(self.present.key, PresentKey::Set { .. }) {
            choices.insert(0, KeyFrom::Present);
        }
        let at = choices.iter().position(|choice| *choice == self.key_from).unwrap_or(0);
        let step = if forward { 1 } else { choices.len() - 1 };
        self.key_from = choices[(at + step) % choices.len()];
    }

    fn base_url_text(&self) -> String {
        self.base_url.text().trim().trim_end_matches('/').to_owned()
    }

    /// What is wrong with a row.
    pub(super) fn problem(&self, row: Row) -> Option<String> {
        let path = |field: &str| format!("{}.{field}", self.endpoint.path);
        match row {
            Row::BaseUrl => match self.base_url_text().as_str() {
                "" => Some("the address is missing, such as https://api.example.com/v1".to_owned()),
                url if !url.contains("://") => Some("an address begins with http:// or https://".to_owned()),
                url => check_value(&path("base_url"), url).err(),
            },
            Row::KeyFrom if self.key_from == KeyFrom::Present && self.base_url_text() != self.present.base_url => {
                // A key must not go to another address than the one that it was given for.
                Some(format!("that key belongs to {}; type one for the new address", self.present.base_url))
            }
            Row::KeyFrom if self.key_from == KeyFrom::Nowhere && self.needs_key => {
                Some(format!("{} refuses requests without a key", self.provider))
            }
            Row::Key if self.key_from == KeyFrom::Typed => match self.key.text().trim() {
                "" => Some("type or paste the key, or choose where it comes from".to_owned()),
                key if key.contains(char::is_whitespace) => Some("a key has no spaces in it".to_owned()),
                key => check_value(&path("api_key"), key).err(),
            },
            Row::Variable if self.key_from == KeyFrom::Variable => match self.variable.text().trim() {
                "" => Some("the name of the variable is missing, such as MY_API_KEY".to_owned()),
                name => check_value(&path("api_key_env"), name).err().or_else(|| self.unset(name)),
            },
            Row::Model => match self.model.text().trim() {
                "" if self.example.is_empty() => Some("the name of the model is missing".to_owned()),
                "" => Some(format!("the name of the model is missing, such as {}", self.example)),
                name => check_value(&path("model"), name).err(),
            },
            _ => None,
        }
    }

    /// A variable that nobody set is a key that is missing, unless another layer brings one.
    fn unset(&self, name: &str) -> Option<String> {
        let key = format!("{}.api_key", self.endpoint.path);
        let needless = self.present.elsewhere.iter().any(|(path, _)| *path == key);
        (!needless && !(self.has_variable)(name))
            .then(|| format!("{name} is not set; set it before okcvm starts or in a .env beside the config file"))
    }

    /// The first row with a problem.
    pub(super) fn first_problem(&self) -> Option<(Row, String)> {
        self.rows().into_iter().find_map(|row| Some((row, self.problem(row)?)))
    }

    /// The first problem that stands in the way of asking for the models.
    pub(super) fn first_problem_before_model(&self) -> Option<(Row, String)> {
        self.first_problem().filter(|(row, _)| *row != Row::Model)
    }

    pub(super) fn trial(&self) -> Trial {
        let key = match self.key_from {
            KeyFrom::Present => TrialKey::Present,
            KeyFrom::Typed => TrialKey::Typed(Secret::new(self.key.text().trim())),
            KeyFrom::Variable => TrialKey::Variable(self.variable.text().trim().to_owned()),
            KeyFrom::Nowhere => TrialKey::None,
        };
        Trial {
            endpoint: self.endpoint.path,
            model: self.model.text().trim().to_owned(),
            base_url: self.base_url_text(),
            key,
            streaming: self.streaming,
        }
    }

    /// What has to be written. With `hide` the key is a mark, for the screen.
    pub(super) fn changes(&self, hide: bool) -> Vec<Change> {
        let path = |field: &str| format!("{}.{field}", self.endpoint.path);
        let mut changes = Vec::new();
        let mut set = |field: &str, now: &str, wanted: String| {
            if wanted != now {
                changes.push(Change::Set(path(field), wanted));
            }
        };
        set("model", &self.present.model, self.model.text().trim().to_owned());
        set("base_url", &self.present.base_url, self.base_url_text());
        // What the file holds may be hidden by another layer: the other way to give a key goes in any case.
        match self.key_from {
            KeyFrom::Present => {}
            KeyFrom::Typed => {
                changes.push(Change::Remove(path("api_key_env")));
                let key = if hide { super::review::KEY_MARK } else { self.key.text().trim() };
                changes.push(Change::Set(path("api_key"), key.to_owned()));
            }
            KeyFrom::Variable => {
                changes.push(Change::Remove(path("api_key")));
                let name = self.variable.text().trim().to_owned();
                if self.present.key != PresentKey::Variable(name.clone()) {
                    changes.push(Change::Set(path("api_key_env"), name));
                }
            }
            KeyFrom::Nowhere => {
                changes.push(Change::Remove(path("api_key")));
                changes.push(Change::Remove(path("api_key_env")));
            }
        }
        if self.streaming != self.present.streaming {
            changes.push(Change::Set(path("supports_streaming"), self.streaming.to_string()));
        }
        changes
    }
}
