//! What to do about an error of an endpoint that is not the one of the chat.

use super::ModelError;

/// The hint of an error in the words of another endpoint: its block in the configuration, what it is, its operation.
pub(super) fn elsewhere(error: &ModelError, block: &str, title: &str, operation: &str) -> Option<String> {
    let hint = error.hint()?.replace("chat.", &format!("{block}.")).replace("chat endpoint", title);
    let hint = hint.replace("/chat/completions", &format!("/{operation}"));
    Some(hint.replace("send the message", "try").replace("Send the message", "Try"))
}
