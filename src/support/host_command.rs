//! Programs of the host that the user asks for: the editor, the pager, the multiplexer's clipboard, the machine's Python,
//! the recorder.
//!
//! These run outside any sandbox, by the user's hand only, and never with arguments that a model or a tool chose: a
//! text goes in as a file or through standard input.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

mod stream;

pub use stream::HostStream;

/// How long a program that opens things is watched for a refusal.
const LAUNCH_LIMIT: Duration = Duration::from_secs(3);

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

    /// Starts it without a terminal for one more word, and leaves it alone. An error is what it said within a moment;
    /// one that goes on is content.
    pub async fn launch(&self, argument: &OsStr) -> io::Result<()> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(argument).process_group(0);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        match tokio::time::timeout(LAUNCH_LIMIT, child.wait()).await {
            Ok(Ok(status)) if !status.success() => Err(io::Error::other(status.to_string())),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
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
const MOST_SAID: usize = 1 << 20;

/// Runs a program for its answer on standard output, without a terminal and from the root folder, so that nothing of the
/// current one has a say. Blocks; the program is ended at the limit. Fails when it does.
pub fn ask(program: &Path, arguments: &[&str], limit: Duration) -> io::Result<String> {
    let (reader, writer) = io::pipe()?;
    let mut command = quiet(program);
    command.args(arguments).stdout(writer).stderr(Stdio::null()).process_group(0);
    let mut child = spawn(&mut command)?;
    // The command holds the other end of the pipe.
    drop(command);
    let (end, mut said) = (Instant::now() + limit, String::new());
    let answered = heard(reader, &mut |line| {
        if !line.is_empty() && said.len() < MOST_SAID {
            said.push_str(line);
            said.push('\n');
        }
        Instant::now() < end
    });
    if !matches!(answered, Ok(true)) {
        end_group(&child);
    }
    let status = child.wait()?;
    match answered? {
        false => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs()))),
        true if status.success() => Ok(said),
        true => Err(io::Error::other(status.to_string())),
    }
}

/// Runs a program that tells of its progress, output and errors alike, line by line; `told` hears an empty one whenever
/// nothing came for a while, and the program is ended when it says no. Blocks until it ends. Ctrl+C on the terminal ends
/// it together with okcvm.
pub fn follow(program: &Path, arguments: &[&OsStr], told: &mut dyn FnMut(&str) -> bool) -> io::Result<ExitStatus> {
    let (reader, writer) = io::pipe()?;
    let mut command = quiet(program);
    command.args(arguments).stdout(writer.try_clone()?).stderr(writer);
    let mut child = spawn(&mut command)?;
    // The command holds the other ends of the pipe.
    drop(command);
    let went_on = heard(reader, told);
    if !matches!(went_on, Ok(true)) {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait()?;
    went_on.map(|_| status)
}

/// Tells lines until there are no more, or until `told` says no, which is the answer.
fn heard(mut reader: io::PipeReader, told: &mut dyn FnMut(&str) -> bool) -> io::Result<bool> {
    const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let (mut said, mut piece) = (Vec::new(), vec![0; 8 << 10]);
    loop {
        let ready = rustix::event::poll(&mut [PollFd::new(&reader, PollFlags::IN)], Some(&PAUSE))?;
        if ready == 0 {
            if !told("") {
                return Ok(false);
            }
            continue;
        }
        let count = reader.read(&mut piece)?;
        said.extend_from_slice(&piece[..count]);
        let mut from = 0;
        while let Some(end) = said[from..].iter().position(|byte| *byte == b'\n') {
            if !told(String::from_utf8_lossy(&said[from..from + end]).trim_end()) {
                return Ok(false);
            }
            from += end + 1;
        }
        said.drain(..from);
        if count == 0 || said.len() > MOST_SAID {
            let rest = std::mem::take(&mut said);
            if !rest.is_empty() && !told(String::from_utf8_lossy(&rest).trim_end()) {
                return Ok(false);
            }
        }
        if count == 0 {
            return Ok(true);
        }
    }
}

/// A program with nothing to read, without what is okcvm's or another Python's in its environment.
fn quiet(program: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.stdin(Stdio::null()).current_dir("/");
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

/// The user's program that opens files and addresses with what they are meant for, where there is a desktop on which
/// they could be seen.
pub fn opener() -> Option<HostCommand> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("SSH_CONNECTION") || set("SSH_TTY") {
        return None;
    }
    if cfg!(target_os = "macos") {
        return HostCommand::parse("open");
    }
    if set("DISPLAY") || set("WAYLAND_DISPLAY") { HostCommand::parse("xdg-open") } else { None }
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
