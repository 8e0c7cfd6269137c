//! Runs a command in a fresh bash inside the sandbox.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde_json::Value;

use crate::sandbox::{Request, Sandbox, SandboxError};
use crate::tools::args;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput};

mod follow;
mod told;

use follow::{Followed, Watch, follow};
use told::{told, with_job};

/// Milliseconds when no timeout is given.
const DEFAULT_TIMEOUT: i64 = 60_000;
/// Milliseconds at most.
const MAX_TIMEOUT: i64 = 1_800_000;
/// Runs a command.
#[derive(Debug)]
pub(super) struct Shell;

impl Tool for Shell {
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn needs_sandbox(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(run(cx, args))
    }
}

async fn run(cx: ToolContext<'_>, args: Value) -> Result<ToolOutput, ToolError> {
    let ToolContext { machine, call, cancel, capture } = cx;
    let timeout = args::integer(&args, "timeout").unwrap_or(DEFAULT_TIMEOUT);
    if !(1..=MAX_TIMEOUT).contains(&timeout) {
        return Err(ToolError::ForModel(format!(
            "timeout is {timeout} ms; it must lie between 1 and {MAX_TIMEOUT}. Run longer jobs in parts."
        )));
    }
    let command = args::text(&args, "command");
    if command.contains('\0') {
        return Err(ToolError::ForModel("command holds a NUL byte, which no shell can take".to_owned()));
    }
    let session = machine.sandbox().await?;
    let request = Request {
        argv: ["bash", "-c", command].map(ToOwned::to_owned).to_vec(),
        terminal: machine.interactive,
        merged: true,
    };
    let started = Instant::now();
    let disk = session.disk();
    // Not given up half way when the call is cancelled: what has begun must be seen to end.
    let child = session.spawn(request).await.map_err(|error| match error {
        SandboxError::Start(why) => ToolError::ForModel(format!("{}. The user can mend it: {}", why.reason, why.hint)),
        error => ToolError::ForModel(error.to_string()),
    })?;
    let _typing = child.keyboard().map(|keyboard| machine.keyboards.lend(call.clone(), keyboard));
    let deadline = started + Duration::from_millis(timeout as u64);
    let watch = Watch { disk, limits: session.sandbox().limits(), notices: &machine.notices, call: &call };
    let Followed { ending, exit, left } =
        follow(child, capture, deadline, cancel.cancelled(), &watch, session.keeps_jobs()).await;
    Sandbox::reopen(&machine.folders);
    let mut output = told(session.sandbox(), capture, ending, exit, timeout, started.elapsed());
    if let Some(child) = left {
        let job = session.keep(child, call, command.to_owned(), started);
        output.footer = with_job(&output.footer, job);
    }
    Ok(output)
}
