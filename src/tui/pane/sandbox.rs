//! What is to be done where the wanted sandbox cannot start, or where none is wanted: asked before any engine runs.
//!
//! A weaker boundary is never taken silently, and none at all only by its words: a key that is pressed by habit must not
//! open the account to a model. What was answered holds for this run alone.

use futures::future::{BoxFuture, OptionFuture};
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::support::{sanitize, truncate};
use crate::tui::TuiError;
use crate::tui::input::{EventSource, Input, TerminalSource};
use crate::tui::output::Sink;
use crate::tui::run::Signals;
use crate::tui::terminal::Screen;
use crate::tui::text::wrap::wrap_text;
use crate::tui::theme::Theme;

use super::DrawContext;
use super::line_input::{LineInput, LineOutcome};

/// The words that must be typed to run tools without any boundary.
pub const WITHOUT_SANDBOX: &str = "run without sandbox";

/// Why there is something to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxQuestion {
    /// The wanted sandbox cannot start.
    Refused {
        /// Why.
        reason: String,
        /// What to do about it.
        hint: String,
        /// Why files cannot be confined by Landlock instead; `None` where they can.
        no_landlock: Option<String>,
    },
    /// The user asked for none.
    NoneWanted,
}

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxAnswer {
    /// The wanted sandbox: it starts now.
    Wanted,
    /// Files confined by Landlock.
    Degraded,
    /// No boundary; the words were typed.
    Unconfined,
    /// To leave.
    Quit,
    /// A signal ended it: exit code 128 and the signal's number.
    Signal(i32),
}

/// Tries the wanted sandbox again; `None` when it starts now.
pub type Again = Box<dyn FnMut() -> BoxFuture<'static, Option<SandboxQuestion>> + Send>;

/// Asks in the terminal.
pub async fn ask(question: SandboxQuestion, again: Again, theme: Theme) -> Result<SandboxAnswer, TuiError> {
    let signals = Signals::listen().map_err(TuiError::Terminal)?;
    ask_with(question, again, theme, Screen::open()?, TerminalSource::new(), signals).await
}

