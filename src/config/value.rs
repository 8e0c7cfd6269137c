//! Single values: read from YAML or from text, and checked by their kind.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::dotenv::is_variable_name;
use super::fields::{FieldKind, field};
use crate::support::host::{HostPattern, Place};

/// A value of the right type. Keys are not held here but as [`crate::support::secret::Secret`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    Text(String),
    Flag(bool),
    Whole(u64),
    List(Vec<String>),
    Map(BTreeMap<String, Vec<String>>),
}

/// What is wrong with a value: where inside it (`""`, `[0]`, `.submit`), what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub place: String,
    pub message: String,
    pub hint: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self { place: String::new(), message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn inside(mut self, place: &str) -> Self {
        self.place = format!("{place}{}", self.place);
        self
    }
}

/// Whether a text would be accepted at a path: `Err` says what it must be. An empty text is not a value.
///
/// The setup screen asks this while the user types; the whole file is checked again when it is loaded.
pub fn check_value(path: &str, text: &str) -> Result<(), String> {
    let Some(field) = field(path) else {
        return Err(format!("there is no setting {path}"));
    };
    let typed = from_text(field.kind, text).map_err(|wrong| wrong.message)?;
    check(field.kind, &typed).into_iter().next().map_or(Ok(()), |wrong| Err(wrong.message))
}

/// Reads a value from text, as variables, flags and the setup screen give it.
pub(super) fn from_text(kind: FieldKind, text: &str) -> Result<Typed, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Wrong::new(format!("is empty, expected {}", kind.expected())));
    }
    let expected = || Wrong::new(format!("expected {}", kind.expected()));
    match kind {
        FieldKind::Text | FieldKind::Key | FieldKind::Variable | FieldKind::Url | FieldKind::Path => {
            Ok(Typed::Text(text.to_owned()))
        }
        FieldKind::Choice(_) => Ok(Typed::Text(text.to_owned())),
        FieldKind::Flag => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Typed::Flag(true)),
            "false" | "no" | "off" | "0" => Ok(Typed::Flag(false)),
            _ => Err(expected()),
        },
        FieldKind::Whole(..) => text.parse().map(Typed::Whole).map_err(|_| expected()),
        FieldKind::PathList
        | FieldKind::VariableList
        | FieldKind::HostList
        | FieldKind::PlaceList
        | FieldKind::PortList => {
            let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
            let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Typed::List(items.map(str::to_owned).collect()))
        }
        FieldKind::ChordMap => match text {
            "{}" => Ok(Typed::Map(BTreeMap::new())),
            _ => Err(Wrong::new("is set action by action")),
        },
    }
}

