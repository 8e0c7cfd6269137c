//! Files that go along with messages, names that are completed, and files on their way out.

use std::path::{Path, PathBuf};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::protocol::{Event, Op};
use crate::support::{sanitize, truncate};
use crate::tui::Unsent;
use crate::tui::attach::{self, Pending};
use crate::tui::complete::{self, Place, Query};
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
            Err(why) => self.refuse("attach", argument, &why),
        }
    }

    /// A command that cannot be understood is given back, to be mended.
    pub(super) fn refuse(&mut self, command: &str, argument: &str, why: &str) -> Vec<UiEffect> {
        if self.composer.is_empty() {
            self.composer.set_text(format!("/{command} {argument}").trim_end());
        }
        self.say(why);
        Vec::new()
    }

    /// A message that is sent before they were looked at waits for them.
    fn look_at(&mut self, paths: Vec<PathBuf>) -> UiEffect {
        self.latest_look += 1;
        self.looks.push(self.latest_look);
        UiEffect::Attach(self.latest_look, paths)
    }

    /// What is known of files that are to be attached: to the message that waits for them, else to the next one.
    pub(super) fn attached(&mut self, look: u64, found: Vec<Result<Pending, String>>) -> Vec<UiEffect> {
        self.looks.retain(|other| *other != look);
        let Some(mut queued) = self.queued.take_if(|queued| queued.waits_for.contains(&look)) else {
            self.take_found(found);
            return Vec::new();
        };
        let of_the_next = self.attachments.take();
        self.attachments.put_back(std::mem::take(&mut queued.files));
        let complete = self.take_found(found);
        queued.files = self.attachments.take();
        self.attachments.put_back(of_the_next);
        queued.waits_for.retain(|other| *other != look);
        if !complete {
            // The message was meant to go with what is missing now.
            self.queued = Some(queued);
            self.take_back_queued();
        } else if queued.waits_for.is_empty() && !self.activity.is_busy() {
            return self.send_message(queued);
        } else {
            self.queued = Some(queued);
        }
        Vec::new()
    }

    /// Looks for the files that a message names.
    pub(super) fn look_for(&mut self, named: Vec<String>) -> UiEffect {
        self.latest_look += 1;
        self.looks.push(self.latest_look);
        UiEffect::AttachNamed(self.latest_look, named)
    }

    /// Files that the message names go along as if they were chosen; other words stay what they are.
    pub(super) fn attached_named(
        &mut self,
        look: u64,
        found: Vec<(String, Result<Pending, String>)>,
        missing: &[String],
    ) -> Vec<UiEffect> {
        if let Some(queued) = self.queued.as_mut().filter(|queued| queued.waits_for.contains(&look)) {
            for (typed, pending) in &found {
                if let Ok(pending) = pending {
                    queued.text = queued.text.replace(&format!("@{typed}"), &pending.name);
                }
            }
        }
        let nothing = found.is_empty();
        let effects = self.attached(look, found.into_iter().map(|(_, pending)| pending).collect());
        if let [first, ..] = missing
            && (nothing || self.notice.is_none())
        {
            self.say(&format!("@{first} is only text: there is no such file"));
        }
        effects
    }

    /// What was written and not sent, for the next start of the screen.
    pub fn unsent(&mut self) -> Unsent {
        self.take_back_queued();
        let files = self.attachments.take().into_iter().map(|pending| pending.path).collect();
        Unsent { text: self.composer.expanded(), files }
    }

    /// Goes on with it. The files may have changed meanwhile: they are looked at again.
    pub fn go_on_with(&mut self, unsent: &Unsent) -> Vec<UiEffect> {
        self.composer.set_text(&unsent.text);
        if unsent.files.is_empty() { Vec::new() } else { vec![self.look_at(unsent.files.clone())] }
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

    /// Tab while a name is being typed and nothing is there to choose: it never leaves the composer then. A word of a
    /// command becomes a name.
    pub(super) fn tab(&mut self, key: KeyEvent) -> Option<Vec<UiEffect>> {
        if key.code != KeyCode::Tab || !key.modifiers.is_empty() {
            return None;
        }
        let text = self.composer.text();
        let Some(token) = self.composer.token() else {
            let (command, argument) = text.split_once(' ')?;
            // The first word of `/save` is in the session, all others are on this machine.
            let in_session = match command {
                "/attach" | "/transcribe" => false,
                "/save" => !argument.trim_start().contains(char::is_whitespace),
                _ => return None,
            };
            self.composer.name_word(|word| match word {
                word if in_session => format!("@{word}"),
                word if complete::is_host(word) => format!("@{word}"),
                word => format!("@./{word}"),
            });
            return Some(self.complete());
        };
        if !self.completion.is_waiting() {
            self.say(if complete::is_host(&token) {
                "no file begins so"
            } else {
                "no file of the session begins so; @./ is this machine's folder"
            });
        }
        Some(Vec::new())
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
                let mut path = format!("{}{path}", self.session.mount);
                if slash::is_command(&self.composer.text()) && path.contains(needs_quotes) {
                    path = quoted(&path);
                }
                self.composer.replace_token(&format!("{path} "));
                self.complete()
            }
            Place::Host { typed, .. } if row.folder && enter => {
                // A blank would end the name.
                self.composer.replace_token(&format!("@{}", complete::escaped(&typed)));
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
            Err(why) => return self.refuse("save", argument, &why),
        };
        let count = words.len();
        words.retain(|word| word != FORCE);
        let replace = words.len() < count;
        let [path, dest] = words.as_slice() else {
            let why = "/save takes two words: what in the session, and where to on this machine";
            return self.refuse("save", argument, why);
        };
        let dest = std::path::absolute(attach::expand(dest)).unwrap_or_else(|_| PathBuf::from(dest));
        vec![UiEffect::Send(Op::Save { path: path.clone(), dest, replace })]
    }

    /// Something is where a file was to be saved: Enter once more replaces it.
    fn save_refused(&mut self, path: &str, dest: &Path, there: &Path) {
        let again = format!("/save {} {} {FORCE}", quoted(path), quoted(&dest.display().to_string()));
        let there = there.display();
        if self.composer.is_empty() {
            self.focus = Focus::Composer;
            self.composer.set_text(&again);
            self.say(&format!("{there} is there already: Enter replaces it"));
        } else {
            self.say(&format!("{there} is there already: {again} replaces it"));
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
            Event::SaveRefused { path, dest, there } => self.save_refused(path, dest, there),
            event => self.on_project(event),
        }
    }

    /// The host path of the first file of the session that a text names. Where the name ends is seen by what is there.
    pub(super) fn copy_host_path(&mut self, text: &str) -> Vec<UiEffect> {
        let paths = self.host_paths_in(text);
        if paths.is_empty() {
            self.say("nothing here names a file of the session");
            return Vec::new();
        }
        vec![UiEffect::FindPath(paths)]
    }

    pub(super) fn path_found(&mut self, found: Result<PathBuf, PathBuf>) -> Vec<UiEffect> {
        match found.map(PathBuf::into_os_string).map(std::ffi::OsString::into_string) {
            Ok(Ok(text)) => return vec![UiEffect::Copy { text, what: "the path on this machine".to_owned() }],
            Ok(Err(_)) => self.say("not copied: the name is not UTF-8"),
            Err(path) => self.say(&format!("not copied: {} is not there", path.display())),
        }
        Vec::new()
    }

    /// What the first name can mean, the longest first.
    fn host_paths_in(&self, text: &str) -> Vec<PathBuf> {
        // Without a mount commands work in the real folder, and name it.
        let real = format!("{}/", self.session.host_path.display());
        let roots = [self.session.mount.as_str(), ALIAS, real.as_str()];
        let found = roots.into_iter().filter(|root| !root.is_empty()).filter_map(|root| Some((text.find(root)?, root)));
        let Some((at, root)) = found.min() else { return Vec::new() };
        let line = text[at + root.len()..].lines().next().unwrap_or_default();
        let line = truncate::prefix(line, LONGEST_PATH);
        let ends = line.char_indices().filter(|(_, c)| needs_quotes(*c)).map(|(at, _)| at);
        let mut ends: Vec<usize> = ends.chain([line.len()]).collect();
        ends.reverse();
        let mut paths: Vec<PathBuf> = Vec::new();
        for end in ends {
            let name = &line[..end];
            for name in [name, name.trim_end().trim_end_matches(['.', ':', '!', '?'])] {
                for name in [name.into(), attach::percent_decoded(name)] {
                    let name = PathBuf::from(name);
                    let path = self.session.host_path.join(&name);
                    let is_name = !name.as_os_str().is_empty() || line.trim().is_empty();
                    if is_name && name.is_relative() && name.iter().all(|part| part != "..") && !paths.contains(&path) {
                        paths.push(path);
                    }
                }
            }
        }
        paths
    }
}

/// Bytes of a name that are looked at.
const LONGEST_PATH: usize = 1024;

/// Characters that may end a path in a text, and that mean something in a command.
fn needs_quotes(c: char) -> bool {
    c.is_whitespace() || "\"'`<>()[]{}|,;*\\".contains(c)
}

/// A word of a command, whatever it holds.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Says on `/save` that what is there may go.
const FORCE: &str = "--force";
