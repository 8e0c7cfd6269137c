//! Puts a folder on show as a website.

mod references;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::preview::{CopyError, DeployError, Deployed};
use crate::protocol::Artifact;
use crate::support::clock::{Clock as _, SystemClock, rfc3339};
use crate::support::{sanitize, truncate};
use crate::tools::args;
use crate::tools::dispatch::Machine;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput, blocking};
use crate::workspace::EntryKind;

/// Deploys a folder.
#[derive(Debug)]
pub(super) struct DeployWebsite;

impl Tool for DeployWebsite {
    // It writes no file of the workspace, but what it copies must stand still.
    fn effect(&self) -> ToolEffect {
        ToolEffect::Writes
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let ToolContext { machine, cancel, .. } = cx;
            let (own, wanted, stop) = (machine.clone(), args::text(&args, "local_dir").to_owned(), cancel.clone());
            let (copied, found, shown) = blocking(move || {
                let folder = own.workspace.real(&own.workspace.resolve(&wanted)?)?;
                if own.workspace.metadata(&folder)?.kind != EntryKind::Folder {
                    return Err(ToolError::ForModel(format!(
                        "{} is a file; local_dir is the folder that holds index.html",
                        folder.shown()
                    )));
                }
                let copied = own.deployments.copy(&own.workspace, &folder, &|| stop.is_cancelled()).map_err(told)?;
                let found = references::check(&copied);
                Ok((copied, found, folder.shown().to_owned()))
            })
            .await?;
            if cancel.is_cancelled() {
                return Err(ToolError::Cancelled);
            }
            let time = rfc3339(&SystemClock.now());
            let title = sanitize::line(&found.title);
            let deployed = machine.deployments.deploy(copied, title, time).await.map_err(told)?;
            machine.offer_sites(true).await;
            Ok(output(machine, deployed, &found, shown).await)
        })
    }
}

fn told(error: DeployError) -> ToolError {
    match error {
        DeployError::Copy(CopyError::Stopped) => ToolError::Cancelled,
        DeployError::NoIndex(folder) => ToolError::ForModel(format!(
            "{folder} has no index.html directly in it. Name the folder that holds the first page as index.html."
        )),
        error => ToolError::ForModel(error.to_string()),
    }
}

async fn output(machine: &Machine, deployed: Deployed, found: &references::Found, folder: String) -> ToolOutput {
    let Deployed { deployment, url, again, unchanged, left_out, other_port } = deployed;
    let mut lines = vec![url.clone()];
    let verb = match (again, unchanged) {
        (true, true) => ", deployed again without a change",
        (true, false) => ", deployed again under the address from before",
        (false, _) => "",
    };
    let files = if deployment.files == 1 { "1 file".to_owned() } else { format!("{} files", deployment.files) };
    lines.push(format!("site {}{verb}: {files}, {}", deployment.id, truncate::bytes(deployment.bytes)));
    if !left_out.is_empty() {
        lines.push(format!("Not copied:\n  {}", left_out.join("\n  ")));
    }
    lines.extend(found.notes());
    if let Some(port) = other_port {
        lines.push(format!(
            "Another program holds the usual port of this session, so the address has port {port} for now."
        ));
    }
    if !machine.interactive {
        lines.push(format!(
            "The address is answered until this command ends. Afterwards the user shows the site with: okcvm deploy \
             serve {}",
            deployment.id
        ));
    }
    if let Some(why) = machine.sites_inside().await {
        lines.push(why);
    }
    let mut output = ToolOutput::text(lines.join("\n"));
    let page = Artifact::page(url).made_of(folder);
    output.artifacts.push(if deployment.title.is_empty() { page } else { page.titled(deployment.title) });
    output
}