/// Reads a value from the file; `None` for a null, which counts as not set.
pub(super) fn from_yaml(kind: FieldKind, value: &Value) -> Result<Option<Typed>, Wrong> {
    let typed = match (kind, value) {
        (_, Value::Null) => return Ok(None),
        (FieldKind::Flag, Value::Bool(flag)) => Typed::Flag(*flag),
        (FieldKind::Whole(..), Value::Number(number)) if number.as_u64().is_some() => {
            Typed::Whole(number.as_u64().unwrap_or_default())
        }
        (FieldKind::Whole(low, high), Value::Number(_)) => {
            return Err(Wrong::new(format!("must be a whole number from {low} to {high}")));
        }
        (FieldKind::PortList, Value::Sequence(items)) => {
            let item = |(index, item): (usize, &Value)| match item {
                Value::Number(number) => Ok(number.to_string()),
                other => {
                    Err(Wrong::new(format!("expected a port, found {}", found(other))).inside(&format!("[{index}]")))
                }
            };
            Typed::List(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        (
            FieldKind::PathList | FieldKind::VariableList | FieldKind::HostList | FieldKind::PlaceList,
            Value::Sequence(items),
        ) => {
            let item = |(index, item): (usize, &Value)| text_of(item).map_err(|w| w.inside(&format!("[{index}]")));
            Typed::List(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        (FieldKind::ChordMap, Value::Mapping(map)) => {
            let mut chords = BTreeMap::new();
            for (name, value) in map {
                let name = text_of(name).map_err(|_| Wrong::new("has a name that is not text"))?;
                let place = format!(".{name}");
                let list = match value {
                    Value::Sequence(items) => items.iter().map(text_of).collect::<Result<_, _>>(),
                    one => text_of(one).map(|one| vec![one]),
                };
                chords.insert(name, list.map_err(|wrong| wrong.inside(&place))?);
            }
            Typed::Map(chords)
        }
        (
            FieldKind::Flag
            | FieldKind::Whole(..)
            | FieldKind::PathList
            | FieldKind::VariableList
            | FieldKind::HostList
            | FieldKind::PlaceList
            | FieldKind::PortList
            | FieldKind::ChordMap,
            other,
        ) => {
            return Err(Wrong::new(format!("expected {}, found {}", kind.expected(), found(other))));
        }
        (_, text) => Typed::Text(text_of(text)?.trim().to_owned()),
    };
    Ok(Some(typed))
}

fn text_of(value: &Value) -> Result<String, Wrong> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => {
            let wrong = Wrong::new(format!("expected text, found {}", found(value)));
            Err(wrong.hint("Put the value in quotes."))
        }
        other => Err(Wrong::new(format!("expected text, found {}", found(other)))),
    }
}

/// What a YAML value is, for people; never the value itself, which may be a key.
pub(super) fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a block of settings",
        Value::Tagged(_) => "a tagged value",
    }
}

/// Everything that is wrong with a value of the right type.
pub(super) fn check(kind: FieldKind, value: &Typed) -> Vec<Wrong> {
    match (kind, value) {
        (FieldKind::Url, Typed::Text(text)) => check_url(text).into_iter().collect(),
        (FieldKind::Variable, Typed::Text(name)) if !is_variable_name(name) => {
            let hint = "Write the name of the variable, such as OPENAI_API_KEY, not the key itself.";
            vec![Wrong::new("is not the name of an environment variable").hint(hint)]
        }
        (FieldKind::Key, Typed::Text(key)) if key.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            vec![Wrong::new("holds white space or control characters, which no key has")]
        }
        (FieldKind::Key | FieldKind::Text | FieldKind::Path, Typed::Text(text)) if text.is_empty() => {
            vec![Wrong::new("is empty").hint("Remove the line, or give it a value.")]
        }
        (FieldKind::Text | FieldKind::Path, Typed::Text(text)) if text.chars().any(char::is_control) => {
            vec![Wrong::new("holds control characters")]
        }
        (FieldKind::Choice(words), Typed::Text(word)) if !words.contains(&word.as_str()) => {
            let wrong = Wrong::new(format!("{word:?} is not {}", kind.expected()));
            let near = words.iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
            vec![match near.min().filter(|(distance, _)| *distance <= 2) {
                Some((_, known)) => wrong.hint(format!("Did you mean {known}?")),
                None => wrong,
            }]
        }
        (FieldKind::Whole(low, high), Typed::Whole(number)) if !(low..=high).contains(number) => {
            vec![Wrong::new(format!("{number} is out of range: must be from {low} to {high}"))]
        }
        (FieldKind::PathList, Typed::List(paths)) => each(paths, |path| {
            let absolute = path.starts_with('/') || path == "~" || path.starts_with("~/");
            (!absolute).then(|| Wrong::new(format!("{path:?} is not an absolute path")))
        }),
        (FieldKind::VariableList, Typed::List(names)) => each(names, |name| {
            if !is_variable_name(name) {
                return Some(Wrong::new(format!("{name:?} is not the name of an environment variable")));
            }
            (!may_pass(name)).then(|| {
                Wrong::new(format!(
                    "{name} may hold a secret or reach a session of yours, and is never passed to tools"
                ))
            })
        }),
        (FieldKind::HostList, Typed::List(hosts)) => each(hosts, |host| {
            let wrong = |error| {
                Wrong::new(format!("{host:?} {error}"))
                    .hint("Write a name such as example.com, *.example.com, example.com:8443 or *.")
            };
            HostPattern::parse(host).err().map(wrong)
        }),
        (FieldKind::PlaceList, Typed::List(places)) => each(places, |place| {
            let wrong = |error| {
                Wrong::new(format!("{place:?} {error}"))
                    .hint("Write host and port, such as 10.0.0.1:8080 or pypi.example:443.")
            };
            Place::parse(place).err().map(wrong)
        }),
        (FieldKind::PortList, Typed::List(ports)) => each(ports, |port| {
            let fits = port.parse::<u16>().is_ok_and(|port| port > 0);
            (!fits).then(|| Wrong::new(format!("{port} is not a port: must be from 1 to 65535")))
        }),
        _ => Vec::new(),
    }
}

