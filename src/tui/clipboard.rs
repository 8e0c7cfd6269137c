//! Puts text on the user's clipboard, and says by which way.
//!
//! Over SSH no program of this machine can reach the user's clipboard; the terminal can, through OSC 52. A multiplexer
//! stands in between: tmux takes the text as a buffer of its own and passes it on itself (its default settings refuse
//! OSC 52 from programs), GNU screen passes a wrapped sequence through.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Texts above this many bytes are not sent: terminals cut longer sequences or drop them.
pub const LONGEST: usize = 74_000;
/// GNU screen passes at most this many bytes of a wrapped sequence at once.
const SCREEN_CHUNK: usize = 240;

/// What stands between the application and the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Nothing.
    Direct,
    /// tmux.
    Tmux,
    /// GNU screen.
    Screen,
}

impl Route {
    /// Reads it from the environment.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).is_some_and(|value| !value.is_empty());
        if set("TMUX") {
            Self::Tmux
        } else if set("STY") {
            Self::Screen
        } else {
            Self::Direct
        }
    }

    /// How the way is called.
    pub fn words(self) -> &'static str {
        match self {
            Self::Direct => "through the terminal (OSC 52)",
            Self::Tmux => "through tmux (OSC 52, wrapped)",
            Self::Screen => "through screen (OSC 52, wrapped)",
        }
    }

    /// The sequence that carries the text.
    pub fn sequence(self, text: &str) -> Vec<u8> {
        let plain = format!("\x1b]52;c;{}\x07", STANDARD.encode(text));
        match self {
            Self::Direct => plain.into_bytes(),
            Self::Tmux => format!("\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")).into_bytes(),
            Self::Screen => {
                let mut out = Vec::new();
                for chunk in plain.as_bytes().chunks(SCREEN_CHUNK) {
                    out.extend_from_slice(b"\x1bP");
                    out.extend_from_slice(chunk);
                    out.extend_from_slice(b"\x1b\\");
                }
                out
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_follows_the_environment() {
        let route = |set: &'static str| Route::detect(move |name| (name == set).then(|| "x".to_owned()));
        assert_eq!(route("TMUX"), Route::Tmux);
        assert_eq!(route("STY"), Route::Screen);
        assert_eq!(route("HOME"), Route::Direct);
    }

    #[test]
    fn sequences_are_wrapped_for_multiplexers() {
        assert_eq!(Route::Direct.sequence("hi"), b"\x1b]52;c;aGk=\x07");
        assert_eq!(Route::Tmux.sequence("hi"), b"\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\");
        let long = Route::Screen.sequence(&"x".repeat(600));
        assert!(long.starts_with(b"\x1bP\x1b]52;c;") && long.ends_with(b"\x07\x1b\\"));
        assert!(long.windows(2).filter(|pair| pair == b"\x1bP").count() > 2);
    }
}
