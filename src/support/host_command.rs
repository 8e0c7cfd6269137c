//! Programs of the host that the user asks for: the editor, the pager, the multiplexer's clipboard, the machine's Python,
//! the recorder.
//!
//! These run outside any sandbox, by the user's hand only, and never with arguments that a model or a tool chose: a
//! text goes in as a file or through standard input.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

mod stream;

pub use stream::HostStream;

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

    /// Starts it without a terminal, to read what it writes until it is told to stop.
    pub fn stream(&self) -> io::Result<HostStream> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        HostStream::of(command.process_group(0).kill_on_drop(true).spawn()?)
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

/// How long a program may take to answer a short question, on a machine with much to do.
pub const SHORT: Duration = Duration::from_secs(20);
/// Most that is read of an answer.
const MOST_SAID: u64 = 1 << 20;

/// Runs a program for its answer on standard output, without a terminal and from the root folder, so that nothing of the
/// current one has a say. Blocks; the program is ended at the limit. Fails when it does.
pub fn ask(program: &Path, arguments: &[&str], limit: Duration) -> io::Result<String> {
    let mut command = quiet(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = spawn(&mut command)?;
    let out = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        out.map_or(Ok(0), |out| out.take(MOST_SAID).read_to_end(&mut said)).map(|_| said)
    });
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= end {
            end_group(&child);
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if !status.success() {
        return Err(io::Error::other(status.to_string()));
    }
    let said = reader.join().map_err(|_| io::Error::other("the reader ended badly"))??;
    String::from_utf8(said).map_err(io::Error::other)
}

/// Runs a program that tells of its progress, output and errors alike, line by line; it is ended when `told` says no.
/// Blocks until it ends.
pub fn follow(program: &Path, arguments: &[&OsStr], told: &mut dyn FnMut(&str) -> bool) -> io::Result<ExitStatus> {
    let (reader, writer) = io::pipe()?;
    let mut command = quiet(program);
    command.args(arguments).stdout(writer.try_clone()?).stderr(writer);
    let mut child = spawn(&mut command)?;
    // The command holds the other ends of the pipe.
    drop(command);
    let mut lines = io::BufReader::new(reader);
    let mut line = Vec::new();
    while lines.by_ref().take(MOST_SAID).read_until(b'\n', &mut line)? > 0 {
        if !told(String::from_utf8_lossy(&line).trim_end()) {
            end_group(&child);
            break;
        }
        line.clear();
    }
    child.wait()
}

/// A program with nothing to read, in a group of its own, without what is okcvm's or another Python's in its environment.
fn quiet(program: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.stdin(Stdio::null()).current_dir("/").process_group(0);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("OKCVM_") || text.ends_with("_API_KEY") || OTHERS.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}

/// Starts it. A program that somebody has open for writing, or whose writer was just copied by a fork, is busy for a
/// moment.
fn spawn(command: &mut std::process::Command) -> io::Result<std::process::Child> {
    let end = Instant::now() + Duration::from_secs(2);
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(10));
            }
            outcome => return outcome,
        }
    }
}

/// Variables that make Python and its installers use other folders than those that are asked for.
const OTHERS: [&str; 6] = ["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"];

fn end_group(child: &std::process::Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
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
