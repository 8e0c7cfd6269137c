//! What a terminal can do with pictures: known from its variables, and asked where those leave a doubt.
//!
//! Asked is with sequences that every terminal knows or leaves alone: for its device attributes (DA1, where 4 is sixel),
//! for the size of a cell where the kernel does not tell it, and terminals of kitty's family for a picture of one pixel.
//! Whoever answers the first one has answered all, so nobody waits for what never comes. Multiplexers are not asked: they
//! answer for themselves, and what is behind them may be anything.

use crate::config::schema::PictureMode;

use super::Depth;

/// Size of a cell in pixels.
type CellSize = (u16, u16);

/// A way to send pictures to a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// kitty's: sent once, placed and taken away by number.
    Kitty,
    /// Sixel, as the VT340 had it.
    Sixel,
    /// Inline images of iTerm2.
    Iterm,
}

/// How pictures are made for the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graphics {
    /// The way.
    pub protocol: Protocol,
    /// Size of a cell in pixels.
    pub cell: CellSize,
}

/// What the terminal has answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TerminalAnswer {
    /// Its device attributes; empty where it has not answered at all.
    pub attributes: Vec<u16>,
    /// Whether it has taken a picture of kitty's.
    pub kitty: bool,
    /// Size of a cell in pixels.
    pub cell: Option<CellSize>,
}

/// What is to be asked, and what the answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    likely: Option<Protocol>,
}

/// How pictures are to be shown in this terminal, as far as it is known without asking; by default in words only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PicturePlan {
    /// In cells, or told in words.
    pub drawn: bool,
    /// Colours of those cells.
    pub depth: Depth,
    /// The terminal's own pictures, where they were asked for by name.
    pub fixed: Option<Protocol>,
    /// What is still to be asked.
    pub question: Option<Question>,
}

impl PicturePlan {
    /// The plan for these settings and this environment. `drawable` is false where there are no colours or only ASCII.
    pub fn new(mode: PictureMode, drawable: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| variable(name).unwrap_or_default();
        let drawn = drawable && mode != PictureMode::Off;
        let fixed = match mode {
            PictureMode::Kitty => Some(Protocol::Kitty),
            PictureMode::Sixel => Some(Protocol::Sixel),
            PictureMode::Iterm => Some(Protocol::Iterm),
            PictureMode::Auto | PictureMode::Halfblocks | PictureMode::Off => None,
        };
        let term = value("TERM");
        let between = !value("TMUX").is_empty() || !value("STY").is_empty();
        let simple = ["screen", "tmux", "linux", "dumb", "vt"].iter().any(|name| term.starts_with(name));
        let asks = drawn && mode == PictureMode::Auto && !between && !simple && !term.is_empty();
        let question = asks.then(|| Question { likely: likely(&term, &value("TERM_PROGRAM"), &value("LC_TERMINAL")) });
        Self { drawn, depth: Depth::detect(&variable), fixed: fixed.filter(|_| drawn), question }
    }
}

/// What terminals of these names can do beside sixel.
fn likely(term: &str, program: &str, far: &str) -> Option<Protocol> {
    // A terminal's own TERM counts most: the other variables are inherited by whatever is started in it.
    if term.contains("kitty") || term.contains("ghostty") || program == "ghostty" {
        return Some(Protocol::Kitty);
    }
    (matches!(program, "iTerm.app" | "WezTerm") || far == "iTerm2").then_some(Protocol::Iterm)
}

impl Question {
    /// The bytes to send; `cell` tells whether the size of a cell is known already.
    pub fn bytes(&self, cell: Option<CellSize>) -> Vec<u8> {
        let mut out = Vec::new();
        if self.likely == Some(Protocol::Kitty) {
            out.extend_from_slice(b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\");
        }
        if cell.is_none() {
            out.extend_from_slice(b"\x1b[16t");
        }
        // Last: its answer says that nothing more comes.
        out.extend_from_slice(b"\x1b[c");
        out
    }

    /// What the answer means for a cell of this size, as the kernel tells it.
    pub fn settle(&self, answer: &TerminalAnswer, cell: Option<CellSize>) -> Option<Graphics> {
        let cell = cell.or(answer.cell);
        let protocol = if answer.kitty {
            Protocol::Kitty
        } else if self.likely == Some(Protocol::Iterm) && !answer.attributes.is_empty() {
            Protocol::Iterm
        } else if answer.attributes.contains(&4) {
            // Sixels are pixels: without the size of a cell nobody knows how many are needed.
            cell?;
            Protocol::Sixel
        } else {
            return None;
        };
        Some(Graphics { protocol, cell: cell.unwrap_or((10, 20)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(mode: PictureMode, set: &'static [(&str, &str)]) -> PicturePlan {
        PicturePlan::new(mode, true, |name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn only_a_terminal_that_answers_for_itself_is_asked() {
        let asks = |set| plan(PictureMode::Auto, set).question.is_some();
        assert!(asks(&[("TERM", "xterm-256color")]));
        assert!(asks(&[("TERM", "xterm-kitty")]));
        assert!(!asks(&[("TERM", "xterm-256color"), ("TMUX", "/tmp/tmux-0/default,1,0")]));
        assert!(!asks(&[("TERM", "screen-256color")]) && !asks(&[("TERM", "linux")]) && !asks(&[]));
        assert!(plan(PictureMode::Halfblocks, &[("TERM", "xterm")]).question.is_none());
        let fixed = plan(PictureMode::Sixel, &[("TERM", "xterm"), ("TMUX", "x")]);
        assert_eq!((fixed.fixed, fixed.question), (Some(Protocol::Sixel), None));
        assert!(!plan(PictureMode::Off, &[("TERM", "xterm")]).drawn);
        assert!(!PicturePlan::new(PictureMode::Kitty, false, |_| None).drawn);
    }

    #[test]
    fn the_answer_decides_and_sixel_needs_the_size_of_a_cell() {
        let cell = Some((9, 18));
        let sixel = TerminalAnswer { attributes: vec![63, 1, 4], ..TerminalAnswer::default() };
        let question = Question { likely: None };
        assert_eq!(question.settle(&sixel, cell), Some(Graphics { protocol: Protocol::Sixel, cell: (9, 18) }));
        assert_eq!(question.settle(&sixel, None), None);
        let told = TerminalAnswer { cell: Some((7, 14)), ..sixel.clone() };
        assert_eq!(question.settle(&told, None), Some(Graphics { protocol: Protocol::Sixel, cell: (7, 14) }));
        assert_eq!(question.settle(&TerminalAnswer::default(), cell), None);
        let kitty = TerminalAnswer { kitty: true, attributes: vec![62], cell: None };
        let question = Question { likely: Some(Protocol::Kitty) };
        assert_eq!(question.settle(&kitty, cell).map(|graphics| graphics.protocol), Some(Protocol::Kitty));
        assert!(question.settle(&kitty, None).is_some(), "its cells are scaled to");
        let silent = TerminalAnswer { kitty: false, attributes: vec![62], cell: None };
        assert_eq!(question.settle(&silent, cell), None, "its name alone is not enough");
        let question = Question { likely: Some(Protocol::Iterm) };
        assert_eq!(question.settle(&silent, cell).map(|graphics| graphics.protocol), Some(Protocol::Iterm));
        assert!(question.bytes(cell).ends_with(b"\x1b[c") && !question.bytes(cell).ends_with(b"t\x1b[c"));
    }
}
