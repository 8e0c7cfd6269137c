//! A program of the host that writes until it is told to stop: the recorder.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::process::Child;
use tokio::process::ChildStderr;
use tokio::process::ChildStdout;

/// Bytes of a program's complaints that are kept: their end.
const COMPLAINTS: usize = 2048;
/// How long a program may take to end when it is told to.
const GRACE: Duration = Duration::from_millis(700);

/// A program that writes until it is told to stop. Dropping it ends it, with everything that it has started.
#[derive(Debug)]
pub struct HostStream {
    child: Child,
    group: Option<Pid>,
    output: ChildStdout,
    errors: Option<ChildStderr>,
    complaints: Vec<u8>,
    stopped: Option<Instant>,
}

impl HostStream {
    /// A program that has just been started, in a group of its own.
    pub(super) fn of(mut child: Child) -> io::Result<Self> {
        let output = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let errors = child.stderr.take();
        Ok(Self { child, group, output, errors, complaints: Vec::new(), stopped: None })
    }

    /// The next bytes; none at its end, or when it has been told to stop and takes too long. Safe to drop while waiting.
    pub async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut words = [0; 512];
        loop {
            let late = self.stopped.map(|at| tokio::time::Instant::from_std(at + GRACE));
            tokio::select! {
                count = self.output.read(into) => return count,
                count = read_some(self.errors.as_mut(), &mut words), if self.errors.is_some() => match count {
                    Ok(count) if count > 0 => {
                        self.complaints.extend_from_slice(&words[..count]);
                        let surplus = self.complaints.len().saturating_sub(COMPLAINTS);
                        self.complaints.drain(..surplus);
                    }
                    _ => self.errors = None,
                },
                () = at(late), if late.is_some() => return Ok(0),
            }
        }
    }

    /// Tells it to stop; what it still writes can be read for a moment.
    pub fn stop(&mut self) {
        self.stopped.get_or_insert_with(Instant::now);
        if let Some(group) = self.group {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, Signal::TERM);
        }
    }

    /// How it ended, and what it complained about last. To be called at the end of its output.
    pub async fn ended(mut self) -> (Option<ExitStatus>, String) {
        let status = tokio::time::timeout(GRACE, self.child.wait()).await.ok().and_then(Result::ok);
        if let Some(mut errors) = self.errors.take() {
            let _ =
                tokio::time::timeout(GRACE, (&mut errors).take(COMPLAINTS as u64).read_to_end(&mut self.complaints))
                    .await;
        }
        let text = String::from_utf8_lossy(&self.complaints);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        (status, last.unwrap_or_default().to_owned())
    }
}

impl Drop for HostStream {
    fn drop(&mut self) {
        // While it has not been waited for, nobody else can have its number.
        if let (Some(group), Some(_)) = (self.group, self.child.id()) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

async fn read_some(source: Option<&mut ChildStderr>, into: &mut [u8]) -> io::Result<usize> {
    match source {
        Some(source) => source.read(into).await,
        None => std::future::pending().await,
    }
}

async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::host_command::HostCommand;

    #[tokio::test]
    async fn a_program_that_goes_on_is_stopped_and_leaves_nothing_behind() {
        let command = HostCommand::parse("sh -c 'echo oh no >&2; echo on; trap : TERM; sleep 600 & echo $!; wait'");
        let mut stream = command.expect("command").stream().expect("started");
        let mut text = String::new();
        let mut bytes = [0; 64];
        while text.lines().count() < 2 {
            let count = stream.read(&mut bytes).await.expect("read");
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        let sleeper: i32 = text.lines().nth(1).expect("number").parse().expect("number");
        let sleeper = Pid::from_raw(sleeper).expect("pid");
        assert!(rustix::process::test_kill_process(sleeper).is_ok());
        drop(stream);
        let until = Instant::now() + Duration::from_secs(20);
        // A zombie that waits for its new parent is gone as well.
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", sleeper.as_raw_nonzero()));
            stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
        };
        while !gone() {
            assert!(Instant::now() < until, "the recorder's child goes on");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_a_program_complains_about_is_told() {
        let command = HostCommand::parse("sh -c 'echo one >&2; echo no microphone >&2; exit 3'").expect("command");
        let mut stream = command.stream().expect("started");
        assert_eq!(stream.read(&mut [0; 8]).await.expect("end"), 0);
        let (status, words) = stream.ended().await;
        assert_eq!((status.and_then(|status| status.code()), words.as_str()), (Some(3), "no microphone"));
    }
}
