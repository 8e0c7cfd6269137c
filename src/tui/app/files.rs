//! Files that go along with messages, names that are completed, and files on their way out.

use std::path::PathBuf;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::protocol::{Event, Op};
use crate::support::sanitize;
use crate::tui::attach::{self, Pending};
use crate::tui::complete::{Place, Query};
use crate::tui::effect::UiEffect;
use crate::tui::pane::cell::NoticeKind;
use crate::tui::slash;

use super::{App, Focus};

/// Dropped files that took the place of their paths.
#[derive(Debug)]
pub(super) struct Dropped {
    text: String,
    files: Vec<Pending>,
}

/// The legacy mount, which stands for the session's own.
const ALIAS: &str = "/mnt/okcomputer/";

impl App {
    /// `/attach PATH…`.
    pub(super) fn attach(&mut self, argument: &str) -> Vec<UiEffect> {
        match attach::words(argument) {
            Ok(words) => vec![self.look_at(words.iter().map(|word| attach::expand(word)).collect())],
            Err(why) => {
                self.say(&why);
                Vec::new()
            }
        }
    }

    /// A message that is sent before they were looked at waits for them.
    fn look_at(&mut self, paths: Vec<PathBuf>) -> UiEffect {
        self.looking += 1;
        UiEffect::Attach(paths)
    }

    /// What is known of files that are to be attached.
    pub(super) fn attached(&mut self, found: Vec<Result<Pending, String>>) -> Vec<UiEffect> {
        self.looking = self.looking.saturating_sub(1);
        let complete = self.take_found(found);
        match self.queued.take() {
            Some(mut queued) if complete => {
                queued.files.extend(self.attachments.take());
                if self.looking == 0 && !self.activity.is_busy() {
                    return self.send_message(queued);
                }
                self.queued = Some(queued);
            }
            Some(queued) => {
                // The message was meant to go with what is missing now.
                self.queued = Some(queued);
                self.take_back_queued();
            }
            None => {}
        }
        Vec::new()
    }

    /// Adds files to those that go along; whether all of them do.
    fn take_found(&mut self, found: Vec<Result<Pending, String>>) -> bool {
        let mut added = Vec::new();
        let mut refused = Vec::new();
        for pending in found {
            match pending.and_then(|pending| self.attachments.add(pending.clone()).map(|()| pending)) {
                Ok(pending) => added.push(pending.name),
                Err(why) => refused.push(why),
            }
        }
        // What went wrong says more than what went well, which can be seen.
        match refused.as_slice() {
            [] if added.is_empty() => {}
            [] => self.say(&format!("attached {}; it goes along with the next message", added.join(", "))),
            [why] => self.say(why),
            [why, ..] => self.say(&format!("{why} (and {} more)", refused.len() - 1)),
        }
        refused.is_empty()
    }

    /// Takes the latest file off the message.
    pub(super) fn detach(&mut self) {
        match self.attachments.remove_last() {
            Some(pending) => self.say(&format!("{} does not go along any more", pending.name)),
            None => self.say("nothing is attached"),
        }
    }

    /// Puts pasted text into the composer; what may be dropped files is looked at meanwhile.
    pub(super) fn paste_into_composer(&mut self, text: &str) -> Vec<UiEffect> {
        let into_command = slash::is_command(&self.composer.text());
        let searching = self.composer.is_searching();
        let inserted = self.composer.paste(text);
        self.dropped = None;
        let readings = if into_command || searching { Vec::new() } else { attach::readings(text) };
        let mut effects = self.complete();
        if !readings.is_empty() {
            effects.push(UiEffect::Dropped { text: inserted, readings });
        }
        effects
    }

    /// The pasted text was looked at: files take its place.
    pub(super) fn dropped(&mut self, text: String, found: Option<Result<Vec<Pending>, String>>) {
        let files = match found {
            None => return,
            Some(Err(why)) => return self.say(&why),
            Some(Ok(files)) => files,
        };
        // Sent or changed meanwhile: it is text now.
        if !self.composer.take_back(&text) {
            return;
        }
        let mut added = Vec::new();
        for pending in files {
            let new = !self.attachments.list().contains(&pending);
            if let Err(why) = self.attachments.add(pending.clone()) {
                self.attachments.remove(&added);
                self.composer.paste(&text);
                return self.say(&why);
            }
            if new {
                added.push(pending);
            }
        }
        let names: Vec<&str> = added.iter().map(|pending| pending.name.as_str()).collect();
        self.say(&format!("attached {}; Ctrl+_ makes it text again", names.join(", ")));
        self.dropped = Some(Dropped { text, files: added });
    }

