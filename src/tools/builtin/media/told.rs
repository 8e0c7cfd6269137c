//! What is told while something is made, and of what went wrong.

use std::time::{Duration, Instant};

use crate::model::{ModelError, Progress, Sound, SoundFormat};
use crate::support::{sanitize, truncate};
use crate::tools::capture::Capture;
use crate::tools::tool::ToolError;

/// How often received bytes are told.
const OFTEN: Duration = Duration::from_secs(1);
/// Characters of a server's words that are told.
const MOST_WORDS: usize = 900;

/// Tells who watches how far it is, one line each.
pub(super) struct Teller<'a> {
    capture: &'a mut Capture,
    told: Option<Instant>,
    /// The part that was asked for last, and how many there are.
    part: (usize, usize),
    /// Characters that were charged.
    charged: u64,
}

impl<'a> Teller<'a> {
    pub(super) fn new(capture: &'a mut Capture) -> Self {
        Self { capture, told: None, part: (0, 0), charged: 0 }
    }

    pub(super) fn tell(&mut self, progress: &Progress) {
        let line = match progress {
            Progress::Asking { model, host } => format!("asking {model} at {host}"),
            Progress::Part { number, of } => {
                self.part = (*number, *of);
                if *of == 1 {
                    return;
                }
                format!("part {number} of {of}")
            }
            Progress::Charged(characters) => {
                self.charged = self.charged.saturating_add(*characters);
                return;
            }
            Progress::Received(bytes) => {
                // What comes at once is told by the result.
                let told = self.told.get_or_insert_with(Instant::now);
                if told.elapsed() < OFTEN {
                    return;
                }
                *told = Instant::now();
                format!("{} received", truncate::bytes(*bytes as u64))
            }
            Progress::Waiting { after, reason } => {
                format!("waiting {:.1} s, then once more: {reason}", after.as_secs_f32())
            }
        };
        self.capture.push_live(&format!("{}\n", sanitize::line(&line)));
    }

    /// What is to be said of parts that were made before something went wrong.
    pub(super) fn made_before(&self) -> Option<String> {
        match self.part {
            (0 | 1, _) => None,
            (number, of) => {
                let charged = match self.charged {
                    0 => String::new(),
                    characters => format!(" ({characters} characters were charged)"),
                };
                Some(format!(
                    "{} of {of} parts were made before{charged}; nothing was saved yet, but they are kept for a while: the \
                     same call with the same text and voice asks only for the others.",
                    number - 1
                ))
            }
        }
    }

    /// What was told is nothing that a model needs: result and error say it all.
    pub(super) fn done(&mut self) {
        self.capture.clear();
    }
}

/// What the model is told of an error, with what to do next.
pub(super) fn failed(error: &ModelError, hint: Option<String>) -> ToolError {
    let why = sanitize::line(&error.to_string());
    let cut = truncate::prefix(&why, MOST_WORDS);
    let hint = hint.map(|hint| format!(". {hint}")).unwrap_or_default();
    ToolError::ForModel(format!("{}{hint}", cut.trim_end_matches('.')))
}

/// What a file of sound is, in a few words.
pub(super) fn sound_words(format: SoundFormat, sound: &Sound) -> String {
    let size = truncate::bytes(sound.bytes.len() as u64);
    let short = if sound.short { ", less than its head promised" } else { "" };
    format!("{} sound, {:.1} s, {size}{short}", format.name(), sound.length.as_secs_f64())
}