/// As [`ask`], with a screen and keys of a test.
pub async fn ask_with<S: Sink, E: EventSource>(
    question: SandboxQuestion,
    mut again: Again,
    theme: Theme,
    mut screen: Screen<S>,
    mut source: E,
    mut signals: Signals,
) -> Result<SandboxAnswer, TuiError> {
    let mut page = Page::new(question);
    let mut trying: OptionFuture<BoxFuture<'static, Option<SandboxQuestion>>> = None.into();
    let wall = jiff::Zoned::now();
    loop {
        screen.draw(&mut page, Page::prepare, |page, frame| {
            page.draw(&DrawContext { theme, focused: true, now_ms: 0, wall: &wall }, frame);
        })?;
        let input = tokio::select! {
            signal = signals.next() => {
                return Ok(if signal == 2 { SandboxAnswer::Quit } else { SandboxAnswer::Signal(signal) });
            }
            Some(outcome) = &mut trying, if page.trying => {
                trying = None.into();
                match outcome {
                    None => return Ok(SandboxAnswer::Wanted),
                    Some(question) => page.refused_again(question),
                }
                continue;
            }
            input = source.next() => input,
        };
        let step = match input {
            Input::Key(key) => page.key(key),
            Input::Paste(text) => {
                page.paste(&text);
                None
            }
            Input::Resize | Input::Answer(_) => None,
            Input::Ended => Some(Step::Answer(SandboxAnswer::Signal(1))),
        };
        match step {
            None => {}
            Some(Step::Again) => {
                page.trying = true;
                trying = Some(again()).into();
            }
            Some(Step::Answer(answer)) => return Ok(answer),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Again,
    Answer(SandboxAnswer),
}

#[derive(Debug)]
struct Page {
    question: SandboxQuestion,
    /// The line in which the words are typed, while it is open.
    words: Option<LineInput>,
    /// What the last key came to.
    note: Option<&'static str>,
    trying: bool,
    /// Rows of the text above what is shown.
    top: usize,
    /// Rows of the text, and rows for it on the screen.
    text: Vec<Line<'static>>,
    room: usize,
}

impl Page {
    fn new(question: SandboxQuestion) -> Self {
        let question = match question {
            SandboxQuestion::Refused { reason, hint, no_landlock } => SandboxQuestion::Refused {
                reason: sanitize::text(&reason),
                hint: sanitize::text(&hint),
                no_landlock: no_landlock.as_deref().map(sanitize::line),
            },
            SandboxQuestion::NoneWanted => SandboxQuestion::NoneWanted,
        };
        let words = (question == SandboxQuestion::NoneWanted).then(|| LineInput::new(""));
        Self { question, words, note: None, trying: false, top: 0, text: Vec::new(), room: 0 }
    }

    /// The wanted sandbox was tried and still cannot start, maybe for another reason.
    fn refused_again(&mut self, question: SandboxQuestion) {
        *self = Self { note: Some("it still cannot start"), ..Self::new(question) };
    }

    fn key(&mut self, key: KeyEvent) -> Option<Step> {
        self.note = None;
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if ctrl => return Some(Step::Answer(SandboxAnswer::Quit)),
            KeyCode::Up => self.top = self.top.saturating_sub(1),
            KeyCode::Down => self.top += 1,
            KeyCode::PageUp => self.top = self.top.saturating_sub(self.room.max(1)),
            KeyCode::PageDown => self.top += self.room.max(1),
            _ if self.words.is_some() => return self.typed(key),
            KeyCode::Char(letter) if !ctrl => return self.choice(letter),
            KeyCode::Esc => self.note = Some("q leaves okcvm"),
            _ => {}
        }
        None
    }

    fn choice(&mut self, letter: char) -> Option<Step> {
        match letter {
            'r' if !self.trying => return Some(Step::Again),
            'd' if self.landlock_works() => return Some(Step::Answer(SandboxAnswer::Degraded)),
            'd' => self.note = Some("degraded mode is not possible here"),
            'n' => {
                self.words = Some(LineInput::new(""));
                self.top = 0;
            }
            'q' => return Some(Step::Answer(SandboxAnswer::Quit)),
            _ => {}
        }
        None
    }

    fn typed(&mut self, key: KeyEvent) -> Option<Step> {
        let words = self.words.as_mut()?;
        match words.key(key) {
            LineOutcome::Submit if words.text().trim() == WITHOUT_SANDBOX => {
                return Some(Step::Answer(SandboxAnswer::Unconfined));
            }
            LineOutcome::Submit => self.note = Some("these are not the words"),
            LineOutcome::Cancel if self.question == SandboxQuestion::NoneWanted => {
                return Some(Step::Answer(SandboxAnswer::Quit));
            }
            LineOutcome::Cancel => self.words = None,
            LineOutcome::Changed | LineOutcome::Ignored => {}
        }
        None
    }

    fn paste(&mut self, text: &str) {
        if let Some(words) = &mut self.words {
            words.insert(text);
        }
    }

    fn landlock_works(&self) -> bool {
        matches!(self.question, SandboxQuestion::Refused { no_landlock: None, .. })
    }

    /// The choices: key, a short word, what it means.
    fn choices(&self) -> Vec<(&'static str, &'static str)> {
        if self.words.is_some() {
            return Vec::new();
        }
        let mut choices = vec![("r", if self.trying { "trying again" } else { "try again" })];
        if self.landlock_works() {
            choices.push(("d", "degraded mode: Landlock, files only"));
        }
        choices.extend([("n", "no sandbox at all, for this session"), ("q", "leave okcvm")]);
        choices
    }

    fn prepare(&mut self, area: Rect) {
        let width = area.width.saturating_sub(2).max(1);
        // The last row is the note's; the line for the words needs one more.
        let kept = self.choices().len() + 1 + usize::from(self.words.is_some());
        let gaps = if area.height >= 16 { 3 } else { 0 };
        self.room = usize::from(area.height).saturating_sub(kept + 1 + gaps);
        self.text = self.paragraphs(width);
        self.top = self.top.min(self.text.len().saturating_sub(self.room));
    }

    fn paragraphs(&self, width: u16) -> Vec<Line<'static>> {
        // Styles are set while drawing; what is told here is told in words.
        let plain = ratatui::style::Style::new();
        let mut rows = Vec::new();
        let mut paragraph = |text: &str| {
            if !rows.is_empty() {
                rows.push(Line::default());
            }
            rows.extend(wrap_text(text, width, plain));
        };
        if self.words.is_some() {
            paragraph(
                "NO SANDBOX: the agent can read and change everything your account can: SSH keys, okcvm's API keys, \
                 other files.",
            );
            paragraph(&format!("Type `{WITHOUT_SANDBOX}` to go on for this session."));
            return rows;
        }
        if let SandboxQuestion::Refused { reason, hint, no_landlock } = &self.question {
            paragraph(&format!("okcvm runs the agent's commands in a sandbox, and it cannot start: {reason}."));
            paragraph(hint);
            match no_landlock {
                None => paragraph(
                    "In degraded mode the files are confined by Landlock; processes and some sockets are not, and the \
                     agent works under the real path instead of /mnt.",
                ),
                Some(why) => paragraph(&format!("Degraded mode is not possible here: {why}.")),
            }
        }
        rows
    }

    fn draw(&self, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let area = frame.area();
        if area.is_empty() {
            return;
        }
        let theme = cx.theme;
        let inner = Rect { x: u16::from(area.width > 2), width: area.width.saturating_sub(2).max(1), ..area };
        let row = |y: u16| Rect { y, height: 1, ..inner }.intersection(area);
        let alarm = self.words.is_some();
        let title = if alarm { "Without a sandbox" } else { "The sandbox cannot start" };
        frame.render_widget(Line::styled(title, theme.strong()), row(0));
        let gap = u16::from(area.height >= 16);
        let mut y = 1 + gap;
        for (index, line) in self.text.iter().enumerate().skip(self.top).take(self.room) {
            // The warning is the first paragraph.
            let warning = alarm && self.text[..index].iter().all(|line| line.width() > 0);
            let style = if warning { theme.alarm() } else { theme.text() };
            frame.render_widget(line.clone().style(style), row(y));
            y += 1;
        }
        y += gap;
        if let Some(words) = &self.words {
            words.draw("> ", row(y), cx, frame);
            y += 1;
        }
        for (key, words) in self.choices() {
            let room = usize::from(inner.width).saturating_sub(3);
            let words = truncate::cells(words, room, theme.glyphs().ellipsis);
            let line = Line::from(vec![Span::styled(format!("{key}  "), theme.hint()), Span::raw(words)]);
            frame.render_widget(line, row(y));
            y += 1;
        }
        let more = self.top + self.room < self.text.len();
        let (words, style) = match self.note {
            Some(note) => (note.to_owned(), theme.waiting()),
            None if more => (format!("{} more below", theme.glyphs().down), theme.dim()),
            None if alarm => {
                let back = if self.question == SandboxQuestion::NoneWanted { "Esc leaves" } else { "Esc goes back" };
                (["Enter takes the words", back].join(theme.glyphs().separator), theme.dim())
            }
            None => (String::new(), theme.dim()),
        };
        let words = truncate::cells(&words, usize::from(inner.width), theme.glyphs().ellipsis);
        frame.render_widget(Line::styled(words, style), row(area.height - 1));
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::tui::pane::testing;

    fn refused(no_landlock: Option<&str>) -> SandboxQuestion {
        SandboxQuestion::Refused {
            reason: "bubblewrap is not \x1b[2Jinstalled".to_owned(),
            hint: "Install bubblewrap with `sudo apt install bubblewrap`, `sudo dnf install bubblewrap` or \
                   `sudo pacman -S bubblewrap`."
                .to_owned(),
            no_landlock: no_landlock.map(str::to_owned),
        }
    }

    fn shown(page: &mut Page, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("terminal");
        page.prepare(Rect { x: 0, y: 0, width, height });
        let cx = testing::context(Theme::new(false, false));
        terminal.draw(|frame| page.draw(&cx, frame)).expect("frame");
        testing::text_of(&terminal)
    }

    fn sizes(page: &mut Page) -> String {
        let sizes = [(40, 12), (80, 24), (200, 50)];
        sizes.map(|(width, height)| format!("---- {width}x{height}\n{}\n", shown(page, width, height))).concat()
    }

    fn press(page: &mut Page, code: KeyCode) -> Option<Step> {
        page.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn write(page: &mut Page, text: &str) {
        for c in text.chars() {
            assert_eq!(press(page, KeyCode::Char(c)), None);
        }
    }

    #[test]
    fn the_question_fits_every_size() {
        insta::assert_snapshot!(sizes(&mut Page::new(refused(None))));
        insta::assert_snapshot!("without_landlock", sizes(&mut Page::new(refused(Some("the kernel has no Landlock")))));
        insta::assert_snapshot!("none_wanted", sizes(&mut Page::new(SandboxQuestion::NoneWanted)));
        for width in 1..30 {
            for height in 1..20 {
                shown(&mut Page::new(refused(None)), width, height);
                shown(&mut Page::new(SandboxQuestion::NoneWanted), width, height);
            }
        }
    }

    #[test]
    fn no_sandbox_is_taken_by_its_words_alone() {
        let mut page = Page::new(refused(None));
        assert_eq!(press(&mut page, KeyCode::Char('n')), None);
        for wrong in ["y", "yes", "run", "run without a sandbox"] {
            write(&mut page, wrong);
            assert_eq!(press(&mut page, KeyCode::Enter), None, "{wrong}");
            assert!(shown(&mut page, 80, 24).contains("these are not the words"));
            page.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        }
        write(&mut page, WITHOUT_SANDBOX);
        assert_eq!(press(&mut page, KeyCode::Enter), Some(Step::Answer(SandboxAnswer::Unconfined)));
        // Esc goes back to the choices, and only there means q to leave.
        assert_eq!(press(&mut page, KeyCode::Esc), None);
        assert_eq!(press(&mut page, KeyCode::Char('q')), Some(Step::Answer(SandboxAnswer::Quit)));
        let mut wanted = Page::new(SandboxQuestion::NoneWanted);
        write(&mut wanted, "q");
        assert_eq!(press(&mut wanted, KeyCode::Esc), Some(Step::Answer(SandboxAnswer::Quit)));
    }

    #[test]
    fn degraded_mode_is_offered_only_where_it_works() {
        let mut page = Page::new(refused(None));
        assert_eq!(press(&mut page, KeyCode::Char('d')), Some(Step::Answer(SandboxAnswer::Degraded)));
        let mut page = Page::new(refused(Some("the kernel has no Landlock")));
        assert_eq!(press(&mut page, KeyCode::Char('d')), None);
        assert!(!shown(&mut page, 80, 24).contains("Landlock, files only"));
    }

    #[test]
    fn a_text_that_is_too_long_scrolls_and_the_choices_stay() {
        let hint = "An administrator can allow bubblewrap alone. ".repeat(30);
        let question = SandboxQuestion::Refused { reason: "no".to_owned(), hint, no_landlock: None };
        let mut page = Page::new(question);
        let first = shown(&mut page, 40, 12);
        assert!(first.contains("more below") && first.contains("q  leave okcvm"), "{first}");
        for _ in 0..20 {
            press(&mut page, KeyCode::PageDown);
        }
        let last = shown(&mut page, 40, 12);
        assert!(last.contains("/mnt.") && !last.contains("more below"), "{last}");
    }
}
