//! Speech into the composer, as the keys and the task have it.

use crate::support::sanitize;
use crate::tui::attach;
use crate::tui::effect::UiEffect;
use crate::tui::pane::cell::NoticeKind;
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
            return self.refuse("transcribe", file, "one recording at a time; Esc ends the present one");
        }
        // As `/attach` reads it: quoted, with backslashes, or as it stands.
        let path = match attach::words(file).as_deref() {
            Ok([word]) => attach::expand(word),
            _ => attach::expand(file.trim()),
        };
        let name = path.file_name().map(|name| sanitize::line(&name.to_string_lossy()));
        self.voice = VoiceState::Transcribing { since_ms: self.now_ms, file: name };
        let effects = self.begin_voice(VoiceWish::File(path));
        self.transcribed = Some(file.to_owned());
        effects
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
        self.transcribed = None;
        self.wish(wish)
    }

    fn wish(&self, wish: VoiceWish) -> Vec<UiEffect> {
        vec![UiEffect::Voice(self.voice_number, wish)]
    }

    /// The command whose file could not be understood stands in the composer again, to be mended.
    fn give_transcribe_back(&mut self) {
        if let Some(file) = self.transcribed.take().filter(|_| self.composer.is_empty()) {
            self.composer.set_text(&format!("/transcribe {file}"));
        }
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
            VoiceEvent::NotUnderstood { why, kept } => {
                self.voice = VoiceState::Off;
                self.give_transcribe_back();
                // It may be long, and what it says to do is at its end.
                self.chat.notice(NoticeKind::Warning, &sanitize::line(&why));
                if let Some(kept) = kept {
                    let path = super::files::quoted(&kept.display().to_string());
                    let words = format!("the recording was kept: /transcribe {path} tries again");
                    self.chat.notice(NoticeKind::Warning, &words);
                }
            }
            VoiceEvent::Failed(why) => {
                self.voice = VoiceState::Off;
                self.give_transcribe_back();
                self.say(&why);
            }
        }
    }
}
