//! From a key to what it does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::protocol::Op;
use crate::tui::Exit;
use crate::tui::action::{Action, Scope};
use crate::tui::chord::Chord;
use crate::tui::effect::{Outside, UiEffect, ViewSource};
use crate::tui::pane::apply::ApplyView;
use crate::tui::pane::composer::DOUBLE_PRESS;
use crate::tui::pane::palette::{Choice, Outcome, Palette};
use crate::tui::pane::picture::PictureViewer;
use crate::tui::pane::type_in::{TypeIn, Typed};
use crate::tui::pane::viewer::Viewer;
use crate::tui::pane::{PaneId, help};
use crate::tui::slash::Argument;

use super::{App, Focus, Modal};

impl App {
    pub(super) fn on_key(&mut self, key: KeyEvent) -> Vec<UiEffect> {
        self.notice = None;
        self.bringing.touch();
        let scope = self.scope();
        // The one key that works whatever has the focus.
        if self.keymap.resolve(Scope::Global, key) == Some(Action::Cancel) {
            return self.cancel_key(scope);
        }
        if self.keymap.resolve(Scope::Global, key) == Some(Action::Suspend) {
            return self.act(Action::Suspend);
        }
        if self.keymap.resolve(scope, key) != Some(Action::Interrupt) {
            // Nor are two Esc with something between them.
            self.last_escape = None;
        }
        if !(self.keymap.resolve(scope, key) == Some(Action::AskQuit) && self.composer.is_empty()) {
            // Whatever is pressed in between, two cancels are no longer one gesture.
            self.last_cancel = None;
        }
        match scope {
            Scope::Text => self.text_key(key),
            Scope::Composer => self.composer_key(key),
            scope => match self.keymap.resolve(scope, key) {
                Some(action) => self.act(action),
                None if is_question(key) => self.act(Action::Help),
                None => {
                    if let Some(Modal::Viewer(viewer) | Modal::Apply(ApplyView { viewer, .. })) = &mut self.modal {
                        viewer.key(key);
                    } else if let Some(Modal::Picture(viewer)) = &mut self.modal {
                        viewer.key(key);
                    }
                    Vec::new()
                }
            },
        }
    }

    pub(super) fn on_paste(&mut self, text: &str) -> Vec<UiEffect> {
        self.notice = None;
        self.bringing.touch();
        self.last_cancel = None;
        self.hidden = false;
        let scope = self.scope();
        match (&mut self.modal, scope) {
            (Some(Modal::Palette(palette)), _) => palette.paste(text),
            (Some(Modal::TypeIn(line)), _) => line.paste(text),
            (Some(_), _) | (None, Scope::Dialog) => {}
            (None, Scope::Text) => match (self.dialog(), self.focus) {
                (Some(pane), _) | (None, Focus::Pane(pane)) => self.pane_mut(pane).paste(text),
                (None, Focus::Composer) => return self.paste_into_composer(text),
            },
            // Pasted text is for the composer, wherever the focus is.
            (None, _) => {
                self.focus = Focus::Composer;
                return self.paste_into_composer(text);
            }
        }
        Vec::new()
    }

    fn text_key(&mut self, key: KeyEvent) -> Vec<UiEffect> {
        match &mut self.modal {
            Some(Modal::Palette(palette)) => match palette.key(key) {
                Outcome::Stay => Vec::new(),
                Outcome::Close => {
                    self.modal = None;
                    Vec::new()
                }
                Outcome::Do(choice) => {
                    self.modal = None;
                    self.choose(choice)
                }
            },
            Some(Modal::Viewer(viewer) | Modal::Apply(ApplyView { viewer, .. })) => {
                viewer.text_key(key);
                Vec::new()
            }
            // No line of text is typed there.
            Some(Modal::Picture(_)) => Vec::new(),
            Some(Modal::TypeIn(line)) => match line.key(key) {
                Typed::Stay => Vec::new(),
                Typed::Close => {
                    self.modal = None;
                    Vec::new()
                }
                Typed::Send(op) => vec![UiEffect::Send(op)],
            },
            None => match (self.dialog(), self.focus) {
                (Some(pane), _) | (None, Focus::Pane(pane)) => {
                    let effects = self.pane_mut(pane).text_key(key);
                    self.inner(effects)
                }
                (None, Focus::Composer) => {
                    let again = self.keymap.resolve(Scope::Composer, key) == Some(Action::SearchHistory);
                    self.composer.search_key(key, again);
                    Vec::new()
                }
            },
        }
    }

