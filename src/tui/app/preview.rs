//! What the preview needs of the application: its command, and the places of things on this machine.

use std::path::{Path, PathBuf};

use super::files::quoted;
use super::{App, Focus};
use crate::tui::effect::UiEffect;
use crate::tui::pane::PaneId;

impl App {
    /// `/preview [N]`.
    pub(super) fn preview_of(&mut self, argument: &str) -> Vec<UiEffect> {
        let number = argument.trim().parse::<usize>();
        match number {
            _ if argument.trim().is_empty() => {}
            Ok(number) if self.preview.select(number) => {}
            _ => {
                let count = self.preview.count();
                self.say(&format!("/preview takes a number from 1 to {count}, as the things stand in the list"));
                return Vec::new();
            }
        }
        self.show(PaneId::Preview);
        Vec::new()
    }

    /// Puts a command into the composer, for what is still to be typed; what was written there is laid aside.
    pub(super) fn begin_command(&mut self, name: &str, argument: &str) {
        self.leave();
        self.focus = Focus::Composer;
        self.composer.lay_aside();
        self.composer.set_text(&format!("/{name} {} ", quoted(argument)));
        self.say("now the place on this machine; Tab completes it");
    }

    /// The place on this machine of a path under the mount.
    pub(super) fn on_host(&self, path: &Path) -> PathBuf {
        let mount = self.session.mount.trim_end_matches('/');
        path.strip_prefix(mount).map_or_else(|_| path.to_owned(), |inside| self.session.host_path.join(inside))
    }
}
