//! The sessions to continue: a list that typing filters. Shown before any engine runs, in a loop of its own.

use jiff::Zoned;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::support::{clock, sanitize, truncate};
use crate::tui::TuiError;
use crate::tui::input::{EventSource, Input, TerminalSource};
use crate::tui::output::Sink;
use crate::tui::run::Signals;
use crate::tui::terminal::Screen;
use crate::tui::text::wrap::{width_of, wrap_text};
use crate::tui::theme::Theme;

use super::DrawContext;
use super::line_input::{LineInput, LineOutcome};
use super::list::mark_row;

/// Below this width ids and holders are left out.
const NARROW: usize = 60;

/// A session to choose.
#[derive(Debug, Clone)]
pub struct SessionChoice {
    /// Its id.
    pub id: String,
    /// Its title; empty while it has none.
    pub title: String,
    /// When it was last used.
    pub time: Zoned,
    /// Who has it open, if anybody.
    pub holder: Option<String>,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked {
    /// The session of this id.
    Session(String),
    /// None; the user left.
    Quit,
    /// None; a signal ended it: exit code 128 and the signal's number.
    Signal(i32),
}

/// Lets the user choose in the terminal.
pub async fn pick(rows: Vec<SessionChoice>, theme: Theme, now: Zoned) -> Result<Picked, TuiError> {
    let signals = Signals::listen().map_err(TuiError::Terminal)?;
    pick_with(rows, theme, now, Screen::open()?, TerminalSource::new(), signals).await
}

/// As [`pick`], with a screen and keys of a test.
pub async fn pick_with<S: Sink, E: EventSource>(
    rows: Vec<SessionChoice>,
    theme: Theme,
    now: Zoned,
    mut screen: Screen<S>,
    mut source: E,
    mut signals: Signals,
) -> Result<Picked, TuiError> {
    let mut picker = Picker::new(rows);
    loop {
        screen.draw(
            &mut picker,
            |_, _| (),
            |picker, frame| {
                let cx = DrawContext { theme, focused: true, now_ms: 0, wall: &now };
                picker.draw(&cx, frame);
            },
        )?;
        let input = tokio::select! {
            signal = signals.next() => return Ok(if signal == 2 { Picked::Quit } else { Picked::Signal(signal) }),
            input = source.next() => input,
        };
        match input {
            Input::Key(key) => {
                if let Some(picked) = picker.key(key) {
                    return Ok(picked);
                }
            }
            Input::Paste(text) => picker.paste(&text),
            Input::Resize | Input::Answer(_) => {}
            Input::Ended => return Ok(Picked::Signal(1)),
        }
    }
}

#[derive(Debug)]
struct Picker {
    rows: Vec<SessionChoice>,
    filter: LineInput,
    found: Vec<usize>,
    chosen: usize,
    /// Why what was chosen cannot be opened, until the next key.
    refused: Option<String>,
}

impl Picker {
    fn new(mut rows: Vec<SessionChoice>) -> Self {
        for row in &mut rows {
            row.title = sanitize::line(&row.title);
            row.holder = row.holder.as_deref().map(sanitize::line);
        }
        let found = (0..rows.len()).collect();
        Self { rows, filter: LineInput::new(""), found, chosen: 0, refused: None }
    }

    fn key(&mut self, key: KeyEvent) -> Option<Picked> {
        let last = self.found.len().saturating_sub(1);
        self.refused = None;
        match key.code {
            KeyCode::Up => self.chosen = self.chosen.saturating_sub(1),
            KeyCode::Down => self.chosen = (self.chosen + 1).min(last),
            KeyCode::PageUp => self.chosen = self.chosen.saturating_sub(10),
            KeyCode::PageDown => self.chosen = (self.chosen + 10).min(last),
            _ => match self.filter.key(key) {
                LineOutcome::Submit => {
                    let row = self.found.get(self.chosen).and_then(|at| self.rows.get(*at));
                    let row = row?;
                    if let Some(holder) = &row.holder {
                        self.refused = Some(format!("in use by {holder}; close it there first"));
                        return None;
                    }
                    return Some(Picked::Session(row.id.clone()));
                }
                LineOutcome::Cancel => return Some(Picked::Quit),
                LineOutcome::Changed => self.narrow(),
                LineOutcome::Ignored => {}
            },
        }
        None
    }

