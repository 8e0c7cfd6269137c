//! Deployed websites in the ledger: their files go into the nodes, and the copies that are served follow the head.

use std::path::PathBuf;

use super::checkpoint::{Ledger, State};
use crate::preview::{Contents, Shelved};
use crate::protocol::{Deployment, DeploymentsFile, NodeId};
use crate::session::SessionFolder;
use crate::snapshot::Site;

/// The folder of all copies: the one that is named, or one among the sessions.
pub(super) fn folder_of_copies(session: &SessionFolder, named: Option<PathBuf>) -> PathBuf {
    named.unwrap_or_else(|| session.root().parent().unwrap_or(session.root()).join("deployments"))
}

impl Ledger {
    /// Where the files of the deployments in this state are: in one of these nodes, or in the copy that is served.
    pub(super) fn sites(&self, state: &State, near: &[&NodeId]) -> Vec<(String, Site)> {
        let deployments = DeploymentsFile::of(state);
        if deployments.is_empty() {
            return Vec::new();
        }
        let known: Vec<(&NodeId, Vec<Deployment>)> = near
            .iter()
            .map(|node| (*node, self.store.state(node).map(|state| DeploymentsFile::of(&state)).unwrap_or_default()))
            .collect();
        let mut sites = Vec::new();
        for Deployment { id, content, .. } in &deployments {
            let same = |other: &Deployment| other.id == *id && other.content == *content;
            let node = known.iter().find(|(node, list)| list.iter().any(same) && self.store.has_site(node, id));
            let site = match node {
                Some((node, _)) => Site::Node((*node).clone()),
                None => Site::Folder(self.shelf.site(id)),
            };
            sites.push((id.clone(), site));
        }
        sites
    }

    /// Makes the copies that are served those of this state, with the files that the head holds. What cannot be
    /// brought back is told; nothing else depends on it.
    pub(super) fn follow_sites(&self, state: &State) -> Vec<String> {
        let deployments = DeploymentsFile::of(state);
        let session = self.folder.id().to_string();
        let ids: Vec<&str> = deployments.iter().map(|deployment| deployment.id.as_str()).collect();
        self.shelf.keep_only(&session, &ids);
        let mut warnings = Vec::new();
        for deployment in deployments.iter().filter(|deployment| !self.shelf.holds(&session, deployment)) {
            if let Err(why) = self.bring_back(&session, deployment) {
                warnings.push(format!(
                    "The website {} of {} is not served: {why}. Deploying the folder again makes a new copy.",
                    deployment.id, deployment.folder
                ));
            }
        }
        warnings
    }

    fn bring_back(&self, session: &str, deployment: &Deployment) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        let others = self.shelf.get(&deployment.id).is_some_and(|found| found.session != session);
        if others {
            return Err("another session has a website under this number".to_owned());
        }
        let head = self.store.head().ok_or("there is no snapshot")?;
        let new = self.shelf.begin().map_err(text)?;
        self.store.write_site(head, &deployment.id, &new.site()).map_err(|error| error.to_string())?;
        let contents = Contents::read(&new.site()).map_err(|error| error.to_string())?;
        if contents.hash() != deployment.content {
            return Err(format!("its files in snapshot {} are others", head.short()));
        }
        let shelved = Shelved { session: session.to_owned(), deployment: deployment.clone() };
        self.shelf.keep(&new, &shelved).map_err(text)
    }

    /// Remembers the port of the session's websites, once it has one.
    pub(super) fn keep_port(&mut self, port: Option<u16>) {
        if port.is_some()
            && self.folder.meta().port.is_none()
            && let Err(error) = self.folder.set_port(port)
        {
            // The same port is tried first without it.
            tracing::warn!(%error, "the port of the session's websites was not written down");
        }
    }
}
