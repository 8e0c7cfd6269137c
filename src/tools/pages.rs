//! Deployed pages for the screen: what stands in them now.

use std::fs::File;
use std::path::PathBuf;

use super::dispatch::Toolbox;
use crate::protocol::Deployment;

/// A page of the session's own that is answered now.
#[derive(Debug, Clone)]
pub struct DeployedPage {
    /// Where it is answered.
    pub url: String,
    /// What was deployed.
    pub deployment: Deployment,
    index: PathBuf,
}

impl DeployedPage {
    /// Its first page.
    pub fn open_index(&self) -> std::io::Result<File> {
        File::open(&self.index)
    }
}

impl Toolbox {
    /// The page at an address that a tool told once; none where it is not deployed now. Nothing else is ever asked for.
    pub fn deployed_page(&self, told: &str) -> Option<DeployedPage> {
        let deployments = self.deployments();
        let named = |deployment: &Deployment| told.contains(&format!("/{}-{}/", deployment.id, deployment.token));
        let deployment = deployments.list().into_iter().find(named)?;
        let (url, site) = (deployments.url(&deployment)?, deployments.site(&deployment)?);
        Some(DeployedPage { url, index: site.join("index.html"), deployment })
    }
}
