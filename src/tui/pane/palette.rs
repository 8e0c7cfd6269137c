//! The palette: every action and command that works here, found by typing parts of it.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::support::truncate;
use crate::tui::action::{Action, Scope, TABLE};
use crate::tui::keymap::Keymap;
use crate::tui::slash::{self, SlashRow};
use crate::tui::text::wrap::width_of;

use super::DrawContext;
use super::line_input::{LineInput, LineOutcome};

/// What was chosen.
#[derive(Debug, Clone, Copy)]
pub enum Choice {
    /// An action.
    Action(Action),
    /// A command.
    Slash(&'static SlashRow),
}

#[derive(Debug)]
struct Entry {
    choice: Choice,
    words: &'static str,
    name: String,
    keys: String,
}

/// What a key did.
#[derive(Debug)]
pub enum Outcome {
    /// The palette stays.
    Stay,
    /// It closes.
    Close,
    /// It closes and something is to be done.
    Do(Choice),
}

/// The palette's state.
#[derive(Debug)]
pub struct Palette {
    input: LineInput,
    entries: Vec<Entry>,
    found: Vec<usize>,
    chosen: usize,
}

impl Palette {
    /// A palette of what works where the focus is.
    pub fn new(scope: Scope, keymap: &Keymap) -> Self {
        let mut entries: Vec<Entry> = slash::TABLE
            .iter()
            .map(|row| Entry {
                choice: Choice::Slash(row),
                words: row.sentence,
                name: row.usage(),
                keys: String::new(),
            })
            .collect();
        for row in TABLE.iter().filter(|row| scope.chain().contains(&row.scope)) {
            let movement = matches!(
                row.action,
                Action::Up | Action::Down | Action::HistoryPrevious | Action::HistoryNext | Action::Palette
            );
            // A command of the same sentence stands there already.
            if movement || slash::TABLE.iter().any(|other| other.sentence == row.sentence) {
                continue;
            }
            let keys = keymap.all(row.action);
            entries.push(Entry { choice: Choice::Action(row.action), words: row.sentence, name: String::new(), keys });
        }
        for entry in &mut entries {
            let Choice::Slash(row) = entry.choice else { continue };
            if let Some(same) =
                TABLE.iter().find(|other| other.sentence == row.sentence && scope.chain().contains(&other.scope))
            {
                entry.keys = keymap.all(same.action);
            }
        }
        let found = (0..entries.len()).collect();
        Self { input: LineInput::new(""), entries, found, chosen: 0 }
    }

    /// Puts pasted text into the line.
    pub fn paste(&mut self, text: &str) {
        self.input.insert(text);
        self.filter();
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        let last = self.found.len().saturating_sub(1);
        match key.code {
            KeyCode::Up => self.chosen = self.chosen.saturating_sub(1),
            KeyCode::Down | KeyCode::Tab => self.chosen = (self.chosen + 1).min(last),
            KeyCode::PageUp => self.chosen = self.chosen.saturating_sub(8),
            KeyCode::PageDown => self.chosen = (self.chosen + 8).min(last),
            _ => match self.input.key(key) {
                LineOutcome::Submit => {
                    let chosen = self.found.get(self.chosen).map(|at| self.entries[*at].choice);
                    return chosen.map_or(Outcome::Stay, Outcome::Do);
                }
                LineOutcome::Cancel => return Outcome::Close,
                LineOutcome::Changed => self.filter(),
                LineOutcome::Ignored => {}
            },
        }
        Outcome::Stay
    }

    fn filter(&mut self) {
        self.chosen = 0;
        let query = self.input.text();
        if query.is_empty() {
            self.found = (0..self.entries.len()).collect();
            return;
        }
        let mut matcher = Matcher::new(Config::DEFAULT);
        let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
        let mut buffer = Vec::new();
        let mut scored: Vec<(u32, usize)> = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| {
                let text = format!("{} {}", entry.name, entry.words);
                pattern.score(Utf32Str::new(&text, &mut buffer), &mut matcher).map(|score| (score, at))
            })
            .collect();
        scored.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
        self.found = scored.into_iter().map(|(_, at)| at).collect();
    }

    /// Draws the line and the entries.
    pub fn draw(&self, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        if area.is_empty() {
            return;
        }
        self.input.draw(" > ", area, cx, frame);
        let rows = usize::from(area.height - 1);
        let from = (self.chosen + 1).saturating_sub(rows);
        let ellipsis = cx.theme.glyphs().ellipsis;
        for (offset, at) in self.found.iter().enumerate().skip(from).take(rows) {
            let entry = &self.entries[*at];
            let row = Rect { y: area.y + 1 + (offset - from) as u16, height: 1, ..area };
            let keys = width_of(&entry.keys);
            let room = usize::from(area.width).saturating_sub(keys + 3);
            let words = match entry.choice {
                Choice::Slash(_) => format!("{}  {}", entry.name, entry.words),
                Choice::Action(_) => entry.words.to_owned(),
            };
            let words = truncate::cells(&words, room, ellipsis);
            let gap = room.saturating_sub(width_of(&words));
            let style = if offset == self.chosen { cx.theme.selected() } else { cx.theme.text() };
            let line = Line::from(vec![
                Span::raw(" "),
                Span::raw(words),
                Span::raw(" ".repeat(gap)),
                Span::raw("  "),
                Span::styled(entry.keys.clone(), if offset == self.chosen { style } else { cx.theme.dim() }),
            ]);
            frame.render_widget(line.style(style), row);
        }
        if self.found.is_empty() && rows > 0 {
            let row = Rect { y: area.y + 1, height: 1, ..area };
            frame.render_widget(Line::styled(" no command has these letters", cx.theme.dim()), row);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ratatui::crossterm::event::KeyModifiers;

    use super::*;

    #[test]
    fn letters_find_an_action_and_enter_does_it() {
        let keymap = Keymap::load(&BTreeMap::new()).expect("keymap");
        let mut palette = Palette::new(Scope::Composer, &keymap);
        for c in "rename".chars() {
            palette.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        }
        let chosen = palette.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
        assert!(matches!(chosen, Outcome::Do(Choice::Slash(row)) if row.name == "rename"), "{chosen:?}");
        palette.paste("zzzz");
        assert!(matches!(palette.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)), Outcome::Stay));
    }
}
