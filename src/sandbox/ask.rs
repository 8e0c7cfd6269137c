//! Runs the probe, outside of any runtime.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::process::{self, Killer, start_blocking};
use super::wire::{self, MAX_REPORTS, Plan, Report, Task};

/// Runs the probe to its end, without any runtime. `Err` is what was said instead of an answer.
pub(super) fn ask(
    command: std::process::Command,
    control: &UnixStream,
    frames: (&Plan, &Task),
    limit: Duration,
) -> Result<Vec<String>, String> {
    let end = Instant::now() + limit;
    let text = |error: io::Error| error.to_string();
    let mut child = start_blocking(command).map_err(text)?;
    let killer = Killer::new(&child);
    let stderr = child.stderr.take();
    let said = std::thread::spawn(move || process::said(stderr));
    let answer = converse(control, frames, end);
    if answer.is_err() {
        // Give bubblewrap the moment that it needs to say why.
        let grace = Instant::now() + Duration::from_millis(200);
        while Instant::now() < grace && !said.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    killer.signal(Signal::KILL);
    killer.reap(&mut child);
    let said = said.join().unwrap_or_default();
    match answer {
        Ok(missing) => Ok(missing),
        Err(_) if !said.is_empty() => Err(said),
        Err(error) => Err(format!("no answer from inside the sandbox: {error}")),
    }
}

fn converse(control: &UnixStream, (plan, task): (&Plan, &Task), end: Instant) -> io::Result<Vec<String>> {
    let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    control.set_write_timeout(Some(left))?;
    wire::write_frame(control, plan)?;
    wire::write_frame(control, task)?;
    control.set_read_timeout(Some(left))?;
    let mut line = String::new();
    BufReader::new(control.take(MAX_REPORTS)).read_line(&mut line)?;
    match serde_json::from_str(&line) {
        Ok(Report::Probed { missing }) => Ok(missing),
        Ok(Report::Failed { reason }) => Err(io::Error::other(reason)),
        _ if line.is_empty() => Err(io::Error::other("it ended early")),
        _ => Err(io::Error::other("it said something else")),
    }
}
