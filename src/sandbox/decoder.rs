//! Decoding of what nobody trusts: a document or a picture is read in a process that can do nothing else.
//!
//! ```text
//! okcvm ── okcvm __convert ACCOUNT SECONDS TASK
//!   │        stdin: the file, open        shut off from files, network and processes before the first byte is read,
//!   └─────── stdout: the answer, framed   bounded in memory and time
//! ```
//!
//! It needs no namespaces, so it works with every backend and without bubblewrap. Whatever a file does to its reader
//! (memory, stack, endless loops, worse) ends with that process and is an error of one call. What is to be done with the
//! bytes comes from above ([`Work`]): this module knows no formats.

pub(super) mod child;
mod walls;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::process::Signal;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::process::{self, Exit, Killer};

/// What the child does with the bytes: the task in words of those above, and the bytes. An error is told to them.
pub type Work = fn(task: &str, input: &mut dyn io::Read) -> Result<Vec<u8>, String>;

/// How long one file may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const MAX_ANSWER: u64 = 64 << 20;
/// Before the answer: whether it is one or an error, and its length.
const HEADER: usize = 9;
const DONE: u8 = b'+';
const REFUSED: u8 = b'-';
/// The helper mode.
pub(super) const MODE: &str = "__convert";
/// The task that tries the walls; all others but the next are those of [`Work`].
const TRY_WALLS: &str = "walls";
/// The task that computes until it is ended.
const SPIN: &str = "spin";
/// Processes that decode at the same time: each may take [`child::MEMORY`].
const AT_ONCE: usize = 2;
/// Said instead of an account where none is to be taken.
const OWN_ACCOUNT: &str = "own";

/// Starts the processes that decode. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// okcvm, or a program that serves its helper modes.
    program: Option<PathBuf>,
    /// The account to become where okcvm is root.
    account: Option<u32>,
    time_limit: Duration,
    /// Seconds of computing.
    cpu_seconds: u64,
    /// How many more may run now.
    free: Free,
}

/// How many processes may be started; all clones share it.
#[derive(Debug, Clone)]
pub(super) struct Free(Arc<Semaphore>);

impl Default for Free {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// What is decoded.
#[derive(Debug)]
pub enum Encoded {
    /// A file that is open for reading.
    File(File),
    /// Bytes that are at hand.
    Bytes(Vec<u8>),
}

/// Why there is no answer. Each is a phrase that follows "could not be read: " or the like.
#[derive(Debug, thiserror::Error)]
pub enum DecoderError {
    /// This program does not serve helper modes.
    #[error("this program cannot be its own helper (it has to call okcvm::internal_main first of all)")]
    NoHelper,
    /// The process could not be started or heard.
    #[error("the process that decodes does not run: {0}")]
    Io(#[from] io::Error),
    /// The user stopped it.
    #[error("it was cancelled")]
    Cancelled,
    /// It took too long.
    #[error("it took longer than {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It needed more memory than it may have.
    #[error("it needs more than {} MiB of memory", child::MEMORY >> 20)]
    OutOfMemory,
    /// The answer is larger than what is read.
    #[error("the result is larger than {} MiB", MAX_ANSWER >> 20)]
    TooLarge,
    /// It ended without an answer.
    #[error("its reader crashed ({0})")]
    Crashed(String),
    /// The work's own words.
    #[error("{0}")]
    Refused(String),
}

impl Decoder {
    pub(super) fn new(program: Option<PathBuf>, account: Option<u32>, free: Free) -> Self {
        Self { program, account, time_limit: TIME_LIMIT, cpu_seconds: walls::CPU_SECONDS, free }
    }

    /// With another limit than 30 s.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// With another limit of computing than 20 s.
    #[must_use]
    pub fn with_cpu_limit(self, cpu_seconds: u64) -> Self {
        Self { cpu_seconds, ..self }
    }