    fn composer_key(&mut self, key: KeyEvent) -> Vec<UiEffect> {
        if self.undo_drop(key) {
            return Vec::new();
        }
        if let Some(effects) = self.completion_key(key) {
            return effects;
        }
        let suggestions = self.suggestions();
        if !suggestions.is_empty() {
            let chosen = suggestions.get(self.suggestion.min(suggestions.len() - 1)).copied();
            match (key.code, chosen) {
                (KeyCode::Tab, Some(row)) => {
                    let space = if row.argument == Argument::No { "" } else { " " };
                    self.composer.set_text(&format!("/{}{space}", row.name));
                    return Vec::new();
                }
                (KeyCode::Up, _) => {
                    self.suggestion = self.suggestion.min(suggestions.len() - 1).saturating_sub(1);
                    return Vec::new();
                }
                (KeyCode::Down, _) => {
                    self.suggestion = (self.suggestion + 1).min(suggestions.len() - 1);
                    return Vec::new();
                }
                (KeyCode::Enter, Some(row)) if key.modifiers.is_empty() => {
                    return self.choose(Choice::Slash(row));
                }
                // What is open closes first.
                (KeyCode::Esc, _) => {
                    self.hidden = true;
                    return Vec::new();
                }
                _ => {}
            }
        }
        if let Some(effects) = self.tab(key) {
            return effects;
        }
        match self.keymap.resolve(Scope::Composer, key).filter(|action| self.applies(*action)) {
            Some(action) => {
                let mut effects = self.act(action);
                effects.extend(self.complete());
                effects
            }
            None if is_question(key) && self.composer.is_empty() => self.act(Action::Help),
            None => {
                self.composer.key(key);
                self.suggestion = 0;
                self.hidden = false;
                self.complete()
            }
        }
    }

    /// Whether the key of an action means it now, and is no letter or edit.
    fn applies(&self, action: Action) -> bool {
        action != Action::AskQuit || self.composer.is_empty()
    }

    fn choose(&mut self, choice: Choice) -> Vec<UiEffect> {
        match choice {
            Choice::Action(action) => self.act(action),
            Choice::Slash(row) => {
                self.suggestion = 0;
                if matches!(row.argument, Argument::Required(_)) {
                    self.focus = Focus::Composer;
                    self.composer.lay_aside();
                    self.composer.set_text(&format!("/{} ", row.name));
                    return Vec::new();
                }
                if self.composer.text().starts_with('/') {
                    self.composer.clear();
                    self.composer.take_up();
                }
                self.command(row.slash, "")
            }
        }
    }

    /// Does what an action says.
    pub(super) fn act(&mut self, action: Action) -> Vec<UiEffect> {
        match action {
            Action::ShowChat => self.show(PaneId::Chat),
            Action::ShowTrace => self.show(PaneId::Trace),
            Action::ShowSnapshots => self.show(PaneId::Snapshots),
            Action::ShowTodo => self.show(PaneId::Todo),
            Action::ShowPreview => self.show(PaneId::Preview),
            Action::FocusNext => self.move_focus(true),
            Action::FocusPrevious => self.move_focus(false),
            Action::Palette => self.modal = Some(Modal::Palette(Palette::new(self.scope(), &self.keymap))),
            Action::Help => {
                let width = self.layout.area.width;
                let lines = help::lines(&self.keymap, width, self.theme);
                self.modal = Some(Modal::Viewer(Viewer::of_lines("Help".to_owned(), lines, help::hang(width))));
            }
            Action::Redraw => {
                self.pictures.check_files();
                return vec![UiEffect::Redraw];
            }
            Action::Cancel => return self.cancel(),
            Action::AskQuit if self.composer.is_empty() => return self.cancel(),
            Action::AskQuit => {}
            Action::Suspend => return vec![UiEffect::Suspend],
            Action::Answer => self.answer(),
            Action::Voice => return self.toggle_voice(),
            Action::Setup if self.activity.is_busy() => {
                self.say("a turn is running; stop it, or wait until it ends, and then change the setup");
            }
            Action::Setup => return self.begin_exit(Exit::Setup),
            Action::Quit => return self.begin_exit(Exit::Quit),
            Action::Submit => return self.submit(),
            Action::Newline => self.composer.newline(),
            Action::HistoryPrevious => {
                if self.composer.is_empty() && self.queued.is_some() {
                    self.take_back_queued();
                } else {
                    self.composer.up();
                }
            }
            Action::HistoryNext => self.composer.down(),
            Action::ScrollUp => self.chat.scroll_page(true),
            Action::ScrollDown => self.chat.scroll_page(false),
            Action::SearchHistory => self.composer.search(),
            Action::Editor => return vec![UiEffect::Edit(self.composer.expanded())],
            Action::Interrupt => return self.escape(),
            Action::EditPrevious => self.edit_previous(),
            Action::Detach => self.detach(),
            other => return self.act_in_pane(other),
        }
        Vec::new()
    }