fn each(items: &[String], wrong: impl Fn(&str) -> Option<Wrong>) -> Vec<Wrong> {
    let one = |(index, item): (usize, &String)| wrong(item).map(|wrong| wrong.inside(&format!("[{index}]")));
    items.iter().enumerate().filter_map(one).collect()
}

/// Whether a variable may be named in `sandbox.env_pass`: neither may hold a secret, nor lead out of the sandbox, nor
/// have a value of its own inside, nor make a shell run a file. The one list of them.
pub fn may_pass(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let secret = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"].iter().any(|part| upper.contains(part));
    let leads_out = ["SSH_", "DBUS_", "GPG_", "LD_", "OKCVM_"].iter().any(|start| upper.starts_with(start));
    let named = ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "BASH_ENV", "ENV", "HOME", "PATH"];
    is_variable_name(name) && !(secret || leads_out || upper.ends_with("_PROXY") || named.contains(&upper.as_str()))
}

/// Whether the name of a variable is more likely a key in the wrong place: long, with digits and small letters.
pub(super) fn looks_like_key(name: &str) -> bool {
    name.len() >= 20
        && name.bytes().any(|byte| byte.is_ascii_digit())
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn check_url(text: &str) -> Option<Wrong> {
    let example = "Write it like https://api.example.com/v1.";
    let url = match reqwest::Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            // The value itself is not repeated: people do paste keys into the wrong line.
            return Some(Wrong::new(format!("is not a URL: {error}")).hint(example));
        }
    };
    if !matches!(url.scheme(), "http" | "https") {
        let wrong = Wrong::new(format!("is not an http or https address, but {}:", url.scheme()));
        return Some(wrong.hint(example));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let wrong = Wrong::new("holds a user name or password");
        return Some(wrong.hint("Put the key into api_key or api_key_env."));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let wrong = Wrong::new("has a query or fragment, but is only the beginning of an address");
        return Some(wrong.hint("Remove everything from the ? or # on."));
    }
    let operation = ["/chat/completions", "/completions", "/models", "/images/generations", "/audio/speech"];
    let path = url.path().trim_end_matches('/');
    operation.iter().find(|operation| path.ends_with(**operation)).map(|operation| {
        let wrong = Wrong::new(format!("holds the operation {operation}, which okcvm adds itself"));
        wrong.hint(format!("Remove {operation} from the end."))
    })
}

