//! The terminal's answers, read apart from the keys that are pressed meanwhile.
//!
//! crossterm has no place for these answers: it would throw them away or take them for keys. So until they are here, or
//! the time for them is over, the bytes are read here; what is no answer is a key, and nobody has to wait for it.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::sync::mpsc;

use super::Input;
use super::keys::{self, Decoded};
use crate::tui::picture::TerminalAnswer;

/// How long an answer may take. Keys do not wait for it.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the rest of a sequence may take; a lone ESC is a key after it.
const REST: Duration = Duration::from_millis(40);
/// The longest answer.
const LONGEST: usize = 256;

/// Reads until the terminal has answered; `false` when it is gone or nobody listens any more.
pub(super) fn listen(tty: BorrowedFd<'_>, stop: &OwnedFd, send: &mpsc::UnboundedSender<Vec<Input>>) -> bool {
    let until = Instant::now() + PATIENCE;
    let mut listener = Listener::default();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if listener.buffer.is_empty() && (listener.done || left.is_zero()) {
            break;
        }
        let wait = if listener.buffer.is_empty() { left } else { REST };
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        let mut fds = [PollFd::new(&tty, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        let ready = match rustix::event::poll(&mut fds, Some(&wait)) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return false,
            Ok(ready) => ready,
        };
        if !fds[1].revents().is_empty() {
            return false;
        }
        let inputs = if ready == 0 {
            listener.no_more()
        } else {
            let mut bytes = [0; 4096];
            match rustix::io::read(tty, &mut bytes) {
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
                Ok(0) | Err(_) => return false,
                Ok(count) => listener.take(&bytes[..count]),
            }
        };
        if !inputs.is_empty() && send.send(inputs).is_err() {
            return false;
        }
    }
    send.send(vec![Input::Answer(listener.answer)]).is_ok()
}

/// What a terminal of kitty's family begins its answer with, as keys.
const LATE: &str = "Gi=31;";

/// Takes a kitty's answer that came too late out of the keys that crossterm has made of it: Alt+_, letters, Alt+\.
pub(super) fn without_late(inputs: Vec<Input>) -> Vec<Input> {
    let letter = |input: &Input| match input {
        Input::Key(key) => match key.code {
            KeyCode::Char(c) => Some((c, key.modifiers.contains(KeyModifiers::ALT))),
            _ => None,
        },
        _ => None,
    };
    let Some(start) = inputs.iter().position(|input| letter(input) == Some(('_', true))) else { return inputs };
    let Some(length) = inputs[start..].iter().position(|input| letter(input) == Some(('\\', true))) else {
        return inputs;
    };
    let body: String = inputs[start + 1..start + length].iter().filter_map(letter).map(|(c, _)| c).collect();
    let Some(said) = body.strip_prefix(LATE) else { return inputs };
    let answer = TerminalAnswer { kitty: said == "OK", ..TerminalAnswer::default() };
    let mut kept = inputs;
    kept.splice(start..=start + length, [Input::Answer(answer)]);
    kept
}

/// Bytes become keys and answers.
#[derive(Debug, Default)]
struct Listener {
    buffer: Vec<u8>,
    answer: TerminalAnswer,
    /// The last answer is here.
    done: bool,
}

impl Listener {
    fn take(&mut self, bytes: &[u8]) -> Vec<Input> {
        self.buffer.extend_from_slice(bytes);
        let mut inputs = Vec::new();
        while !self.buffer.is_empty() {
            if let Some(length) = self.answered() {
                self.buffer.drain(..length);
                continue;
            }
            if self.may_be_answer() {
                break;
            }
            match keys::decode(&self.buffer) {
                Decoded::Incomplete => break,
                Decoded::Input(input, length) => {
                    inputs.extend(input);
                    self.buffer.drain(..length);
                }
            }
        }
        inputs
    }

    /// Nothing follows for now: a sequence that is not whole was none. A paste goes on, whatever it takes.
    fn no_more(&mut self) -> Vec<Input> {
        if self.buffer.starts_with(keys::PASTE) {
            return Vec::new();
        }
        let mut inputs = Vec::new();
        while let [first, ..] = self.buffer[..] {
            let alone = keys::decode_alone(first);
            inputs.extend(alone);
            self.buffer.remove(0);
            inputs.extend(self.take(&[]));
        }
        inputs
    }

