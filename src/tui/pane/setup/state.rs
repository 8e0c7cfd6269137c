//! What the keys of the setup screen mean. Pure but for the file that is looked at and saved in `review`.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::form::{Form, KeyFrom, Present, Row};
use super::picker::Picker;
use super::review::Review;
use super::{SetupOutcome, SetupServices, Trial, TrialError};
use crate::config::{Change, ENDPOINTS, EndpointName, PRESETS};
use crate::support::sanitize;
use crate::support::secret::{Redactor, Secret};
use crate::tui::action::Action;
use crate::tui::pane::line_input::LineOutcome;
use crate::tui::pane::list::ListCursor;

/// Something that takes time.
#[derive(Debug)]
pub(super) enum Job {
    Models(Trial),
    Ask(Trial),
}

/// What the loop is to do.
#[derive(Debug)]
pub(super) enum Next {
    Stay,
    Start(Job),
    Cancel,
    End(SetupOutcome),
}

/// A row of the first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The chat endpoint as it is configured.
    Present,
    /// The provider of that number.
    Preset(usize),
    Media,
    Demo,
}

/// How a test stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    None,
    /// Since that moment.
    Running(u64),
    Answered(String),
    Failed(TrialError),
    /// A row has to be mended first.
    Problem(String),
}

/// A page; the last one of the list is on the screen.
pub(super) enum Page {
    Start(ListCursor),
    Media(ListCursor),
    Form(Box<Form>, Test),
    Pick(Picker),
    Review(Box<Review>),
}

/// Everything that the setup screen knows.
pub(super) struct SetupState {
    pub(super) services: SetupServices,
    pub(super) pages: Vec<Page>,
    /// The endpoints as they are configured now, in the order of [`ENDPOINTS`].
    pub(super) present: Vec<Present>,
    /// One line about what was done last.
    pub(super) news: Option<String>,
    saved: bool,
    pub(super) now_ms: u64,
}

impl SetupState {
    pub(super) fn new(services: &SetupServices) -> Self {
        let present = ENDPOINTS.iter().map(|endpoint| Present::of(&services.values, endpoint.path)).collect();
        Self {
            services: services.clone(),
            pages: vec![Page::Start(ListCursor::default())],
            present,
            news: None,
            saved: false,
            now_ms: 0,
        }
    }

