//! Deployed pages for the screen: what stands in them now, and how they look.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use super::dispatch::Toolbox;
use super::tool::ToolError;
use crate::preview::thumbnail;
use crate::protocol::Deployment;

/// How long pictures of a page may take, the start of a browser included.
const LIMIT: Duration = Duration::from_secs(90);

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
    /// JPEG pictures of a page, one for each of [`thumbnail::WINDOWS`]. Dropped, they are given up; the error is a part of
    /// a sentence. Blocks while a browser is looked for.
    pub async fn page_pictures(&self, page: &DeployedPage) -> Result<Vec<Vec<u8>>, String> {
        let machine = &self.machine;
        let program = machine.browser_program.get().map_err(ToString::to_string)?;
        let surroundings = machine.surroundings().await.map_err(words)?;
        let sites = machine.deployments.preview();
        let made = thumbnail::pictures(sites, &machine.browser, program, &surroundings, &page.url);
        match tokio::time::timeout(LIMIT, made).await {
            Ok(made) => made.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the page was not painted within {} s", LIMIT.as_secs())),
        }
    }
}

fn words(error: ToolError) -> String {
    match error {
        ToolError::ForModel(why) | ToolError::Fatal(why) => why,
        ToolError::Cancelled => "it was cancelled".to_owned(),
    }
}