    fn act_in_pane(&mut self, action: Action) -> Vec<UiEffect> {
        if let Some(Modal::Apply(view)) = &mut self.modal {
            match action {
                Action::Dismiss => {
                    self.modal = None;
                    self.say("nothing was written to the project");
                }
                Action::Confirm => {
                    if let Some(op) = view.confirm() {
                        self.modal = None;
                        return vec![UiEffect::Send(op)];
                    }
                }
                other => {
                    view.viewer.action(other);
                }
            }
            return Vec::new();
        }
        if let Some(Modal::Viewer(viewer)) = &mut self.modal {
            if action == Action::Dismiss || action == Action::Confirm {
                self.modal = None;
            } else {
                viewer.action(action);
            }
            return Vec::new();
        }
        if let Some(Modal::Picture(viewer)) = &mut self.modal {
            if action == Action::Dismiss || action == Action::Confirm {
                self.modal = None;
            } else {
                viewer.action(action);
            }
            return Vec::new();
        }
        let pane = match (self.dialog(), self.focus) {
            (Some(pane), _) | (None, Focus::Pane(pane)) => pane,
            (None, Focus::Composer) => return Vec::new(),
        };
        if action == Action::Zoom {
            self.zoomed = if self.zoomed == Some(pane) { None } else { Some(pane) };
            return Vec::new();
        }
        let effects = self.pane_mut(pane).action(action);
        self.inner(effects)
    }

    /// Performs the effects that are the screen's own and passes the others on.
    pub(super) fn inner(&mut self, effects: Vec<UiEffect>) -> Vec<UiEffect> {
        let mut outer = Vec::new();
        for effect in effects {
            match effect {
                UiEffect::Notice(text) => self.say(&text),
                UiEffect::TypeInto { call, tool } => self.modal = Some(Modal::TypeIn(TypeIn::new(call, tool))),
                UiEffect::ShowPictures { paths, labels, at } => {
                    let viewer = PictureViewer::new(self.pictures.clone(), paths, at);
                    self.modal = viewer.map(|viewer| Modal::Picture(viewer.called(labels)));
                }
                UiEffect::Command { name, argument } => self.begin_command(&name, &argument),
                UiEffect::OpenOutside(Outside::File(path)) => {
                    outer.push(UiEffect::OpenOutside(Outside::File(self.on_host(&path))));
                }
                UiEffect::Focus(pane) => self.show(pane),
                UiEffect::Leave => self.leave(),
                UiEffect::CopyHostPath(text) => outer.extend(self.copy_host_path(&text)),
                UiEffect::View { title, source: ViewSource::Text(text) } => {
                    self.modal = Some(Modal::Viewer(Viewer::of_text(title, &text)));
                }
                UiEffect::View { title, source: ViewSource::Markdown(text) } => {
                    self.modal = Some(Modal::Viewer(Viewer::of_markdown(title, text, self.theme)));
                }
                UiEffect::Quit(exit) => outer.extend(self.begin_exit(exit)),
                other => outer.push(other),
            }
        }
        outer
    }

    /// Opens the line in which one types into the running call.
    fn answer(&mut self) {
        match self.trace.current(self.now_ms) {
            Some(call) => self.modal = Some(Modal::TypeIn(TypeIn::new(call.call, call.tool))),
            None => self.say("no call is running"),
        }
    }

    pub(super) fn leave(&mut self) {
        self.focus = Focus::Composer;
        self.shown = PaneId::Chat;
        self.zoomed = None;
    }

