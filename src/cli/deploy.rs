//! `okcvm deploy`: list, serve and remove deployed websites.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;
use serde_json::{Value, json};

use super::args::{DeployCommand, GlobalArgs};
use super::bootstrap::{Keys, Setup, runtime};
use super::output;
use super::report::{Failure, Outcome, notes};
use crate::preview::{Deployments, DeploymentsPlace, Shelf, Shelved};
use crate::protocol::{DEPLOYMENTS, DeploymentsFile};
use crate::session::{self, SessionFolder};
use crate::support::{clock, sanitize, truncate};
use crate::vm::VirtualMachine;

/// How often a server looks whether a site was deployed again.
const LOOK: Duration = Duration::from_secs(1);

/// Runs one of the verbs.
pub fn run(global: &GlobalArgs, command: DeployCommand) -> Outcome {
    let setup = Setup::load(global, Keys::NotNeeded)?;
    match command {
        DeployCommand::List { json } => list(&setup, json),
        DeployCommand::Serve { id } => serve(&setup, id.as_deref()),
        DeployCommand::Remove { id } => remove(&setup, &id),
    }
}

/// The session of a deployment, where it is still there.
fn session_of(setup: &Setup, shelved: &Shelved) -> Option<SessionFolder> {
    session::find(&setup.loaded.paths.sessions_dir, &shelved.session).ok()
}

fn list(setup: &Setup, as_json: bool) -> Outcome {
    let shelf = Shelf::new(setup.shelf_folder());
    let all = shelf.all();
    let mut out = output::out(as_json);
    if as_json {
        let objects: Vec<Value> = all
            .iter()
            .map(|shelved| {
                let Shelved { session, deployment } = shelved;
                json!({
                    "id": deployment.id,
                    "title": deployment.title,
                    "session": session,
                    "folder": deployment.folder,
                    "files": deployment.files,
                    "bytes": deployment.bytes,
                    "time": deployment.time,
                    "port": session_of(setup, shelved).and_then(|session| session.meta().port),
                    "host_path": shelf.site(deployment),
                })
            })
            .collect();
        writeln!(out, "{}", Value::from(objects))?;
        return Ok(0);
    }
    if all.is_empty() {
        writeln!(out, "Nothing is deployed. A session deploys with mshtools-deploy_website.")?;
        return Ok(0);
    }
    let now = Zoned::now();
    for Shelved { session, deployment } in &all {
        let age = clock::parse_rfc3339(&deployment.time).map_or_else(String::new, |time| clock::ago(&time, &now));
        let name = if deployment.title.is_empty() { &deployment.folder } else { &deployment.title };
        let name = truncate::cells(&sanitize::line(name), 40, "…");
        let size = truncate::bytes(deployment.bytes);
        writeln!(out, "{}  {age:>10}  {size:>10}  {}  {name}", deployment.id, sanitize::line(session))?;
    }
    writeln!(out, "`okcvm deploy serve` shows them.")?;
    Ok(0)
}

/// Sites by the session whose they are.
type BySession = BTreeMap<String, Vec<crate::protocol::Deployment>>;

fn chosen(setup: &Setup, id: Option<&str>) -> Result<BySession, Failure> {
    let mut all = Shelf::new(setup.shelf_folder()).all();
    if let Some(id) = id {
        all.retain(|shelved| shelved.deployment.id == id);
    }
    if all.is_empty() {
        let what = id.map_or_else(|| "nothing is deployed".to_owned(), |id| format!("there is no website {id:?}"));
        return Err(Failure::new(what).hint("`okcvm deploy list` shows what is there."));
    }
    let mut sessions = BySession::new();
    for Shelved { session, deployment } in all {
        sessions.entry(session).or_default().push(deployment);
    }
    Ok(sessions)
}

fn serve(setup: &Setup, id: Option<&str>) -> Outcome {
    let mut sessions = chosen(setup, id)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut out = output::out(false);
        let mut servers = Vec::new();
        for (session, deployments) in &sessions {
            let had =
                session::find(&setup.loaded.paths.sessions_dir, session).ok().and_then(|session| session.meta().port);
            let place = DeploymentsPlace {
                port: had,
                base_url: setup.loaded.config.workspace.preview_base_url.clone(),
                ..DeploymentsPlace::new(setup.shelf_folder(), session)
            };
            let server = Deployments::new(place, Arc::new(|_| {}));
            show(&server, deployments).await?;
            if let (Some(had), Some(port)) = (had, server.port())
                && had != port
            {
                let mut err = output::err();
                writeln!(err, "note: port {had} of {session} is taken, perhaps by okcvm itself; this is port {port}")?;
            }
            for deployment in deployments {
                let name = if deployment.title.is_empty() { &deployment.folder } else { &deployment.title };
                let url = server.url(deployment).unwrap_or_default();
                writeln!(out, "{}  {url}  {}", deployment.id, truncate::cells(&sanitize::line(name), 40, "…"))?;
            }
            servers.push(server);
        }
        writeln!(out, "Ctrl-C ends it.")?;
        out.flush()?;
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return Ok(130),
                _ = look.tick() => {}
            }
            // What was deployed again since is shown as it is now. What is gone is shown no more.
            let now = chosen(setup, id).unwrap_or_default();
            for ((session, before), server) in sessions.iter_mut().zip(&servers) {
                let deployments = now.get(session).cloned().unwrap_or_default();
                if deployments != *before {
                    show(server, &deployments).await?;
                    *before = deployments;
                }
            }
        }
    })
}

async fn show(server: &Deployments, deployments: &[crate::protocol::Deployment]) -> Result<(), Failure> {
    server.load(&[(DEPLOYMENTS.to_owned(), DeploymentsFile::bytes(deployments.to_vec()))]);
    let told = server.refresh().await.map_err(|error| Failure::from_error(&error))?;
    Ok(notes(&told, &mut output::err())?)
}

fn remove(setup: &Setup, id: &str) -> Outcome {
    let shelf = Shelf::new(setup.shelf_folder());
    let shelved = shelf.get(id).ok_or_else(|| {
        Failure::new(format!("there is no website {id:?}")).hint("`okcvm deploy list` shows what is there.")
    })?;
    // The session forgets it too, or the next start would bring it back.
    if let Some(folder) = session_of(setup, &shelved) {
        let session = setup.open(folder, setup.sandbox(), "okcvm deploy remove")?;
        let mut machine = VirtualMachine::new(session, setup.redactor.clone());
        machine.remove_site(id).map_err(|error| Failure::from_error(&error))?;
    }
    shelf.remove(id).map_err(|error| Failure::new(format!("the copy of {id} was not removed: {error}")))?;
    writeln!(
        output::out(false),
        "removed {id}; {} stays in the workspace",
        sanitize::line(&shelved.deployment.folder)
    )?;
    Ok(0)
}
