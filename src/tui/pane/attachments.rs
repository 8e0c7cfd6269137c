//! The files that will go along with the next message, above the line where it is written.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::protocol::Attachment;
use crate::support::truncate;
use crate::tui::attach::Pending;

use super::DrawContext;

/// Rows that they take at most.
const MOST_ROWS: usize = 3;

/// The list.
#[derive(Debug, Default)]
pub struct Attachments {
    list: Vec<Pending>,
}

impl Attachments {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in the order they came.
    pub fn list(&self) -> &[Pending] {
        &self.list
    }

    /// Adds one; the error says why not. What is there already stays once.
    pub fn add(&mut self, pending: Pending) -> Result<(), String> {
        if self.list.iter().any(|other| other.path == pending.path) {
            return Ok(());
        }
        let files = pending.files + self.list.iter().map(|other| other.files).sum::<usize>();
        if files > Attachment::MOST_FILES {
            let most = Attachment::MOST_FILES;
            return Err(format!("not attached: {} makes {files} files, a session takes {most}", pending.name));
        }
        self.list.push(pending);
        Ok(())
    }

    /// Takes the latest one off.
    pub fn remove_last(&mut self) -> Option<Pending> {
        self.list.pop()
    }

    /// Takes those off again.
    pub fn remove(&mut self, gone: &[Pending]) {
        self.list.retain(|pending| !gone.contains(pending));
    }

    /// All of them, for a message.
    pub fn take(&mut self) -> Vec<Pending> {
        std::mem::take(&mut self.list)
    }

    /// Puts those of a message that was not sent back, in front.
    pub fn put_back(&mut self, mut files: Vec<Pending>) {
        files.retain(|file| !self.list.contains(file));
        files.append(&mut self.list);
        self.list = files;
    }

    /// Rows that it takes.
    pub fn rows(&self) -> u16 {
        self.list.len().min(MOST_ROWS) as u16
    }

    /// Draws them; `key` takes the latest off.
    pub fn draw(&self, key: Option<&str>, area: Rect, cx: &DrawContext<'_>, frame: &mut Frame<'_>) {
        let rows = usize::from(area.height);
        if rows == 0 {
            return;
        }
        let glyphs = cx.theme.glyphs();
        let hidden = self.list.len().saturating_sub(rows);
        let shown = self.list.iter().skip(hidden);
        for (offset, (y, pending)) in (area.y..area.bottom()).zip(shown).enumerate() {
            let last = offset + 1 == rows.min(self.list.len());
            let more = if offset == 0 && hidden > 0 { format!("  and {hidden} more before") } else { String::new() };
            let hint = match key {
                Some(key) if last => format!("{}{key} takes it off", glyphs.separator),
                _ => String::new(),
            };
            let width = usize::from(area.width).saturating_sub(4);
            let words = truncate::cells(&format!("{}{more}{hint}", pending.words()), width, glyphs.ellipsis);
            let line = Line::from(vec![
                Span::raw(" "),
                Span::styled(glyphs.added, cx.theme.hint()),
                Span::styled(format!(" {words}"), cx.theme.dim()),
            ]);
            frame.render_widget(line, Rect { y, height: 1, ..area });
        }
    }
}