    /// Brings a pane to the screen and gives it the focus. The chat gives it to the composer first.
    pub(super) fn show(&mut self, pane: PaneId) {
        self.modal = None;
        if self.zoomed.is_some_and(|zoomed| zoomed != pane) {
            self.zoomed = None;
        }
        if pane == PaneId::Preview {
            self.preview.look_again();
        }
        let already = self.layout.place(pane).is_some();
        self.shown = pane;
        if self.layout.area.width >= crate::tui::layout::THREE_PANES && !already {
            // Where it has no place of its own, it takes the whole body.
            let has_place = !matches!(pane, PaneId::Todo | PaneId::Preview)
                || self.layout.area.width >= crate::tui::layout::THREE_COLUMNS;
            self.zoomed = (!has_place).then_some(pane);
        }
        self.focus = match (pane, self.focus) {
            (PaneId::Chat, Focus::Composer) if already => Focus::Pane(PaneId::Chat),
            (PaneId::Chat, _) => Focus::Composer,
            (pane, _) => Focus::Pane(pane),
        };
    }

    fn move_focus(&mut self, forward: bool) {
        let mut stops = vec![Focus::Composer];
        stops.extend(self.layout.panes.iter().map(|place| Focus::Pane(place.pane)));
        let at = stops.iter().position(|stop| *stop == self.focus).unwrap_or(0);
        let count = stops.len();
        self.focus = stops[if forward { (at + 1) % count } else { (at + count - 1) % count }];
    }

    fn cancel_key(&mut self, scope: Scope) -> Vec<UiEffect> {
        if self.pressed_twice() {
            return self.cancel();
        }
        // Something is open: it closes first.
        let open = self.modal.is_some() || self.dialog().is_some() || scope == Scope::Text;
        if !open {
            return self.cancel();
        }
        self.last_cancel = Some((self.now_ms, self.activity.is_busy()));
        if scope == Scope::Text {
            self.text_key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE))
        } else {
            self.act(Action::Dismiss)
        }
    }

    fn pressed_twice(&self) -> bool {
        let window = DOUBLE_PRESS.as_millis() as u64;
        self.last_cancel.is_some_and(|(at, _)| self.now_ms.saturating_sub(at) <= window)
    }

    /// Ctrl+C: clears the composer, else stops the turn, else asks; twice within two seconds it quits.
    pub(super) fn cancel(&mut self) -> Vec<UiEffect> {
        let busy = self.activity.is_busy();
        if self.pressed_twice() {
            let was_busy = self.last_cancel.is_some_and(|(_, busy)| busy);
            return self.begin_exit(if was_busy || busy { Exit::Interrupted } else { Exit::Quit });
        }
        self.last_cancel = Some((self.now_ms, busy));
        if let Some((exit, _)) = self.closing {
            return vec![UiEffect::Quit(exit)];
        }
        if let Some(effects) = self.discard_voice() {
            return effects;
        }
        if !self.composer.is_empty() {
            self.composer.put_away();
            self.composer.take_up();
        } else if !self.attachments.is_empty() {
            self.attachments.take();
            self.say("nothing is attached any more");
        } else if self.activity.is_running() {
            return self.interrupt();
        } else if self.engine_ended {
            return vec![UiEffect::Quit(Exit::Quit)];
        } else {
            let key = self.keymap.chord(Action::Cancel).map_or_else(String::new, |chord: Chord| chord.to_string());
            self.say(&format!("{key} again quits; the session is saved"));
        }
        Vec::new()
    }

    fn escape(&mut self) -> Vec<UiEffect> {
        if let Some(effects) = self.discard_voice() {
            return effects;
        }
        if self.activity.is_rebuilding() {
            // No turn runs meanwhile: a message that waits for the cells is asked then.
            self.last_escape = None;
            return vec![UiEffect::Send(Op::Interrupt)];
        }
        if self.activity.is_running() {
            self.last_escape = None;
            return self.interrupt();
        }
        let window = DOUBLE_PRESS.as_millis() as u64;
        let twice = self.last_escape.is_some_and(|at| self.now_ms.saturating_sub(at) <= window);
        self.last_escape = Some(self.now_ms);
        if twice && self.composer.is_empty() {
            self.last_escape = None;
            self.edit_previous();
        }
        Vec::new()
    }

    pub(super) fn interrupt(&mut self) -> Vec<UiEffect> {
        self.activity.stop();
        self.take_back_queued();
        vec![UiEffect::Send(Op::Interrupt)]
    }

    fn edit_previous(&mut self) {
        match self.chat.latest_message().map(str::to_owned) {
            Some(text) => {
                self.focus = Focus::Composer;
                self.composer.set_text(&text);
            }
            None => self.say("there is no message yet"),
        }
    }
}

fn is_question(key: KeyEvent) -> bool {
    Chord::of(key) == Chord { code: KeyCode::Char('?'), modifiers: KeyModifiers::NONE }
}
