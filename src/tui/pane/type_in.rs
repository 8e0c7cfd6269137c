//! The line in which one types into a running call.
//!
//! What is typed goes to the program alone: into no history, no message and no log. It stays open until it is closed or
//! the call ends, since one question seldom comes alone.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use crate::protocol::{CallId, Op};

use super::DrawContext;
use super::line_input::{LineInput, LineOutcome};

/// Ends the input, as Ctrl+D does in a terminal.
const END_OF_INPUT: char = '\u{4}';

/// The open line.
#[derive(Debug)]
pub struct TypeIn {
    call: CallId,
    /// The tool's short name, clean.
    tool: String,
    line: LineInput,
}

/// What a key did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// It changed the line, or nothing.
    Stay,
    /// The line closes.
    Close,
    /// This goes to the call; the line is empty again.
    Send(Op),
}

impl TypeIn {
    /// An empty line for this call.
    pub fn new(call: CallId, tool: String) -> Self {
        Self { call, tool, line: LineInput::new("") }
    }

    /// The call.
    pub fn call(&self) -> &CallId {
        &self.call
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Typed {
        if key.code == KeyCode::Char('d') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.send(END_OF_INPUT);
        }
        match self.line.key(key) {
            LineOutcome::Submit => self.send('\r'),
            LineOutcome::Cancel => Typed::Close,
            LineOutcome::Changed | LineOutcome::Ignored => Typed::Stay,
        }
    }

    /// Takes pasted text; line breaks become spaces, so that nothing is sent by a paste.
    pub fn paste(&mut self, text: &str) {
        self.line.insert(text);
    }

    fn send(&mut self, end: char) -> Typed {
        let mut text = std::mem::take(&mut self.line).text().to_owned();
        text.push(end);
        Typed::Send(Op::Input { call: self.call.clone(), text })
    }

    /// Draws the line into the first row of `area`; `hidden` as the program's own terminal hides it.
    pub fn draw(&self, hidden: bool, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let prompt = format!("{} {} ", self.tool, cx.theme.glyphs().prompt);
        if hidden {
            let dots = cx.theme.glyphs().bullet.repeat(self.line.text().chars().count());
            LineInput::new(&dots).draw(&prompt, area, cx, frame);
        } else {
            self.line.draw(&prompt, area, cx, frame);
        }
    }
}
