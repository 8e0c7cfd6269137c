//! What ratatui asks of a backend.

use std::io;

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use unicode_width::UnicodeWidthStr as _;

use super::pen::Pen;
use super::{FrugalBackend, SYNCHRONIZE_FROM};
use crate::tui::output::Sink;

impl<S: Sink> Backend for FrugalBackend<S> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let width = self.width();
        for (x, y, cell) in content {
            if x >= self.size.width || y >= self.size.height {
                continue;
            }
            let index = usize::from(y) * width + usize::from(x);
            self.wanted[index] = cell.clone();
            self.dirty[usize::from(y)] = true;
            // ratatui does not send the second half of a wide glyph; it is blank in its own buffer.
            let symbol = cell.symbol();
            if !symbol.is_ascii() && symbol.width() > 1 && usize::from(x) + 1 < width {
                self.wanted[index + 1] = Cell::EMPTY;
            }
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.cursor = None;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.cursor.get_or_insert_default();
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        if self.cursor.is_some() {
            self.cursor = Some(position.into());
        }
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        let size = self.sink.size()?;
        self.resize(size);
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        // ratatui calls this for the whole screen only: the viewport is never smaller than that.
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        self.sink.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.sink.size()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lift_pictures();
        self.write_frame();
        self.place_pictures();
        if !self.out.is_empty() {
            // Cells were written: the plain pen between frames keeps foreign output, such as a crash's, readable.
            self.set_pen(Pen::PLAIN);
        }
        self.write_cursor();
        if self.out.is_empty() {
            return Ok(());
        }
        self.frames += 1;
        let mut frame = std::mem::take(&mut self.out);
        if frame.len() >= SYNCHRONIZE_FROM {
            let mut whole = b"\x1b[?2026h".to_vec();
            whole.append(&mut frame);
            whole.extend_from_slice(b"\x1b[?2026l");
            frame = whole;
        }
        self.sink.submit(frame)
    }
}
