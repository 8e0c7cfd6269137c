//! `/python`: which Python runs the cells of the notebook, and having its packages installed.

use crate::protocol::{Op, PythonState};
use crate::support::sanitize;
use crate::tui::effect::UiEffect;
use crate::tui::pane::cell::NoticeKind;

use super::App;

impl App {
    /// Does what follows `/python`.
    pub(super) fn python(&mut self, argument: &str) -> Vec<UiEffect> {
        let make = match argument {
            "" => false,
            "make" => true,
            _ => {
                self.say("after /python comes nothing, or make");
                return Vec::new();
            }
        };
        self.asked_for_python = true;
        vec![UiEffect::Send(Op::Python { make })]
    }

    /// The Python was asked for, is missing, or is being made. What nobody asked for is one line that goes by itself.
    pub(super) fn on_python(&mut self, state: &PythonState) {
        match state {
            PythonState::Ready { told } => {
                self.notice = None;
                self.chat.notice(NoticeKind::Done, &format!("notebook cells run on {told}"));
            }
            PythonState::Missing { reason, hint, can_be_made } => {
                if !self.asked_for_python {
                    self.say("no notebook here yet: /python tells why, /python make installs what it needs");
                    return;
                }
                let make = if *can_be_made { " Here: /python make." } else { "" };
                self.chat.notice(NoticeKind::Warning, &format!("no notebook: {reason}. {hint}{make}"));
            }
            PythonState::Making { line } => self.say(&format!("python: {}", sanitize::line(line))),
            PythonState::Failed { reason, hint } => {
                self.notice = None;
                let hint = hint.as_deref().map_or_else(String::new, |hint| format!(". {hint}"));
                self.chat.notice(NoticeKind::Warning, &format!("{reason}{hint}"));
            }
        }
    }
}
