//! Speech into the composer, as the keys and the task have it.

use std::path::PathBuf;

use crate::support::sanitize;
use crate::tui::effect::UiEffect;
use crate::tui::voice::{VoiceEvent, VoiceState, VoiceWish};

use super::{App, Focus};

impl App {
    /// Begins to record, or ends the recording and has it understood.
    pub(super) fn toggle_voice(&mut self) -> Vec<UiEffect> {
        match self.voice {
            VoiceState::Off => {
                self.voice = VoiceState::Recording { since_ms: self.now_ms, level: 0 };
                self.begin_voice(VoiceWish::Record)
            }
            VoiceState::Recording { .. } => self.wish(VoiceWish::Finish),
            VoiceState::Transcribing { .. } => {
                self.say("speech is still being understood; Esc stops it");
                Vec::new()
            }
        }
    }

    /// Has a file understood.
    pub(super) fn transcribe(&mut self, file: &str) -> Vec<UiEffect> {
        if self.voice.is_on() {
            self.say("one recording at a time; Esc ends the present one");
            return Vec::new();
        }
        let path = path_of(file);
        let name = path.file_name().map(|name| sanitize::line(&name.to_string_lossy()));
        self.voice = VoiceState::Transcribing { since_ms: self.now_ms, file: name };
        self.begin_voice(VoiceWish::File(path))
    }

    /// Ends whatever goes on and forgets it; `false` when nothing did.
    pub(super) fn discard_voice(&mut self) -> Option<Vec<UiEffect>> {
        let words = match std::mem::take(&mut self.voice) {
            VoiceState::Off => return None,
            VoiceState::Recording { .. } => "the recording was discarded",
            VoiceState::Transcribing { .. } => "the transcription was stopped",
        };
        self.say(words);
        Some(self.wish(VoiceWish::Discard))
    }

    /// The number of the latest recording or file.
    pub fn voice_number(&self) -> u32 {
        self.voice_number
    }

    fn begin_voice(&mut self, wish: VoiceWish) -> Vec<UiEffect> {
        self.voice_number += 1;
        self.notice = None;
        self.wish(wish)
    }

    fn wish(&self, wish: VoiceWish) -> Vec<UiEffect> {
        vec![UiEffect::Voice(self.voice_number, wish)]
    }

    /// What comes of one that was discarded is not wanted any more.
    pub(super) fn on_voice(&mut self, number: u32, event: VoiceEvent) {
        if number != self.voice_number || !self.voice.is_on() {
            return;
        }
        match event {
            VoiceEvent::Recording => self.voice = VoiceState::Recording { since_ms: self.now_ms, level: 0 },
            VoiceEvent::Level(loud) => {
                if let VoiceState::Recording { level, .. } = &mut self.voice {
                    *level = loud;
                }
            }
            VoiceEvent::Transcribing => {
                self.voice = VoiceState::Transcribing { since_ms: self.now_ms, file: None };
            }
            VoiceEvent::Text(text) => {
                self.voice = VoiceState::Off;
                let text = sanitize::text(text.trim());
                if text.is_empty() {
                    self.say("nothing was understood");
                    return;
                }
                self.composer.insert(&text);
                if self.modal.is_none() {
                    self.focus = Focus::Composer;
                }
            }
            VoiceEvent::Failed(why) => {
                self.voice = VoiceState::Off;
                self.say(&why);
            }
        }
    }
}

/// A path as people type it: with quotes around it, and `~` for the home folder.
fn path_of(text: &str) -> PathBuf {
    let text = text.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    let text = quoted.unwrap_or(text);
    match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_quoted() {
        assert_eq!(path_of(" '/a b/c.wav' "), PathBuf::from("/a b/c.wav"));
        assert_eq!(path_of("memo.ogg"), PathBuf::from("memo.ogg"));
    }
}
