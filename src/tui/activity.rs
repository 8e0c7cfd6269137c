//! What the machine is doing, in the words of the line above the composer.

use ratatui::text::Span;

use crate::protocol::{Event, Phase};
use crate::support::sanitize;

use super::pane::{self, DrawContext};

/// Silence of at least this long is told.
const SILENCE_MS: u64 = 3_000;

/// Below this width only the silence is told.
const NARROW: u16 = 60;

/// Phase and times of the running turn.
#[derive(Debug, Clone)]
pub struct Activity {
    phase: Phase,
    phase_began: u64,
    turn_began: u64,
    last_byte: u64,
    /// The user asked to stop.
    stopping: bool,
    /// Cells of the notebook are run again, which a message waits for.
    rebuilding: bool,
    model: String,
}

/// A tool call that is running, in few words.
#[derive(Debug, Clone)]
pub struct Running {
    /// Tool and arguments.
    pub words: String,
    /// For how long.
    pub elapsed_ms: u64,
    /// Whether it waits for somebody to type.
    pub waiting: bool,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            phase: Phase::Idle,
            phase_began: 0,
            turn_began: 0,
            last_byte: 0,
            stopping: false,
            rebuilding: false,
            model: String::new(),
        }
    }
}

impl Activity {
    /// Takes a fact.
    pub fn apply(&mut self, event: &Event, now_ms: u64) {
        match event {
            Event::SessionStarted { model, .. } => self.model = sanitize::line(model),
            Event::KernelChanged(info) => self.rebuilding = info.rebuild.is_some(),
            Event::TurnStarted { .. } => {
                self.turn_began = now_ms;
                self.last_byte = now_ms;
            }
            Event::PhaseChanged(phase) => {
                if *phase == Phase::Waiting {
                    self.last_byte = now_ms;
                }
                if *phase == Phase::Idle {
                    self.stopping = false;
                }
                let same = std::mem::discriminant(&self.phase) == std::mem::discriminant(phase);
                if self.phase != *phase {
                    let goes_on = same
                        && matches!(phase, Phase::Copying { .. } | Phase::Comparing { .. } | Phase::Applying { .. });
                    self.phase = phase.clone();
                    self.phase_began = if goes_on { self.phase_began } else { now_ms };
                }
            }
            Event::TextDelta { .. } | Event::ReasoningDelta { .. } | Event::ToolOutput { .. } => {
                self.last_byte = now_ms;
            }
            _ => {}
        }
    }

    /// A message is on its way to the engine.
    pub fn sent(&mut self, now_ms: u64) {
        self.stopping = false;
        self.phase = Phase::Waiting;
        self.phase_began = now_ms;
        self.turn_began = now_ms;
        self.last_byte = now_ms;
    }

    /// The message was not taken.
    pub fn refused(&mut self) {
        self.phase = Phase::Idle;
        self.stopping = false;
    }

    /// The user asked to stop.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether anything goes on.
    pub fn is_busy(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Whether a turn can be stopped.
    pub fn is_running(&self) -> bool {
        !self.stopping && !matches!(self.phase, Phase::Idle | Phase::Closing | Phase::Restoring)
    }

    /// Whether a turn is in the way of what the engine refuses beside one; other work makes it wait only.
    pub fn is_turn(&self) -> bool {
        let other = matches!(self.phase, Phase::Copying { .. } | Phase::Comparing { .. } | Phase::Applying { .. });
        self.is_running() && !other
    }

    /// Whether cells of the notebook are run again.
    pub fn is_rebuilding(&self) -> bool {
        self.rebuilding
    }

    /// Whether the turn is being closed.
    pub fn is_closing(&self) -> bool {
        self.stopping || self.phase == Phase::Closing
    }

    /// The words at the left and at the right, for a line of this width; `None` while idle.
    pub fn words(
        &self,
        running: Option<&Running>,
        width: u16,
        cx: &DrawContext<'_>,
    ) -> Option<(Vec<Span<'static>>, String)> {
        let theme = cx.theme;
        let silent = cx.now_ms.saturating_sub(self.last_byte);
        let mut style = theme.agent();
        let mut glyph = pane::spinner(theme, cx.now_ms);
        let mut elapsed = cx.now_ms.saturating_sub(self.turn_began);
        let mut listens = true;
        let words = match &self.phase {
            Phase::Idle => return None,
            Phase::Comparing { .. } | Phase::Applying { .. } if self.stopping => {
                listens = false;
                elapsed = cx.now_ms.saturating_sub(self.phase_began);
                "stopping".to_owned()
            }
            _ if self.is_closing() => {
                listens = false;
                elapsed = cx.now_ms.saturating_sub(self.phase_began);
                if self.stopping {
                    "closing; what was done so far is kept".to_owned()
                } else {
                    "taking the snapshot".to_owned()
                }
            }
            Phase::Waiting if self.rebuilding => {
                listens = false;
                "waiting for the notebook's cells".to_owned()
            }
            Phase::Waiting => match self.model.as_str() {
                "" => "waiting for the model".to_owned(),
                model => format!("waiting for {model}"),
            },
            Phase::Reasoning => "thinking".to_owned(),
            Phase::Streaming => "writing".to_owned(),
            Phase::Tools => match running {
                Some(running) => {
                    elapsed = running.elapsed_ms;
                    if running.waiting {
                        listens = false;
                        style = theme.waiting();
                        glyph = theme.glyphs().waiting;
                    }
                    running.words.clone()
                }
                None => "tools".to_owned(),
            },
            Phase::Retrying { seconds, attempt, reason } => {
                listens = false;
                style = theme.waiting();
                glyph = theme.glyphs().waiting;
                let gone = cx.now_ms.saturating_sub(self.phase_began) / 1000;
                let left = seconds.saturating_sub(gone);
                format!("attempt {attempt} in {left} s: {}", sanitize::line(reason))
            }
            Phase::Closing => "taking the snapshot".to_owned(),
            Phase::Restoring => {
                listens = false;
                elapsed = cx.now_ms.saturating_sub(self.phase_began);
                "rolling back".to_owned()
            }
            Phase::Copying { files, of } => {
                listens = false;
                elapsed = cx.now_ms.saturating_sub(self.phase_began);
                match of {
                    0 => "counting the project's files".to_owned(),
                    of => format!("copying the project: {files} of {of} files"),
                }
            }
            Phase::Comparing { files, of } => {
                listens = false;
                elapsed = cx.now_ms.saturating_sub(self.phase_began);
                match of {
                    0 => "working out what changed for the project".to_owned(),
                    of => format!("working out what changed for the project: {files} of {of} files"),
                }
            }
            Phase::Applying { files, of } => {
                listens = false;
                elapsed = cx.now_ms.saturating_sub(self.phase_began);
                match of {
                    0 => "writing to the project".to_owned(),
                    of => format!("writing to the project: {files} of {of} files"),
                }
            }
        };
        let mut right = seconds(elapsed);
        if listens && silent >= SILENCE_MS {
            right = match width {
                ..NARROW => format!("silent {}", seconds(silent)),
                _ => format!("silent for {}{}{right}", seconds(silent), theme.glyphs().separator),
            };
        }
        let words = if style == theme.agent() { Span::raw(words) } else { Span::styled(words, style) };
        Some((vec![Span::styled(glyph, style), Span::raw(" "), words], right))
    }
}

/// Whole seconds: what changes more often than once a second would be drawn more often.
fn seconds(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}
