//! The sanitizer for text that comes in pieces.

use crate::support::sanitize::sgr::Look;
use crate::support::sanitize::{self, Coloured};

/// Cleans text that comes in pieces: [`sanitize::text`] cannot know that an escape sequence, a `\r\n` or an emoji goes
/// on in the next piece, so what may do so is held back.
#[derive(Debug, Default)]
pub struct CleanStream {
    held: String,
    /// The last character that came out, with what is joined to it: joiners depend on what stands before them.
    before: String,
    /// The colours that hold where the text goes on.
    look: Look,
}

/// An escape sequence that is not over after this many bytes is not waited for.
const LONGEST_SEQUENCE: usize = 4 * 1024;

impl CleanStream {
    /// The clean text that this piece completes.
    pub fn push(&mut self, piece: &str) -> String {
        self.push_coloured(piece).text
    }

    /// As [`Self::push`], with the colours.
    pub fn push_coloured(&mut self, piece: &str) -> Coloured {
        self.held.push_str(piece);
        let ready = self.ready();
        let rest = self.held.split_off(ready);
        let raw = std::mem::replace(&mut self.held, rest);
        self.clean(&raw)
    }

    /// What was held back, when nothing more comes.
    pub fn finish(&mut self) -> String {
        self.finish_coloured().text
    }

    /// As [`Self::finish`], with the colours.
    pub fn finish_coloured(&mut self) -> Coloured {
        let raw = std::mem::take(&mut self.held);
        self.clean(&raw)
    }

    fn clean(&mut self, raw: &str) -> Coloured {
        if raw.is_empty() {
            return Coloured::default();
        }
        // Cleaning is idempotent, so what came before can be cleaned again for the sake of its neighbour. It holds no
        // colours and no return.
        let began = self.look;
        let mut whole = sanitize::coloured(&format!("{}{raw}", self.before), &mut self.look);
        let from = if whole.text.starts_with(&self.before) {
            self.before.len()
        } else {
            self.look = began;
            whole = sanitize::coloured(raw, &mut self.look);
            0
        };
        // One base character and the selectors, joiners and marks on it.
        let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}') || sanitize::is_mark(c);
        let base = whole.text.char_indices().rev().find(|(_, c)| !joins(*c)).map_or(0, |(at, _)| at);
        whole.text[base..].clone_into(&mut self.before);
        whole.text.drain(..from);
        whole.looks.iter_mut().for_each(|(at, _)| *at = at.saturating_sub(from));
        whole.returns.iter_mut().for_each(|at| *at -= from);
        whole
    }

    /// Number of held bytes that no further piece can change the meaning of.
    fn ready(&self) -> usize {
        let held = self.held.as_str();
        if let Some(start) = open_sequence(held)
            && held.len() - start <= LONGEST_SEQUENCE
        {
            return start;
        }
        let mut end = held.len();
        for (at, c) in held.char_indices().rev() {
            // A joiner needs its right neighbour, a carriage return its line feed, an escape what follows it.
            if matches!(c, '\r' | '\u{200c}' | '\u{200d}' | '\u{1b}') {
                end = at;
            } else {
                break;
            }
        }
        end
    }
}

/// Where an escape sequence begins that the text does not end (the grammar is that of [`sanitize`]).
fn open_sequence(text: &str) -> Option<usize> {
    let is_introducer = |c: char| matches!(c, '\u{1b}' | '\u{90}' | '\u{98}' | '\u{9b}' | '\u{9d}'..='\u{9f}');
    let mut at = 0;
    while let Some(offset) = text[at..].find(is_introducer) {
        let start = at + offset;
        let mut chars = text[start..].chars();
        let body = match (chars.next(), chars.clone().next()) {
            (Some('\u{1b}'), None) => return Some(start),
            (Some('\u{1b}'), Some('[')) | (Some('\u{9b}'), _) => Body::Control,
            (Some('\u{1b}'), Some(']' | 'P' | 'X' | '^' | '_')) => Body::String,
            (Some('\u{1b}'), Some(' '..='/')) => Body::Intermediate,
            (Some('\u{1b}'), Some(_)) => Body::None,
            _ => Body::String,
        };
        let rest = chars.as_str();
        let rest = if text[start..].starts_with('\u{1b}') && !matches!(body, Body::None) { &rest[1..] } else { rest };
        let left = match body {
            Body::None => rest.len(),
            Body::Control => {
                let tail = rest.trim_start_matches(|c| ('0'..='?').contains(&c));
                tail.trim_start_matches(|c| (' '..='/').contains(&c)).len()
            }
            Body::Intermediate => rest.trim_start_matches(|c| (' '..='/').contains(&c)).len(),
            Body::String => {
                // One way through the text for all terminators: the next one of a certain kind may be far away.
                let mut ends = rest.match_indices(['\u{7}', '\u{9c}', '\u{1b}']);
                let end = ends.find(|(at, c)| *c != "\u{1b}" || rest[at + 1..].starts_with('\\'));
                end.map_or(0, |(end, _)| rest.len() - end)
            }
        };
        if left == 0 && !matches!(body, Body::None) {
            return Some(start);
        }
        // Stands at the final character, or at the terminator, neither of which introduces another sequence, but for
        // ESC \\, which is a whole one.
        at = text.len() - left;
        if at == start {
            at += 1;
        }
    }
    None
}

/// What follows the introducer of an escape sequence.
#[derive(Clone, Copy)]
enum Body {
    /// One character.
    None,
    /// Parameters and a final character.
    Control,
    /// Intermediates and a final character.
    Intermediate,
    /// Anything up to a terminator.
    String,
}
