//! Words for users: the one place that prints errors, with what, where and what to do next.

use std::io::{self, Write};

use crate::support::sanitize;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// What and where, lower case, without a full stop.
    pub message: String,
    /// What to do next, a sentence each.
    pub hints: Vec<String>,
    /// The exit code: 1 failed, 2 usage or configuration; 0 where the reader of a pipe left.
    pub code: u8,
}

/// The exit code of a command that did what was asked, or why not.
pub type Outcome = Result<u8, Failure>;

impl Failure {
    /// A command that failed (exit code 1).
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), code: 1 }
    }

    /// Wrong usage or configuration (exit code 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, ..Self::new(message) }
    }

    /// A failure from an error and its causes, `a: b: c`.
    pub fn from_error(error: &dyn std::error::Error) -> Self {
        Self::new(chain(error))
    }

    /// Adds a sentence on what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a sentence on what to do next where there is one.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hints.extend(hint.map(Into::into));
        self
    }

    /// Prints it. Failing to print is not worth a second error.
    pub fn print(&self, err: &mut dyn Write) {
        if self.message.is_empty() {
            return;
        }
        let _ = writeln!(err, "error: {}", sanitize::text(&self.message));
        for hint in &self.hints {
            let _ = writeln!(err, "hint: {}", sanitize::text(hint));
        }
    }
}

impl From<io::Error> for Failure {
    /// Errors of writing to standard output; a reader that left is no error.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self { message: String::new(), hints: Vec::new(), code: 0 }
        } else {
            Self::new(format!("cannot write the output: {error}"))
        }
    }
}

/// Tells what opening a session brought to light.
pub fn notes(warnings: &[String], to: &mut dyn Write) -> io::Result<()> {
    warnings.iter().try_for_each(|warning| writeln!(to, "note: {}", sanitize::text(warning)))
}

/// An error with its causes; a cause that its parent already tells is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_and_what_next_and_holds_no_escape() {
        let mut out = Vec::new();
        Failure::new("cannot read \x1b[31mx").hint("Look at it.").print(&mut out);
        assert_eq!(String::from_utf8(out).expect("text"), "error: cannot read x\nhint: Look at it.\n");
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let mut out = Vec::new();
        failure.print(&mut out);
        assert_eq!((failure.code, out.len()), (0, 0));
    }

    #[test]
    fn causes_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Outer(#[source] io::Error);
        let told = chain(&Outer(io::Error::other("inner")));
        assert_eq!(told, "outer: inner");
    }
}
