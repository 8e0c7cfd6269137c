//! `okcvm __convert`: shuts itself off, reads what is open on its standard input, and answers once.

use std::io::{self, Read, Write as _};
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use super::{DONE, OWN_ACCOUNT, REFUSED, SPIN, TRY_WALLS, Work, frame, walls};
use crate::sandbox::{init, launch, sys};

/// Bytes of memory that decoding may take, the program itself counted.
pub(super) const MEMORY: u64 = 1 << 30;
/// Exit code when it could not shut itself off, or was started the wrong way.
const FAILED: u8 = 126;

/// The whole life of the process.
pub(in crate::sandbox) fn main(work: Work) -> ExitCode {
    let mut words = std::env::args().skip(2);
    let mut next = || words.next().unwrap_or_default();
    let (account, cpu_seconds, task) = (next(), next(), next());
    if let Err(error) = shut(&account, &cpu_seconds) {
        // Standard error is a pipe that okcvm reads.
        let _ = writeln!(io::stderr(), "the process cannot be shut off: {error}");
        return ExitCode::from(FAILED);
    }
    let (kind, body) = match done(work, &task) {
        Ok(body) => (DONE, body),
        Err(why) => (REFUSED, why.into_bytes()),
    };
    let mut out = io::stdout().lock();
    let written = out.write_all(&frame(kind, &body)).and_then(|()| out.write_all(&body)).and_then(|()| out.flush());
    // Nobody may be left to hear it.
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn shut(account: &str, cpu_seconds: &str) -> io::Result<()> {
    sys::close_inherited()?;
    if account != OWN_ACCOUNT {
        launch::become_account(account.parse().map_err(io::Error::other)?)?;
    }
    // After the change of account, which takes both back.
    init::close_up()?;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    walls::shut(MEMORY, cpu_seconds.parse().map_err(io::Error::other)?)
}

fn done(work: Work, task: &str) -> Result<Vec<u8>, String> {
    if task == TRY_WALLS {
        return serde_json::to_vec(&walls::missing()).map_err(|error| error.to_string());
    }
    if task == SPIN {
        loop {
            std::hint::spin_loop();
        }
    }
    let mut input = io::stdin().lock();
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| work(task, &mut input as &mut dyn Read)));
    outcome.unwrap_or_else(|_| Err("its reader stopped on a part that makes no sense".to_owned()))
}
