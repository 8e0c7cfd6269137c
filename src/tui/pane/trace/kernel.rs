//! The kernel as the trace shows it: one row below the calls, clean.

use ratatui::text::{Line, Span};

use super::super::list::row;
use crate::protocol::{KernelInfo, KernelState};
use crate::support::sanitize;
use crate::tui::theme::Theme;

/// The kernel of the session.
#[derive(Debug, Default)]
pub(super) struct KernelRow {
    info: KernelInfo,
}

impl KernelRow {
    pub(super) fn new(info: &KernelInfo) -> Self {
        let (python, ended) = (sanitize::line(&info.python), sanitize::text(&info.ended));
        Self { info: KernelInfo { python, ended, ..info.clone() } }
    }

    /// Whether there is or was one.
    pub(super) fn is_shown(&self) -> bool {
        self.info.state != KernelState::None || self.info.rebuild.is_some()
    }

    /// Whether a key for it is worth a hint.
    pub(super) fn wants_rebuild(&self) -> bool {
        self.info.rebuild.is_none() && (self.info.stale || self.info.state == KernelState::Ended)
    }

    /// What it is doing.
    fn state(&self) -> String {
        if let Some((done, all)) = self.info.rebuild {
            return format!("running cells again, {done} of {all}");
        }
        match self.info.state {
            KernelState::None => "none",
            KernelState::Starting => "starting",
            KernelState::Idle | KernelState::Busy if self.info.stale => {
                "stale: the session was rolled back, it was not"
            }
            KernelState::Idle => "idle",
            KernelState::Busy => "busy",
            KernelState::Ended => {
                return format!("ended: {}", self.info.ended.lines().next().unwrap_or_default());
            }
        }
        .to_owned()
    }

    /// The kernel in a sentence.
    pub(super) fn words(&self) -> String {
        if !self.is_shown() {
            return "no kernel runs; the next cell starts one".to_owned();
        }
        let facts = self.facts(", ");
        let between = if facts.is_empty() { "" } else { " (" };
        let end = if facts.is_empty() { "" } else { ")" };
        format!("kernel: {}{between}{facts}{end}", self.state())
    }

    fn facts(&self, separator: &str) -> String {
        let python = (!self.info.python.is_empty()).then(|| format!("Python {}", self.info.python));
        let cells = match self.info.cells {
            0 => None,
            1 => Some("1 cell".to_owned()),
            cells => Some(format!("{cells} cells")),
        };
        python.into_iter().chain(cells).collect::<Vec<_>>().join(separator)
    }

    pub(super) fn line(&self, width: usize, theme: Theme) -> Line<'static> {
        let style = match self.info.state {
            _ if self.wants_rebuild() => theme.waiting(),
            KernelState::Starting | KernelState::Busy => theme.text(),
            _ => theme.dim(),
        };
        let left = vec![
            Span::raw(" "),
            Span::styled("Kernel", theme.heading()),
            Span::styled(format!("  {}", self.state()), style),
        ];
        row(left, vec![Span::styled(self.facts(theme.glyphs().separator), theme.dim())], width, theme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_in_a_row() {
        let told = |info: &KernelInfo| {
            let shown = KernelRow::new(info);
            (shown.line(70, Theme::default()).to_string().trim().to_owned(), shown.wants_rebuild())
        };
        let idle =
            KernelInfo { state: KernelState::Idle, python: "3.11.2".to_owned(), cells: 2, ..KernelInfo::default() };
        let (row, hint) = told(&idle);
        assert!(row.starts_with("Kernel  idle") && row.contains("Python 3.11.2") && row.ends_with("2 cells"), "{row}");
        assert!(!hint);
        let (row, hint) = told(&KernelInfo { stale: true, ..idle.clone() });
        assert!(row.starts_with("Kernel  stale: the session was rolled back") && hint, "{row}");
        let (row, hint) = told(&KernelInfo { stale: true, rebuild: Some((1, 3)), ..idle.clone() });
        assert!(row.starts_with("Kernel  running cells again, 1 of 3") && !hint, "{row}");
        let ended = "it crashed (SIGSEGV)\nFile \u{1b}[31mx".to_owned();
        let (row, hint) = told(&KernelInfo { state: KernelState::Ended, ended, ..idle });
        assert!(row.starts_with("Kernel  ended: it crashed (SIGSEGV)") && hint && !row.contains("File"), "{row}");
        assert!(!KernelRow::default().is_shown());
        assert_eq!(KernelRow::default().words(), "no kernel runs; the next cell starts one");
    }
}
