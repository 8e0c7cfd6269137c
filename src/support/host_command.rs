//! Programs of the host that the user asks for: the editor, the pager, the multiplexer's clipboard.
//!
//! These run outside any sandbox, by the user's hand only, and never with arguments that a model or a tool chose: a
//! text goes in as a file or through standard input.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// A command line as users write it into `$EDITOR`: a program and words after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCommand {
    program: OsString,
    arguments: Vec<OsString>,
}

impl HostCommand {
    /// Splits at blanks; quotes keep a part together. `None` when nothing is left.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words: Vec<String> = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        for c in text.chars() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '"' | '\'') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, c) if c.is_whitespace() => words.extend(word.take()),
                (_, c) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        let mut words = words.into_iter().map(OsString::from);
        Some(Self { program: words.next()?, arguments: words.collect() })
    }

    /// The first of these variables that is set and not empty, else `fallback`.
    pub fn from_env(variables: &[&str], fallback: &str) -> Option<Self> {
        let set = variables.iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.trim().is_empty()));
        Self::parse(set.as_deref().unwrap_or(fallback))
    }

    /// The program's name.
    pub fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// Runs it on a file, with the terminal, and waits for its end.
    pub async fn open(&self, file: &Path) -> io::Result<ExitStatus> {
        Command::new(&self.program).args(&self.arguments).arg(file).status().await
    }

    /// Runs it without a terminal and gives it `input`. Fails when the program does.
    pub async fn feed(&self, input: &[u8]) -> io::Result<()> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input).await?;
        }
        let status = child.wait().await?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("{} failed: {status}", self.name()))) }
    }
}

/// The user's editor.
pub fn editor() -> Option<HostCommand> {
    HostCommand::from_env(&["VISUAL", "EDITOR"], "vi")
}

/// The user's pager. `less` shows control characters as text unless it is told otherwise.
pub fn pager() -> Option<HostCommand> {
    HostCommand::from_env(&["PAGER"], "less")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_split_like_people_write_it() {
        let parse = |text| HostCommand::parse(text).map(|command| (command.name(), command.arguments));
        assert_eq!(parse("vi"), Some(("vi".to_owned(), vec![])));
        assert_eq!(
            parse("  \"/opt/my editor/ed\" --wait '' x"),
            Some(("/opt/my editor/ed".to_owned(), vec!["--wait".into(), "".into(), "x".into()]))
        );
        assert_eq!(parse("   "), None);
    }

    #[tokio::test]
    async fn a_failing_program_is_an_error() {
        let command = HostCommand::parse("cat").expect("command");
        command.feed(b"text").await.expect("fed");
        let missing = HostCommand::parse("/nonexistent/okcvm-program").expect("command");
        assert!(missing.feed(b"").await.is_err());
        let failing = HostCommand::parse("false").expect("command");
        assert!(failing.feed(b"").await.is_err());
    }
}
