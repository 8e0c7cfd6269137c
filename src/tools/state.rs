//! What tools remember of a session besides its files: which files were read, and the todo list. Both are small JSON
//! texts that travel with the snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::conversions::Conversions;
use crate::browser::Citations;
use crate::protocol::TodoItem;
use crate::workspace::ConfinedPath;

/// Name of the list of files that were read.
pub(super) const READ: &str = "read.json";
/// Name of the list of pages that have a number.
pub(super) const CITATIONS: &str = "citations.json";
/// Name of the todo list.
pub(super) const TODO: &str = "todo.json";

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct ReadFile {
    version: u32,
    /// Path below the workspace, and the hash of the content that was read.
    files: BTreeMap<String, String>,
    /// Paths of files that the tools themselves wrote.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    written: BTreeSet<String>,
}

/// What stands in `todo.json` of a node: the todo list, with the version of its form.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct TodoFile {
    version: u32,
    todos: Vec<TodoItem>,
}

/// State of the tools in one session.
#[derive(Debug, Default)]
pub(crate) struct ToolState {
    read: Mutex<ReadFile>,
    /// Documents that were read lately, as Markdown. Not part of what is saved.
    pub(crate) conversions: Conversions,
    todos: Mutex<Vec<TodoItem>>,
    /// Pages that have a number.
    pub(crate) citations: Arc<Citations>,
}

impl ToolState {
    /// Remembers the content of a file as known to the model.
    pub(crate) fn saw(&self, path: &ConfinedPath, sha256: String) {
        lock(&self.read).files.insert(key(path), sha256);
    }

    /// Remembers what was just written: it is known, and it is the session's own.
    pub(crate) fn wrote(&self, path: &ConfinedPath, sha256: String) {
        self.saw(path, sha256);
        lock(&self.read).written.insert(key(path));
    }

    /// Whether the tools of this session wrote a file, be it a part of it.
    pub(crate) fn is_own(&self, path: &ConfinedPath) -> bool {
        lock(&self.read).written.contains(&key(path))
    }

    /// The hash of the content that the model knows.
    pub(crate) fn seen(&self, path: &ConfinedPath) -> Option<String> {
        lock(&self.read).files.get(&key(path)).cloned()
    }

    pub(crate) fn todos(&self) -> Vec<TodoItem> {
        lock(&self.todos).clone()
    }

    pub(crate) fn replace_todos(&self, todos: Vec<TodoItem>) {
        *lock(&self.todos) = todos;
    }

    pub(super) fn save(&self) -> Vec<(String, Vec<u8>)> {
        let read = ReadFile { version: 1, ..lock(&self.read).clone() };
        let todo = TodoFile { version: 1, todos: self.todos() };
        // Maps of texts always serialize.
        let bytes = |value: Result<Vec<u8>, serde_json::Error>| value.unwrap_or_default();
        vec![
            (TODO.to_owned(), bytes(serde_json::to_vec_pretty(&todo))),
            (READ.to_owned(), bytes(serde_json::to_vec_pretty(&read))),
            (CITATIONS.to_owned(), self.citations.save()),
        ]
    }

    /// Replaces everything. A text that is missing or cannot be read is empty: files must then be read again.
    pub(super) fn load(&self, state: &[(String, Vec<u8>)]) {
        let text = |name: &str| state.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes.as_slice());
        let read: ReadFile = text(READ).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let todo: TodoFile = text(TODO).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        *lock(&self.read) = read;
        self.replace_todos(todo.todos);
        self.citations.load(text(CITATIONS));
    }
}

fn key(path: &ConfinedPath) -> String {
    path.relative().to_string_lossy().into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
