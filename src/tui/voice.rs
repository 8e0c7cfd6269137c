//! Speech into the composer: what is going on, and what does the work.
//!
//! ```text
//! /voice ──> recorder (a program of the host) ──> samples, level ──> WAV ──> speech recognition ──> composer
//! /transcribe FILE ────────────────────────────────────────────────────────────────┘
//! ```
//!
//! One task does all of it; dropping the task ends the recorder or the request, whatever it is at.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use ratatui::text::Span;

use crate::support::host_command::HostCommand;

use super::theme::Theme;

mod sound;

pub use sound::{RATE, Samples};

/// Seconds after which a recording ends by itself.
pub const LONGEST_SECONDS: u64 = 600;
/// Bytes after which it ends, too: endpoints take 25 MiB.
pub const LONGEST_BYTES: usize = 24 << 20;

/// What is to be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    /// A file of the host.
    File(PathBuf),
    /// A WAV file in memory.
    Recording(Vec<u8>),
}

/// Understands speech; the error is a sentence.
pub type Transcribe = Arc<dyn Fn(Sound) -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// What does the work: each part, or why there is none and what to do.
#[derive(Clone)]
pub struct VoiceServices {
    /// Records.
    pub recorder: Result<HostCommand, String>,
    /// Understands.
    pub transcribe: Result<Transcribe, String>,
    /// Where a recording is kept that was not understood; the latest one only.
    pub keep: Option<PathBuf>,
}

impl VoiceServices {
    /// Neither of them.
    pub fn none(why: &str) -> Self {
        Self { recorder: Err(why.to_owned()), transcribe: Err(why.to_owned()), keep: None }
    }
}

impl fmt::Debug for VoiceServices {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VoiceServices").field("recorder", &self.recorder).finish_non_exhaustive()
    }
}

/// What the screen wants of the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoiceWish {
    /// Record.
    Record,
    /// The recording is over: understand it.
    Finish,
    /// Understand a file.
    File(PathBuf),
    /// End it, and forget what there is.
    Discard,
}

/// What the task tells the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoiceEvent {
    /// The recorder runs.
    Recording,
    /// The loudest sample of the last moment.
    Level(u16),
    /// What was said is being understood.
    Transcribing,
    /// The text.
    Text(String),
    /// There was speech, but no text came of it.
    NotUnderstood {
        /// Why, in sentences.
        why: String,
        /// Where the recording is kept, to be tried again.
        kept: Option<PathBuf>,
    },
    /// It failed: a sentence.
    Failed(String),
}

/// What is going on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum VoiceState {
    /// Nothing.
    #[default]
    Off,
    /// The recorder starts or runs, since that moment.
    Recording {
        /// When it began.
        since_ms: u64,
        /// The loudest sample of the last moment.
        level: u16,
    },
    /// Speech is being understood, since that moment.
    Transcribing {
        /// When it began.
        since_ms: u64,
        /// The file's name, for a file.
        file: Option<String>,
    },
}

/// Cells of the level meter.
const METER: usize = 10;

impl VoiceState {
    /// Whether anything goes on.
    pub fn is_on(&self) -> bool {
        *self != Self::Off
    }

    /// The words of the row above the composer; `key` stops a recording.
    pub fn words(&self, key: &str, now_ms: u64, theme: Theme) -> Vec<Span<'static>> {
        let separator = theme.glyphs().separator;
        match self {
            Self::Off => Vec::new(),
            Self::Recording { since_ms, level } => {
                let seconds = now_ms.saturating_sub(*since_ms) / 1000;
                let cells = lit(*level);
                let (on, off) = if theme.is_ascii() { ("#", "-") } else { ("\u{25ae}", "\u{25af}") };
                vec![
                    Span::styled(
                        format!("{} recording {}:{:02} ", theme.glyphs().head, seconds / 60, seconds % 60),
                        theme.error(),
                    ),
                    Span::styled(on.repeat(cells), theme.ok()),
                    Span::styled(off.repeat(METER - cells), theme.dim()),
                    Span::styled(format!("{separator}{key} ends it, Esc discards"), theme.dim()),
                ]
            }
            Self::Transcribing { since_ms, file } => {
                let seconds = now_ms.saturating_sub(*since_ms) / 1000;
                let what = file.as_deref().unwrap_or("what was said");
                vec![
                    Span::styled(super::pane::spinner(theme, now_ms), theme.agent()),
                    Span::raw(format!(" transcribing {what}, {seconds} s")),
                    Span::styled(format!("{separator}Esc stops it"), theme.dim()),
                ]
            }
        }
    }
}

/// Cells of the meter that are lit: loudness is heard by its logarithm.
fn lit(level: u16) -> usize {
    if level < 64 {
        return 0;
    }
    // From 64 to 32767 are nine doublings.
    let doublings = f32::from(level).log2() - 6.0;
    ((doublings / 9.0 * METER as f32).round() as usize).clamp(1, METER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(state: &VoiceState, theme: Theme) -> String {
        state.words("Alt+V", 67_000, theme).iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn the_row_tells_time_level_and_keys() {
        let recording = VoiceState::Recording { since_ms: 2_000, level: 1024 };
        let ascii = Theme::new(false, true);
        assert_eq!(text(&recording, ascii), "@ recording 1:05 ####------ | Alt+V ends it, Esc discards");
        let file = VoiceState::Transcribing { since_ms: 64_000, file: Some("memo.ogg".to_owned()) };
        assert!(text(&file, ascii).contains("transcribing memo.ogg, 3 s"), "{}", text(&file, ascii));
        assert!(!VoiceState::Off.is_on() && recording.is_on());
    }

    #[test]
    fn silence_lights_nothing_and_the_loudest_lights_all() {
        assert_eq!([0, 63, 64, 1024, 32_767].map(lit), [0, 0, 1, 4, 10]);
    }
}
