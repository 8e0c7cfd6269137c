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
        for deployment in &deployments {
            let Deployment { id, content, .. } = deployment;
            let same = |other: &Deployment| other.id == *id && other.content == *content;
            let node = known.iter().find(|(node, list)| list.iter().any(same) && self.store.has_site(node, id));
            let site = match node {
                Some((node, _)) => Some(Site::Node((*node).clone())),
                None => self.copy_of(deployment).map(Site::Folder),
            };
            if let Some(site) = site {
                sites.push((id.clone(), site));
            } else {
                tracing::warn!(%id, "the files of a deployed website are gone or changed; the node is without");
            }
        }
        sites
    }

    /// The copy of a deployment, if its files are those that were deployed: what a node holds must be what it says.
    fn copy_of(&self, deployment: &Deployment) -> Option<PathBuf> {
        let site = self.shelf.site(deployment)?;
        let ours = self.shelf.holds(self.folder.id().as_str(), deployment);
        (ours && Contents::read(&site).is_ok_and(|contents| contents.hash() == deployment.content)).then_some(site)
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
        if self.shelf.is_of_another(session, &deployment.id) {
            return Err("another session has a website under this number".to_owned());
        }
        let head = self.store.head().ok_or("there is no snapshot")?;
        let new = self.shelf.begin().map_err(text)?;
        self.store.write_site(head, &deployment.id, new.site()).map_err(|error| error.to_string())?;
        let contents = Contents::read(new.site()).map_err(|error| error.to_string())?;
        if contents.hash() != deployment.content {
            return Err(format!("its files in snapshot {} are others", head.short()));
        }
        let mut shelved = Shelved { session: session.to_owned(), deployment: deployment.clone() };
        self.shelf.keep(&new, &mut shelved).map_err(text)?;
        self.shelf.forget_others(deployment);
        Ok(())
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
