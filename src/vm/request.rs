//! Makes the message list of a request: the system prompt with the turn's real date, the mount and the attachments,
//! then the conversation.
//!
//! The date is the one of the turn's start and not of the request, so that a turn over midnight keeps its prefix.

use std::path::Path;

use jiff::civil::Date;

use crate::protocol::Message;
use crate::spec;
use crate::support::sanitize;

use super::engine::Place;
use super::history::History;

/// What the model is told of a project that the session holds a copy of.
fn project(dir: &Path, mount: &str) -> String {
    // The name of a folder is one line, whatever it holds.
    let dir = sanitize::line(&dir.display().to_string());
    format!(
        "The files under {mount}/ are a copy of the user's project in {dir}, without its .git folder. Work on them where \
         they are. The user reviews what you change and brings it to the project as a patch; {mount}/output/ is for what \
         is no part of the project, unless the project has a folder of that name.\n"
    )
}

/// The messages of a request.
pub(super) fn messages(template: &str, place: &Place, today: Date, history: &History) -> Vec<Message> {
    let mut text = spec::render_prompt(template, &place.mount, &today, &history.attachments());
    if let Some(dir) = &place.project {
        let gap = if text.ends_with('\n') { "\n" } else { "\n\n" };
        text.push_str(gap);
        text.push_str(&project(dir, &place.mount));
    }
    let mut out = vec![Message::System { text }];
    out.extend(history.request_messages());
    out
}