    fn paste(&mut self, text: &str) {
        self.filter.insert(text);
        self.narrow();
    }

    /// Keeps the rows that contain what was typed, in their order: the newest first.
    fn narrow(&mut self) {
        self.chosen = 0;
        let pattern = Pattern::parse(self.filter.text(), CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        self.found = (0..self.rows.len())
            .filter(|at| {
                let row = &self.rows[*at];
                let text = format!("{} {}", row.title, row.id);
                pattern.score(Utf32Str::new(&text, &mut buffer), &mut matcher).is_some()
            })
            .collect();
    }

    fn draw(&self, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let area = frame.area();
        if area.is_empty() {
            return;
        }
        let theme = cx.theme;
        let inner = Rect { x: u16::from(area.width > 2), width: area.width.saturating_sub(2).max(1), ..area };
        let line = |y: u16| Rect { y, height: 1, ..inner };
        let tall = area.height >= 6;
        let mut y = 0;
        if tall {
            frame.render_widget(Line::styled("Continue a session", theme.strong()), line(0));
            y = 1;
        }
        match &self.refused {
            Some(why) if !tall => frame.render_widget(Line::styled(why.as_str(), theme.waiting()), line(y)),
            _ => self.filter.draw("filter: ", line(y), cx, frame),
        }
        y += 1 + u16::from(tall);
        let bottom = area.height - u16::from(tall);
        let height = usize::from(bottom.saturating_sub(y));
        let from = (self.chosen + 1).saturating_sub(height);
        for (offset, at) in self.found.iter().enumerate().skip(from).take(height) {
            let words = Self::row_words(&self.rows[*at], usize::from(inner.width), cx);
            let style = if offset == self.chosen { theme.selected() } else { theme.text() };
            let row = line(y + (offset - from) as u16);
            frame.render_widget(words, row);
            mark_row(row, row.y, style, frame.buffer_mut());
        }
        if self.found.is_empty() && height > 0 {
            let words = if self.rows.is_empty() {
                "There is no session yet. okcvm without --resume begins one."
            } else {
                "No session has these letters."
            };
            for (row, words) in wrap_text(words, inner.width, theme.dim()).into_iter().take(height).enumerate() {
                frame.render_widget(words, line(y + row as u16));
            }
        }
        if tall {
            let hints = ["Enter continue", "Esc leave", "type to filter"].join(theme.glyphs().separator);
            let (words, style) = match &self.refused {
                Some(why) => (why, theme.waiting()),
                None => (&hints, theme.dim()),
            };
            let words = truncate::cells(words, usize::from(inner.width), theme.glyphs().ellipsis);
            frame.render_widget(Line::styled(words, style), line(area.height - 1));
        }
    }

    fn row_words(row: &SessionChoice, width: usize, cx: &DrawContext<'_>) -> Line<'static> {
        let theme = cx.theme;
        let digits = row.id.strip_prefix("okcvm-").unwrap_or(&row.id);
        let ago = clock::ago(&row.time, cx.wall);
        // What tells the rows apart stays; who holds a session is told in full when it is chosen.
        let mut parts = Vec::new();
        if let Some(holder) = &row.holder {
            parts.push("in use".to_owned());
            parts.extend(process_of(holder).filter(|_| width >= NARROW).map(str::to_owned));
        }
        if width >= NARROW {
            parts.push(truncate::prefix(digits, 8).to_owned());
        }
        parts.push(ago);
        let right = parts.join(theme.glyphs().separator);
        let right = truncate::cells(&right, width / 2, theme.glyphs().ellipsis);
        let room = width.saturating_sub(width_of(&right) + 2);
        let title = if row.title.is_empty() { "without a title" } else { &row.title };
        let title = truncate::cells(title, room, theme.glyphs().ellipsis);
        let gap = width.saturating_sub(width_of(&title) + width_of(&right));
        Line::from(vec![Span::raw(title), Span::raw(" ".repeat(gap)), Span::styled(right, theme.dim())])
    }
}

/// The number of the process that holds a session, out of the words in its lock.
fn process_of(holder: &str) -> Option<&str> {
    let rest = holder.split_once("process ")?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::KeyModifiers;

    use super::*;
    use crate::tui::pane::testing;

    fn now() -> Zoned {
        "2026-11-22T12:00:00+00:00[UTC]".parse().expect("a time")
    }

    fn rows() -> Vec<SessionChoice> {
        let row = |id: &str, title: &str, time: &str, holder: Option<&str>| SessionChoice {
            id: format!("okcvm-{id}"),
            title: title.to_owned(),
            time: time.parse().expect("a time"),
            holder: holder.map(str::to_owned),
        };
        vec![
            row(
                "12ab000000000001",
                "Résumé site",
                "2026-11-22T11:58:00+00:00[UTC]",
                Some("okcvm exec (process 4711 on a-machine-with-a-long-name, since 2026-11-22 11:58)"),
            ),
            row("77cd000000000002", "写真を日付で並べる", "2026-11-22T09:00:00+00:00[UTC]", None),
            row("90ef000000000003", "", "2026-10-01T09:00:00+00:00[UTC]", None),
        ]
    }

    fn draw(picker: &Picker, width: u16, height: u16) -> String {
        let now = now();
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("terminal");
        let cx = DrawContext { theme: Theme::new(false, false), focused: true, now_ms: 0, wall: &now };
        terminal.draw(|frame| picker.draw(&cx, frame)).expect("frame");
        testing::text_of(&terminal)
    }

    fn press(picker: &mut Picker, code: KeyCode) -> Option<Picked> {
        picker.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn the_list_fits_every_size() {
        let picker = Picker::new(rows());
        insta::assert_snapshot!(format!("{}\n----\n{}", draw(&picker, 40, 12), draw(&picker, 80, 8)));
        insta::assert_snapshot!(draw(&Picker::new(vec![]), 40, 12));
        for width in 1..30 {
            for height in 1..9 {
                draw(&picker, width, height);
            }
        }
    }

    #[test]
    fn a_session_that_is_in_use_is_refused_with_who_has_it() {
        let mut picker = Picker::new(rows());
        assert_eq!(press(&mut picker, KeyCode::Enter), None);
        for (width, height) in [(100, 12), (100, 4)] {
            let shown = draw(&picker, width, height);
            assert!(shown.contains("in use by okcvm exec (process 4711 on a-machine"), "{shown}");
        }
        press(&mut picker, KeyCode::Down);
        assert!(!draw(&picker, 100, 12).contains("in use by"));
    }

    #[test]
    fn typing_filters_and_enter_chooses() {
        let mut picker = Picker::new(rows());
        for c in "77cd".chars() {
            assert_eq!(press(&mut picker, KeyCode::Char(c)), None);
        }
        assert_eq!(press(&mut picker, KeyCode::Enter), Some(Picked::Session("okcvm-77cd000000000002".to_owned())));
        press(&mut picker, KeyCode::Char('x'));
        assert_eq!(press(&mut picker, KeyCode::Enter), None);
        assert_eq!(press(&mut picker, KeyCode::Esc), Some(Picked::Quit));
        let mut picker = Picker::new(rows());
        press(&mut picker, KeyCode::Down);
        press(&mut picker, KeyCode::Down);
        assert_eq!(press(&mut picker, KeyCode::Enter), Some(Picked::Session("okcvm-90ef000000000003".to_owned())));
    }
}