/// A base URL without the slash at its end.
pub(super) fn without_slash(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// Whether two base URLs name the same place, whatever their spelling.
pub(super) fn same_place(one: &str, other: &str) -> bool {
    let plain = |text: &str| reqwest::Url::parse(&without_slash(text)).map(|url| without_slash(url.as_str()));
    match (plain(one), plain(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Whether a key would cross a network in the clear on its way there.
pub(super) fn in_the_clear(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    // The host of an IPv6 address is written in brackets.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let loopback = host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "http" && !loopback
}

/// A value as `config show` prints it.
pub(super) fn shown(value: &Typed) -> String {
    match value {
        Typed::Text(text) => text.clone(),
        Typed::Flag(flag) => flag.to_string(),
        Typed::Whole(number) => number.to_string(),
        Typed::List(items) => format!("[{}]", items.join(", ")),
        Typed::Map(map) => {
            let rows: Vec<_> = map.iter().map(|(name, chords)| format!("{name}: [{}]", chords.join(", "))).collect();
            format!("{{{}}}", rows.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_what_it_must_be() {
        let rows = [
            ("chat.base_url", "api.example.com/v1", "is not a URL: relative URL without a base"),
            ("chat.base_url", "ftp://x/", "is not an http or https address, but ftp:"),
            ("chat.base_url", "https://me:pw@x/v1", "holds a user name or password"),
            ("chat.base_url", "https://x/v1?a=b", "has a query or fragment, but is only the beginning of an address"),
            (
                "chat.base_url",
                "https://x/v1/chat/completions/",
                "holds the operation /chat/completions, which okcvm adds itself",
            ),
            ("chat.api_key_env", "sk-abc", "is not the name of an environment variable"),
            ("chat.api_key", "a b", "holds white space or control characters, which no key has"),
            ("chat.max_retries", "21", "21 is out of range: must be from 0 to 20"),
            ("chat.max_retries", "-1", "expected a whole number from 0 to 20"),
            ("chat.vision", "maybe", "expected true or false"),
            ("sandbox.backend", "bwrap", "\"bwrap\" is not one of auto, bubblewrap, landlock, external, off"),
            (
                "sandbox.env_pass",
                "TZ, MY_KEY",
                "MY_KEY may hold a secret or reach a session of yours, and is never passed to tools",
            ),
            (
                "sandbox.network.allow",
                "*, https://a",
                "\"https://a\" is an address of the web; write only the name of the host",
            ),
            ("sandbox.network.allow_private", "10.0.0.1", "\"10.0.0.1\" has no port"),
            ("sandbox.network.allow_ports", "80, 0", "0 is not a port: must be from 1 to 65535"),
            ("sandbox.extra_ro", "opt", "\"opt\" is not an absolute path"),
            ("chat.model", " ", "is empty, expected text"),
            ("chat.colour", "x", "there is no setting chat.colour"),
        ];
        for (path, text, message) in rows {
            assert_eq!(check_value(path, text), Err(message.to_owned()), "{path} {text}");
        }
        for (path, text) in [
            ("chat.base_url", "http://[::1]:8080/v1/"),
            ("chat.supports_streaming", "False"),
            ("sandbox.extra_ro", "[~/x, /opt]"),
            ("sandbox.env_pass", "TZ,LANG"),
            ("ui.keys", "{}"),
        ] {
            assert_eq!(check_value(path, text), Ok(()), "{path} {text}");
        }
    }

    #[test]
    fn what_tools_may_be_given_is_one_list() {
        for bad in ["BASH_ENV", "env", "GPG_AGENT_INFO", "OKCVM_LOG", "http_proxy", "GITHUB_TOKEN", "HOME", "A=B", ""] {
            assert!(!may_pass(bad), "{bad}");
            assert!(check_value("sandbox.env_pass", bad).is_err() || bad.is_empty(), "{bad}");
        }
        assert!(may_pass("TZ") && may_pass("MY_VAR"));
    }

    #[test]
    fn a_place_is_the_same_in_any_spelling() {
        assert!(same_place("https://API.example.com/v1/", "https://api.example.com:443/v1"));
        assert!(!same_place("https://api.example.com/v1", "https://api.example.com/v2"));
        assert!(!same_place("https://api.example.com.evil.org/v1", "https://api.example.com/v1"));
        assert!(in_the_clear("http://example.com/v1"));
        for safe in ["https://example.com", "http://localhost:1", "http://127.0.0.1:2/v1", "http://[::1]/v1"] {
            assert!(!in_the_clear(safe), "{safe}");
        }
    }
}
