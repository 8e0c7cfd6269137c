//! `okcvm tool`: list the tools, or call one as the model would.

use std::io::{self, Read as _, Write};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::args::{GlobalArgs, ToolCommand};
use super::bootstrap::{Choice, Keys, Setup, runtime};
use super::output;
use super::report::{Failure, Outcome};
use crate::config::NetworkMode;
use crate::protocol::ToolStatus;
use crate::sandbox::LazySandbox;
use crate::support::sanitize;
use crate::tools::{Availability, Needs, ToolRegistry};
use crate::vm::VirtualMachine;

/// Most that is read from standard input as arguments.
const ARGUMENT_LIMIT: u64 = 16 << 20;

/// Runs one of the verbs.
pub fn run(global: &GlobalArgs, command: ToolCommand) -> Outcome {
    let setup = Setup::load(global, Keys::NotNeeded)?;
    match command {
        ToolCommand::List { json } => list(&setup, json),
        ToolCommand::Call { name, arguments, session, json } => {
            call(&setup, &name, &arguments, session.as_deref(), json)
        }
    }
}

fn list(setup: &Setup, as_json: bool) -> Outcome {
    let bundle = setup.bundle()?;
    let registry = ToolRegistry::from_bundle(&bundle).map_err(|error| Failure::from_error(&error))?;
    let sandbox = setup.sandbox();
    let rows: Vec<(String, Option<String>)> = registry
        .rows_with(&Needs { sandbox: &sandbox, python: &setup.python(), online: &setup.online() })
        .into_iter()
        .map(|row| match row.availability {
            Availability::Ready => (row.name, None),
            Availability::Unavailable(reason) => (row.name, Some(reason)),
        })
        .collect();
    let mut out = output::out(as_json);
    if as_json {
        let objects: Vec<Value> = rows
            .iter()
            .map(|(name, reason)| json!({"name": name, "available": reason.is_none(), "reason": reason}))
            .collect();
        writeln!(out, "{}", Value::from(objects))?;
        return Ok(0);
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, reason) in rows {
        let name = sanitize::line(&name);
        match reason {
            None => writeln!(out, "{name:width$}  ready")?,
            Some(reason) => writeln!(out, "{name:width$}  unavailable: {}", sanitize::line(&reason))?,
        }
    }
    Ok(0)
}

fn call(setup: &Setup, name: &str, arguments: &str, session: Option<&str>, as_json: bool) -> Outcome {
    let text = if arguments == "-" {
        let mut text = String::new();
        io::stdin()
            .take(ARGUMENT_LIMIT)
            .read_to_string(&mut text)
            .map_err(|error| Failure::new(format!("cannot read the arguments from standard input: {error}")))?;
        text
    } else {
        arguments.to_owned()
    };
    let arguments: Value = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("the arguments are not JSON: {error}")).hint(
            "Give one object in quotes, such as '{\"command\": \"ls\"}', or `-` and the object on standard input.",
        )
    })?;
    let name = if name.starts_with("mshtools-") { name.to_owned() } else { format!("mshtools-{name}") };

    let choice = match session {
        None => Choice::LatestOrNew,
        Some("new") => Choice::New,
        Some(query) => Choice::Existing(query.to_owned()),
    };
    let sandbox = setup.sandbox();
    warn_unconfined(&sandbox)?;
    let folder = setup.session(&choice)?;
    let session = setup.open(folder, sandbox, "okcvm tool call")?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let mut vm = VirtualMachine::new(session, setup.redactor.clone());
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        // A second Ctrl-C ends the program at once; the sandbox dies with it.
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.cancel();
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
        vm.call_tool_with(&name, &arguments.to_string(), cancel, |_| {}).await
    });
    let outcome = outcome.map_err(|error| Failure::from_error(&error))?;

    let mut out = output::out(as_json);
    if as_json {
        let object = serde_json::to_string(&outcome).map_err(|error| Failure::from_error(&error))?;
        writeln!(out, "{object}")?;
    } else {
        let output = sanitize::text(&outcome.output);
        write!(out, "{output}")?;
        if !output.ends_with('\n') {
            writeln!(out)?;
        }
    }
    Ok(match outcome.status {
        ToolStatus::Ok => 0,
        ToolStatus::Cancelled => 130,
        ToolStatus::Error | ToolStatus::Timeout => 1,
    })
}

/// Says loudly, on standard error, that nothing confines the tools, or that less does than usual.
pub fn warn_unconfined(sandbox: &LazySandbox) -> io::Result<()> {
    if sandbox.is_degraded() {
        writeln!(
            output::err(),
            "warning: DEGRADED SANDBOX (landlock): less is confined than with bubblewrap; `okcvm doctor --sandbox \
             landlock` tells what"
        )?;
    }
    if sandbox.label() == "external" {
        writeln!(output::err(), "warning: okcvm confines nothing (external): tools can do what this container can")?;
    }
    if sandbox.is_confined() && sandbox.network() == NetworkMode::Host {
        writeln!(output::err(), "warning: tools have this machine's own network, services on its loopback included")?;
    }
    if sandbox.label() == "off" {
        writeln!(
            output::err(),
            "warning: NO SANDBOX: tools can read and change everything that your account can, keys included"
        )?;
    }
    Ok(())
}
