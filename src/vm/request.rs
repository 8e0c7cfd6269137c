//! Makes the message list of a request: the system prompt with the turn's real date, the mount and the attachments,
//! then the conversation.
//!
//! The date is the one of the turn's start and not of the request, so that a turn over midnight keeps its prefix.

use jiff::civil::Date;

use crate::protocol::Message;
use crate::spec;

use super::history::History;

/// The messages of a request.
pub fn messages(template: &str, mount: &str, today: Date, history: &History) -> Vec<Message> {
    let text = spec::render_prompt(template, mount, &today, &history.attachments());
    let mut out = vec![Message::System { text }];
    out.extend(history.request_messages());
    out
}