    /// The length of the answer that the bytes begin with.
    fn answered(&mut self) -> Option<usize> {
        let text = |end: usize, from: usize| std::str::from_utf8(self.buffer.get(from..end)?).ok();
        if self.buffer.starts_with(b"\x1b_G") {
            let end = self.buffer.windows(2).position(|pair| pair == b"\x1b\\")?;
            self.answer.kitty = text(end, 3)?.ends_with(";OK");
            return Some(end + 2);
        }
        let (from, last) = if self.buffer.starts_with(b"\x1b[?") {
            (3, b'c')
        } else if self.buffer.starts_with(b"\x1b[6;") {
            (4, b't')
        } else {
            return None;
        };
        let end = from + self.buffer[from..].iter().position(|byte| !matches!(byte, b'0'..=b'9' | b';'))?;
        let numbers: Vec<u16> = text(end, from)?.split(';').filter_map(|number| number.parse().ok()).collect();
        match (self.buffer[end], last) {
            (b'c', b'c') => {
                self.answer.attributes = numbers;
                self.done = true;
            }
            (b't', b't') => {
                if let [height @ 2..=200, width @ 2..=200] = numbers[..] {
                    self.answer.cell = Some((width, height));
                }
            }
            _ => return None,
        }
        Some(end + 1)
    }

    /// Whether an answer may be on its way that is not whole.
    fn may_be_answer(&self) -> bool {
        let open = |head: &[u8]| head.starts_with(&self.buffer) || self.buffer.starts_with(head);
        let whole = |from: usize| {
            self.buffer.get(from..).is_some_and(|rest| rest.iter().any(|byte| !matches!(byte, b'0'..=b'9' | b';')))
        };
        self.buffer.len() < LONGEST
            && (open(b"\x1b_G") || (open(b"\x1b[?") && !whole(3)) || (open(b"\x1b[6;") && !whole(4)))
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyEvent;

    use super::*;

    fn key(code: KeyCode) -> Input {
        Input::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn answers_are_told_from_the_keys_around_them() {
        let all = b"a\x1b_Gi=31;OK\x1b\\\x1b[A\x1b[6;18;9tb\x1b[?62;4;22cc";
        let whole = TerminalAnswer { attributes: vec![62, 4, 22], kitty: true, cell: Some((9, 18)) };
        let expected = [key(KeyCode::Char('a')), key(KeyCode::Up), key(KeyCode::Char('b')), key(KeyCode::Char('c'))];
        // Whole, byte by byte, and torn at every place.
        for cut in 0..=all.len() {
            let mut listener = Listener::default();
            let mut inputs = listener.take(&all[..cut]);
            inputs.extend(listener.take(&all[cut..]));
            assert_eq!((inputs.as_slice(), &listener.answer, listener.done), (&expected[..], &whole, true), "{cut}");
        }
        let mut listener = Listener::default();
        let inputs: Vec<Input> = all.iter().flat_map(|byte| listener.take(&[*byte])).collect();
        assert_eq!((inputs.as_slice(), &listener.answer), (&expected[..], &whole));
    }

    #[test]
    fn an_answer_that_comes_too_late_is_not_typed() {
        let plain = |c| key(KeyCode::Char(c));
        let alt = |c| Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT));
        let mut inputs = vec![plain('a'), alt('_')];
        inputs.extend("Gi=31;OK".chars().map(plain));
        inputs.extend([alt('\\'), plain('b')]);
        let answer = TerminalAnswer { kitty: true, ..TerminalAnswer::default() };
        assert_eq!(without_late(inputs), [plain('a'), Input::Answer(answer), plain('b')]);
        let typed = vec![alt('_'), plain('G'), alt('\\')];
        assert_eq!(without_late(typed.clone()), typed);
    }

    #[test]
    fn a_refusal_is_no_picture_and_nonsense_is_no_size() {
        let mut listener = Listener::default();
        assert!(listener.take(b"\x1b_Gi=31;EINVAL:no\x1b\\\x1b[6;0;60000t\x1b[?1c").is_empty());
        assert_eq!(listener.answer, TerminalAnswer { attributes: vec![1], ..TerminalAnswer::default() });
    }

    #[test]
    fn what_is_never_whole_is_keys_after_a_while() {
        let mut listener = Listener::default();
        assert!(listener.take(b"\x1b").is_empty());
        assert_eq!(listener.no_more(), [key(KeyCode::Esc)]);
        assert!(listener.take(b"\x1b[?6").is_empty());
        let rest = listener.no_more();
        assert_eq!(rest[0], key(KeyCode::Esc));
        assert!(listener.buffer.is_empty());
        // A paste that is still coming in is not torn.
        assert!(listener.take(b"\x1b[200~one\n").is_empty() && listener.no_more().is_empty());
        assert_eq!(listener.take(b"two\x1b[201~"), [Input::Paste("one\ntwo".to_owned())]);
    }
}