    /// The key that takes back the latest edit, when that was a drop.
    pub(super) fn undo_drop(&mut self, key: KeyEvent) -> bool {
        let undo = key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('_' | '/' | '7'));
        let Some(dropped) = self.dropped.take().filter(|_| undo) else { return false };
        self.attachments.remove(&dropped.files);
        self.composer.paste(&dropped.text);
        true
    }

    /// Asks for names, where something is typed after an `@`.
    pub(super) fn complete(&mut self) -> Vec<UiEffect> {
        let token = if self.composer.is_searching() { None } else { self.composer.token() };
        let Some((number, text)) = self.completion.typed(token) else { return Vec::new() };
        let (workspace, walked) = (self.session.host_path.clone(), self.completion.walked());
        vec![UiEffect::Complete(Query { number, text, workspace, walked })]
    }

    /// Takes a key for the popup of names; `None` where it is not for it.
    pub(super) fn completion_key(&mut self, key: KeyEvent) -> Option<Vec<UiEffect>> {
        if !self.completion.is_open() || !key.modifiers.is_empty() {
            return None;
        }
        match key.code {
            KeyCode::Up => self.completion.step(false),
            KeyCode::Down => self.completion.step(true),
            KeyCode::Esc => self.completion.close(),
            // Quicker than the answer: nothing is better than a name that nobody has seen.
            KeyCode::Tab => return Some(self.take_name(true)),
            KeyCode::Enter => return Some(self.take_name(false)),
            _ => return None,
        }
        Some(Vec::new())
    }

    /// Puts the chosen name in the place of what was typed. A folder of the host is entered first, where `enter` asks
    /// for that.
    fn take_name(&mut self, enter: bool) -> Vec<UiEffect> {
        let Some(row) = self.completion.chosen().cloned() else { return Vec::new() };
        match row.place {
            Place::Workspace(path) => {
                self.completion.close();
                self.composer.replace_token(&format!("{}{path} ", self.session.mount));
                self.complete()
            }
            Place::Host { typed, .. } if row.folder && enter => {
                self.composer.replace_token(&format!("@{typed}"));
                self.complete()
            }
            // What a command works with is its path.
            Place::Host { path, .. } if slash::is_command(&self.composer.text()) => {
                self.completion.close();
                self.composer.replace_token(&format!("{} ", quoted(&path.display().to_string())));
                self.complete()
            }
            Place::Host { path, .. } => {
                self.completion.close();
                let name = path.file_name().map(|name| sanitize::line(&name.to_string_lossy())).unwrap_or_default();
                self.composer.replace_token(&format!("{name} "));
                let mut effects = self.complete();
                effects.push(self.look_at(vec![path]));
                effects
            }
        }
    }

    /// `/save PATH DEST`.
    pub(super) fn save(&mut self, argument: &str) -> Vec<UiEffect> {
        let mut words = match attach::words(argument) {
            Ok(words) => words,
            Err(why) => {
                self.say(&why);
                return Vec::new();
            }
        };
        let count = words.len();
        words.retain(|word| word != FORCE);
        let replace = words.len() < count;
        let [path, dest] = words.as_slice() else {
            self.say("/save takes two words: what in the session, and where to on this machine");
            return Vec::new();
        };
        let dest = std::path::absolute(attach::expand(dest)).unwrap_or_else(|_| PathBuf::from(dest));
        vec![UiEffect::Send(Op::Save { path: path.clone(), dest, replace })]
    }

    /// Something is where a file was to be saved: Enter once more replaces it.
    pub(super) fn save_refused(&mut self, path: &str, dest: &std::path::Path) {
        let dest = dest.display().to_string();
        let again = format!("/save {} {} {FORCE}", quoted(path), quoted(&dest));
        if self.composer.is_empty() {
            self.focus = Focus::Composer;
            self.composer.set_text(&again);
            self.say(&format!("{dest} is there already: Enter replaces it"));
        } else {
            self.say(&format!("{dest} is there already: {again} replaces it"));
        }
    }

    /// What became of files on their way out.
    pub(super) fn on_files(&mut self, event: &Event) {
        match event {
            Event::Saved { place, what, left_out } => {
                self.chat.notice(NoticeKind::Done, &format!("saved {} ({what})", place.display()));
                for line in left_out {
                    self.chat.notice(NoticeKind::Warning, &format!("left out: {line}"));
                }
            }
            Event::SaveRefused { path, dest } => self.save_refused(path, dest),
            event => self.on_project(event),
        }
    }

    /// The host path of the first file of the session that a text names.
    pub(super) fn copy_host_path(&mut self, text: &str) -> Vec<UiEffect> {
        let Some(path) = self.host_path_in(text) else {
            self.say("nothing here names a file of the session");
            return Vec::new();
        };
        vec![UiEffect::Copy { text: path, what: "the path on this machine".to_owned() }]
    }

    fn host_path_in(&self, text: &str) -> Option<String> {
        // Without a mount commands work in the real folder, and name it.
        let real = format!("{}/", self.session.host_path.display());
        let roots = [self.session.mount.as_str(), ALIAS, real.as_str()];
        let found = roots.into_iter().filter(|root| !root.is_empty()).filter_map(|root| Some((text.find(root)?, root)));
        let (at, root) = found.min()?;
        let rest = &text[at + root.len()..];
        let end = rest.find(|c: char| c.is_whitespace() || "\"'`<>()[]{}|,;*".contains(c)).unwrap_or(rest.len());
        let relative = rest[..end].trim_end_matches(['.', ':', '!', '?']);
        if relative.split('/').any(|part| part == "..") {
            return None;
        }
        Some(self.session.host_path.join(relative).to_str()?.to_owned())
    }
}

/// A word of a command, whatever it holds.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Says on `/save` that what is there may go.
const FORCE: &str = "--force";
