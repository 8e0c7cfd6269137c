//! What saving would do to the file: the lines that change, before they change.

use std::path::{Path, PathBuf};

use similar::{ChangeTag, TextDiff};

use crate::config::{Change, ENDPOINTS, SaveError, edit, save};
use crate::support::sanitize;
use crate::tui::pane::list::Scroll;

/// What stands in place of a key.
pub(super) const KEY_MARK: &str = "<key>";

/// One line of the file that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChangedLine {
    pub(super) added: bool,
    /// Its number in the new file, or in the old one if it goes.
    pub(super) number: usize,
    pub(super) text: String,
}

/// A save that waits for Enter.
pub(super) struct Review {
    pub(super) file: PathBuf,
    pub(super) is_new: bool,
    changes: Vec<Change>,
    pub(super) lines: Vec<ChangedLine>,
    /// Why the file cannot be edited, and the text that it would have to become.
    pub(super) refused: Option<(String, String)>,
    /// Why the file would not be understood afterwards; it is left alone then.
    pub(super) rejected: bool,
    /// Why it could not be written.
    pub(super) error: Option<String>,
    /// Values that another layer gives.
    pub(super) elsewhere: Vec<(String, String)>,
    /// Whether a block is taken away.
    pub(super) removes: bool,
    pub(super) scroll: Scroll,
}

impl Review {
    /// Looks at the file. `shown` are the changes with marks instead of keys.
    pub(super) fn new(
        file: &Path,
        changes: Vec<Change>,
        shown: &[Change],
        elsewhere: Vec<(String, String)>,
        check: &dyn Fn(&str) -> Result<(), String>,
    ) -> Self {
        let mut review = Self {
            file: file.to_owned(),
            is_new: false,
            removes: matches!(changes.as_slice(), [Change::Remove(path)] if is_block(path)),
            rejected: false,
            changes,
            lines: Vec::new(),
            refused: None,
            error: None,
            elsewhere,
            scroll: Scroll::default(),
        };
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                review.is_new = true;
                String::new()
            }
            Err(error) => {
                review.error = Some(format!("cannot read {}: {error}", file.display()));
                return review;
            }
        };
        match edit(&text, shown) {
            Ok(new) => {
                review.lines = changed_lines(&text, &new);
                // A change of nothing but a removal of what is not there.
                if new == text {
                    review.changes.clear();
                }
                if let Ok(Err(why)) = edit(&text, &review.changes).map(|new| check(&new)) {
                    review.rejected = true;
                    review.error =
                        Some(format!("not saved, okcvm could not be started with it: {}", sanitize::text(&why)));
                }
            }
            Err(refused) => {
                review.refused = Some((sanitize::text(&refused.to_string()), clean_file(&refused.new_text)));
            }
        }
        review
    }

    /// Whether Enter saves.
    pub(super) fn can_save(&self) -> bool {
        let unreadable = self.error.is_some() && self.lines.is_empty();
        !(self.refused.is_some() || self.rejected || self.changes.is_empty() || unreadable)
    }

    /// Writes the file.
    pub(super) fn save(&mut self) -> bool {
        match save(&self.file, &self.changes) {
            Ok(()) => true,
            Err(SaveError::CannotEdit { reason, new_text, .. }) => {
                self.refused = Some((sanitize::text(&reason), clean_file(&new_text)));
                false
            }
            Err(error) => {
                self.error = Some(sanitize::text(&error.to_string()));
                false
            }
        }
    }
}

/// Whether a path is that of a whole endpoint.
fn is_block(path: &str) -> bool {
    ENDPOINTS.iter().any(|endpoint| endpoint.path == path)
}

/// The lines that differ, with keys hidden.
fn changed_lines(old: &str, new: &str) -> Vec<ChangedLine> {
    let diff = TextDiff::from_lines(old, new);
    diff.iter_all_changes()
        .filter_map(|change| {
            let (added, index) = match change.tag() {
                ChangeTag::Equal => return None,
                ChangeTag::Insert => (true, change.new_index()),
                ChangeTag::Delete => (false, change.old_index()),
            };
            let text = without_key(&sanitize::line(change.value().trim_end_matches(['\n', '\r'])));
            Some(ChangedLine { added, number: index.unwrap_or(0) + 1, text })
        })
        .filter(|line| line.added || !line.text.trim().is_empty())
        .collect()
}

fn clean_file(text: &str) -> String {
    text.lines().map(|line| without_key(&sanitize::line(line))).collect::<Vec<_>>().join("\n")
}

/// The line with a mark where a key stands: after `api_key:`, also in a comment or a flow mapping.
fn without_key(line: &str) -> String {
    match line.find("api_key:") {
        Some(at) => {
            let end = at + "api_key:".len();
            if line[end..].trim().is_empty() { line.to_owned() } else { format!("{} {KEY_MARK}", &line[..end]) }
        }
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_old_file_are_hidden_too() {
        let lines = changed_lines("chat:\n  api_key: sk-old # mine\n", "chat:\n  api_key_env: MY_KEY\n");
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["  api_key: <key>", "  api_key_env: MY_KEY"]);
        assert_eq!(without_key("# chat: {api_key: sk-old}"), "# chat: {api_key: <key>");
        assert_eq!(without_key("api_key:"), "api_key:");
    }
}
