//! The title of a session that has none: made of its first prompt.

use super::checkpoint::Ledger;
use crate::protocol::Attachment;
use crate::support::truncate;

/// Characters of a title made from a prompt.
const TITLE: usize = 60;

/// Gives a session without a title one, from its first prompt. A title is not worth a failed turn.
pub(super) fn name_session(
    ledger: &mut Ledger,
    text: &str,
    attachments: &[Attachment],
) -> (Option<String>, Option<String>) {
    if !ledger.folder().meta().title.is_empty() {
        return (None, None);
    }
    let title = title_of(text, attachments);
    match ledger.folder_mut().set_title(&title) {
        Ok(()) => (Some(title), None),
        Err(error) => (None, Some(format!("the session's title was not saved: {error}"))),
    }
}

/// The first line that says something, in at most sixty characters.
fn title_of(text: &str, attachments: &[Attachment]) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.or_else(|| attachments.first().map(|file| file.name.as_str())).unwrap_or_default();
    truncate::prefix(line, TITLE).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_line_of_the_prompt() {
        assert_eq!(title_of("\n  Make a site \nwith pages", &[]), "Make a site");
        assert_eq!(title_of(&"é".repeat(99), &[]), "é".repeat(60));
        let file = Attachment { name: "a.csv".into(), path: "/mnt/x/uploads/a.csv".into(), bytes: 1 };
        assert_eq!(title_of("", &[file]), "a.csv");
    }
}
