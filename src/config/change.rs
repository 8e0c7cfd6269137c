//! What is to be changed in a config file, and what that means for its parsed form.

use std::fmt;

use serde_yaml::{Mapping, Value};

use super::fields::{FieldKind, field};
use super::value::{self, Typed};

/// One thing to change.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// Gives the field at a dotted path a value, as a user types it: `kimi-k2`, `90`, `true`; lists with commas.
    Set(String, String),
    /// Takes a field or a whole block away.
    Remove(String),
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(path, _) if is_key(path) => write!(f, "Set({path}, [set])"),
            Self::Set(path, text) => write!(f, "Set({path}, {text:?})"),
            Self::Remove(path) => write!(f, "Remove({path})"),
        }
    }
}

/// A change whose value has been understood.
pub(super) enum Step {
    Set { path: String, value: Value },
    Remove { path: String },
}

impl Step {
    pub(super) fn of(change: &Change) -> Result<Self, String> {
        let (path, text) = match change {
            Change::Remove(path) => return Ok(Self::Remove { path: path.clone() }),
            Change::Set(path, text) => (path, text),
        };
        let kind = match field(path) {
            Some(field) => field.kind,
            None if path.strip_prefix("ui.keys.").is_some_and(|action| !action.is_empty()) => FieldKind::Text,
            None => return Err(format!("there is no setting {path}")),
        };
        let typed = value::from_text(kind, text).map_err(|wrong| format!("{path}: {}", wrong.message))?;
        let value = match typed {
            Typed::Text(text) => Value::String(text),
            Typed::Flag(flag) => Value::Bool(flag),
            Typed::Whole(number) => Value::Number(number.into()),
            Typed::List(items) => Value::Sequence(items.into_iter().map(Value::String).collect()),
            Typed::Map(_) => Value::Mapping(Mapping::new()),
        };
        Ok(Self::Set { path: path.clone(), value })
    }

    /// Does to a parsed file what is to be done to its text.
    pub(super) fn perform(&self, root: &mut Value) {
        match self {
            Self::Set { path, value } => {
                let mut at = root;
                for name in path.split('.') {
                    if !at.is_mapping() {
                        *at = Value::Mapping(Mapping::new());
                    }
                    let Value::Mapping(map) = at else { return };
                    at = map.entry(Value::from(name)).or_insert(Value::Null);
                }
                *at = value.clone();
            }
            Self::Remove { path } => {
                let (block, name) = path.rsplit_once('.').unwrap_or(("", path));
                let mut parts = block.split('.').filter(|part| !part.is_empty());
                let parent = parts.try_fold(root, |at, name| at.get_mut(name));
                if let Some(Value::Mapping(map)) = parent {
                    map.remove(name);
                }
            }
        }
    }
}

/// Whether a path names a key.
pub(super) fn is_key(path: &str) -> bool {
    path == "api_key" || path.ends_with(".api_key")
}