    /// The rows of the first page.
    pub(super) fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        if self.present.first().is_some_and(Present::is_set) {
            choices.push(Choice::Present);
        }
        choices.extend((0..PRESETS.len()).map(Choice::Preset));
        choices.extend([Choice::Media, Choice::Demo]);
        choices
    }

    /// The endpoints of the media page.
    pub(super) fn media() -> &'static [EndpointName] {
        &ENDPOINTS[1..]
    }

    pub(super) fn paste(&mut self, text: &str) {
        match self.pages.last_mut() {
            Some(Page::Form(form, _)) => {
                let is_key = form.focus == Row::Key;
                if let Some(input) = form.input() {
                    // A copied key often brings its line break along.
                    input.insert(if is_key { text.trim() } else { text.trim_matches(['\n', '\r']) });
                }
            }
            Some(Page::Pick(picker)) => {
                picker.filter.insert(text);
                picker.filter();
            }
            _ => {}
        }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Next {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        if ctrl && key.code == KeyCode::Char('c') {
            return self.leave();
        }
        match self.pages.last_mut() {
            Some(Page::Start(_)) => self.start_key(key),
            Some(Page::Media(_)) => self.media_key(key),
            Some(Page::Form(..)) => self.form_key(key),
            Some(Page::Pick(_)) => self.pick_key(key),
            Some(Page::Review(_)) => self.review_key(key),
            None => self.leave(),
        }
    }

    fn leave(&self) -> Next {
        // What was saved counts, also when the user leaves by another way.
        Next::End(if self.saved { SetupOutcome::Saved } else { SetupOutcome::Quit })
    }

    /// Goes back one page.
    fn back(&mut self) -> Next {
        self.pages.pop();
        if self.pages.is_empty() { self.leave() } else { Next::Stay }
    }

    fn start_key(&mut self, key: KeyEvent) -> Next {
        self.news = None;
        let choices = self.choices();
        let Some(Page::Start(cursor)) = self.pages.last_mut() else { return Next::Stay };
        if let Some(action) = movement(key) {
            cursor.act(action, choices.len());
            return Next::Stay;
        }
        let chosen = choices.get(cursor.selected).copied();
        match key.code {
            KeyCode::Enter => match chosen {
                Some(Choice::Present) => self.open_form(0, None),
                Some(Choice::Preset(index)) => self.open_form(0, Some(index)),
                Some(Choice::Media) => self.pages.push(Page::Media(ListCursor::default())),
                Some(Choice::Demo) => return Next::End(SetupOutcome::Demo),
                None => {}
            },
            KeyCode::Esc => return self.back(),
            _ => {}
        }
        Next::Stay
    }

    fn open_form(&mut self, endpoint: usize, preset: Option<usize>) {
        let preset = preset.and_then(|index| PRESETS.get(index));
        let has_variable = self.services.has_variable.clone();
        let form = Form::new(&ENDPOINTS[endpoint], preset, self.present[endpoint].clone(), has_variable);
        self.pages.push(Page::Form(Box::new(form), Test::None));
    }

    fn media_key(&mut self, key: KeyEvent) -> Next {
        self.news = None;
        let Some(Page::Media(cursor)) = self.pages.last_mut() else { return Next::Stay };
        if let Some(action) = movement(key) {
            cursor.act(action, Self::media().len());
            return Next::Stay;
        }
        let chosen = cursor.selected + 1;
        match key.code {
            KeyCode::Enter => self.open_form(chosen, None),
            KeyCode::Esc => return self.back(),
            _ => {}
        }
        Next::Stay
    }

    fn form_key(&mut self, key: KeyEvent) -> Next {
        let now_ms = self.now_ms;
        let Some(Page::Form(form, test)) = self.pages.last_mut() else { return Next::Stay };
        if matches!(test, Test::Running(_)) {
            if key.code == KeyCode::Esc {
                *test = Test::None;
                return Next::Cancel;
            }
            return Next::Stay;
        }
        match (key.code, form.focus) {
            (KeyCode::Esc, _) => return self.back(),
            (KeyCode::Up | KeyCode::BackTab, _) => form.step(false),
            (KeyCode::Down | KeyCode::Tab, _)
            | (KeyCode::Enter, Row::BaseUrl | Row::KeyFrom | Row::Key | Row::Variable | Row::Model | Row::Streaming) => {
                form.step(true);
            }
            (KeyCode::Left | KeyCode::Right | KeyCode::Char(' '), Row::KeyFrom) => {
                form.choose_key(key.code != KeyCode::Left);
                *test = Test::None;
            }
            (KeyCode::Left | KeyCode::Right | KeyCode::Char(' '), Row::Streaming) => form.streaming = !form.streaming,
            (KeyCode::Enter, Row::Pick) => return self.start_pick(),
            (KeyCode::Enter, Row::Test) => {
                if let Some((row, problem)) = form.first_problem() {
                    form.focus = row;
                    form.tried = true;
                    *test = Test::Problem(problem);
                } else {
                    *test = Test::Running(now_ms);
                    return Next::Start(Job::Ask(form.trial()));
                }
            }
            (KeyCode::Enter, Row::Save) => self.start_review(),
            (KeyCode::Enter, Row::Remove) => {
                let changes = vec![Change::Remove(form.endpoint.path.to_owned())];
                let elsewhere = form.present.elsewhere.clone();
                let check = &*self.services.check;
                let review = Review::new(&self.services.config_file, changes.clone(), &changes, elsewhere, check);
                self.pages.push(Page::Review(Box::new(review)));
            }
            _ => {
                if let Some(input) = form.input()
                    && input.key(key) == LineOutcome::Changed
                {
                    *test = Test::None;
                }
            }
        }
        Next::Stay
    }

    fn start_pick(&mut self) -> Next {
        let Some(Page::Form(form, test)) = self.pages.last_mut() else { return Next::Stay };
        if let Some((row, problem)) = form.first_problem_before_model() {
            form.focus = row;
            form.tried = true;
            *test = Test::Problem(problem);
            return Next::Stay;
        }
        *test = Test::None;
        let trial = form.trial();
        self.pages.push(Page::Pick(Picker::new()));
        Next::Start(Job::Models(trial))
    }

    fn start_review(&mut self) {
        let Some(Page::Form(form, test)) = self.pages.last_mut() else { return };
        if let Some((row, problem)) = form.first_problem() {
            form.focus = row;
            form.tried = true;
            *test = Test::Problem(problem);
            return;
        }
        let elsewhere = form.present.elsewhere.clone();
        let (changes, shown) = (form.changes(false), form.changes(true));
        let review = Review::new(&self.services.config_file, changes, &shown, elsewhere, &*self.services.check);
        self.pages.push(Page::Review(Box::new(review)));
    }

    fn pick_key(&mut self, key: KeyEvent) -> Next {
        let Some(Page::Pick(picker)) = self.pages.last_mut() else { return Next::Stay };
        match key.code {
            KeyCode::Esc => {
                let waiting = picker.is_waiting();
                self.pages.pop();
                return if waiting { Next::Cancel } else { Next::Stay };
            }
            KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown => {
                if let Some(action) = movement(key) {
                    picker.cursor.act(action, picker.matching.len());
                }
            }
            KeyCode::Enter => {
                if let Some(name) = picker.taken() {
                    self.pages.pop();
                    if let Some(Page::Form(form, _)) = self.pages.last_mut() {
                        form.model = crate::tui::pane::line_input::LineInput::new(&name);
                        form.focus = if form.is_chat() { Row::Test } else { Row::Save };
                    }
                    return Next::Cancel;
                }
            }
            _ => {
                if picker.filter.key(key) == LineOutcome::Changed {
                    picker.filter();
                }
            }
        }
        Next::Stay
    }

    fn review_key(&mut self, key: KeyEvent) -> Next {
        let Some(Page::Review(review)) = self.pages.last_mut() else { return Next::Stay };
        match key.code {
            KeyCode::Esc => {
                self.pages.pop();
            }
            KeyCode::Enter if review.can_save() => {
                if review.save() {
                    return self.saved();
                }
            }
            _ => {
                if let Some(action) = movement(key) {
                    review.scroll.act(action);
                }
            }
        }
        Next::Stay
    }

    /// After saving: to the chat, or back to the media page.
    fn saved(&mut self) -> Next {
        self.saved = true;
        self.services.problem = None;
        let removed = matches!(self.pages.pop(), Some(Page::Review(review)) if review.removes);
        let Some(Page::Form(form, _)) = self.pages.pop() else { return Next::Stay };
        if form.is_chat() {
            return Next::End(SetupOutcome::Saved);
        }
        let index = ENDPOINTS.iter().position(|endpoint| endpoint.path == form.endpoint.path).unwrap_or(0);
        let present = &mut self.present[index];
        if removed {
            *present = Present::of(&[], form.endpoint.path);
        } else {
            form.model.text().trim().clone_into(&mut present.model);
            form.trial().base_url.clone_into(&mut present.base_url);
            present.key = match form.key_from {
                KeyFrom::Present => present.key.clone(),
                KeyFrom::Typed => super::form::PresentKey::Set { in_file: true },
                KeyFrom::Variable => super::form::PresentKey::Variable(form.variable.text().trim().to_owned()),
                KeyFrom::Nowhere => super::form::PresentKey::None,
            };
        }
        let file = self.services.config_file.display().to_string();
        let what = if removed { "removed from" } else { "saved in" };
        self.news = Some(sanitize::line(&format!("{} {what} {file}", form.endpoint.title)));
        Next::Stay
    }

    /// The list of models has come.
    pub(super) fn models(&mut self, found: Result<Vec<String>, TrialError>) {
        let redactor = self.redactor();
        if let Some(Page::Pick(picker)) = self.pages.last_mut() {
            match found {
                Ok(names) => picker.answer(&names),
                Err(error) => picker.error = Some(error.clean(&redactor)),
            }
        }
    }

    /// The answer to the question has come.
    pub(super) fn asked(&mut self, answer: Result<String, TrialError>) {
        let redactor = self.redactor();
        if let Some(Page::Form(form, test)) = self.pages.last_mut() {
            *test = match answer {
                Ok(text) => {
                    form.focus = Row::Save;
                    Test::Answered(sanitize::line(&redactor.redact(text.trim())))
                }
                Err(error) => Test::Failed(error.clean(&redactor)),
            };
        }
    }

    /// Servers like to repeat the key that they refuse.
    fn redactor(&self) -> Redactor {
        Redactor::new(self.pages.iter().filter_map(|page| match page {
            Page::Form(form, _) => Some(Secret::new(form.key.text().trim())),
            _ => None,
        }))
    }
}

/// Keys that move in a list. Letters are left alone where text can be typed, so only `j` and `k` are taken elsewhere.
fn movement(key: KeyEvent) -> Option<Action> {
    Some(match key.code {
        KeyCode::Up | KeyCode::Char('k') | KeyCode::BackTab => Action::Up,
        KeyCode::Down | KeyCode::Char('j') | KeyCode::Tab => Action::Down,
        KeyCode::PageUp => Action::PageUp,
        KeyCode::PageDown => Action::PageDown,
        KeyCode::Home => Action::Top,
        KeyCode::End => Action::Bottom,
        _ => return None,
    })
}