    /// Has a task done, after those that were asked for before where too many run. Dropping this, as cancelling, ends
    /// the process at once.
    pub async fn run(&self, task: &str, input: Encoded, cancel: &CancellationToken) -> Result<Vec<u8>, DecoderError> {
        let program = self.program.as_ref().ok_or(DecoderError::NoHelper)?;
        let _place = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(DecoderError::Cancelled),
            place = self.free.0.acquire() => place.map_err(io::Error::other)?,
        };
        let input = match input {
            Encoded::File(file) => file,
            Encoded::Bytes(bytes) => {
                tokio::task::spawn_blocking(move || memory_file(&bytes)).await.map_err(io::Error::other)??
            }
        };
        let account = self.account.map_or_else(|| OWN_ACCOUNT.to_owned(), |id| id.to_string());
        let mut command = Command::new(program);
        command
            .args([MODE, &account, &self.cpu_seconds.to_string(), task])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(input));
        let mut child = process::start(command).await.map_err(process::no_starter)??;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let killer = Arc::new(Killer::new(&child));
        let mut ended = killer.watch(child)?;
        let _ends = EndOnDrop(killer);

        // Both end with the process, which holds the only other ends.
        let said = tokio::task::spawn_blocking(move || process::said(err));
        let answer = tokio::task::spawn_blocking(move || read_answer(out));
        let done = async {
            let answer = answer.await.map_err(io::Error::other)??;
            if answer.len() as u64 > MAX_ANSWER {
                return Err(DecoderError::TooLarge);
            }
            let said = said.await.map_err(io::Error::other)?;
            let exit = ended.wait_for(Option::is_some).await.ok().and_then(|exit| *exit).unwrap_or(Exit::UNKNOWN);
            self.outcome(answer, exit, &said)
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(DecoderError::Cancelled),
            outcome = done => outcome,
            () = tokio::time::sleep(self.time_limit) => Err(DecoderError::TimedOut(self.time_limit)),
        }
    }

    /// Tries the walls from inside: what such a process can do and should not, each as a phrase.
    pub async fn missing_walls(&self) -> Result<Vec<String>, DecoderError> {
        let told = self.run(TRY_WALLS, Encoded::Bytes(Vec::new()), &CancellationToken::new()).await?;
        serde_json::from_slice(&told).map_err(|error| DecoderError::Crashed(error.to_string()))
    }

    /// Computes until it is ended: tries the limit of computing from inside. What that should end with is an error.
    pub async fn spin(&self) -> Result<Vec<u8>, DecoderError> {
        self.run(SPIN, Encoded::Bytes(Vec::new()), &CancellationToken::new()).await
    }

    fn outcome(&self, mut answer: Vec<u8>, exit: Exit, said: &str) -> Result<Vec<u8>, DecoderError> {
        if exit.code == Some(0)
            && let Some((kind, length)) = header(&answer)
            && answer.len() - HEADER == length
        {
            let body = answer.split_off(HEADER);
            return match kind {
                DONE => Ok(body),
                _ => Err(DecoderError::Refused(String::from_utf8_lossy(&body).into_owned())),
            };
        }
        let signal = exit.signal.and_then(Signal::from_named_raw);
        Err(match signal {
            _ if said.contains("memory allocation of") => DecoderError::OutOfMemory,
            Some(Signal::XCPU) => DecoderError::TimedOut(Duration::from_secs(self.cpu_seconds)),
            _ if said.contains("overflowed its stack") => DecoderError::Crashed("it is nested too deeply".to_owned()),
            Some(Signal::KILL) => DecoderError::Crashed("killed; the machine may be short of memory".to_owned()),
            _ => DecoderError::Crashed(match exit.signal {
                _ if !said.is_empty() => super::backend::one_line(said),
                Some(signal) => format!("signal {signal}"),
                None => format!("exit code {}", exit.shell_code()),
            }),
        })
    }
}

/// Ends a process when nobody waits for it any more.
struct EndOnDrop(Arc<Killer>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.signal(Signal::KILL);
    }
}

/// What it writes, to the end or to just over the bound.
fn read_answer(out: Option<std::process::ChildStdout>) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    if let Some(out) = out {
        out.take(MAX_ANSWER + 1).read_to_end(&mut answer)?;
    }
    Ok(answer)
}

fn header(answer: &[u8]) -> Option<(u8, usize)> {
    let (header, _) = answer.split_first_chunk::<HEADER>()?;
    let (kind, length) = header.split_first()?;
    let length = u64::from_le_bytes(length.try_into().ok()?);
    Some((*kind, usize::try_from(length).ok()?))
}

/// The frame around an answer.
fn frame(kind: u8, body: &[u8]) -> [u8; HEADER] {
    let mut header = [kind; HEADER];
    header[1..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    header
}

fn memory_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("okcvm-input", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}
