//! A folder of the workspace that was put on show as a website.

use serde::{Deserialize, Serialize};

/// The name of the file in `node/state/` that lists a session's deployments.
pub const DEPLOYMENTS: &str = "deployments.json";

/// One deployed website. With its `id` and `content` it is the same wherever the session goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Six decimal digits, unique on this machine.
    pub id: String,
    /// The part of its address that nobody can guess: 32 hexadecimal digits.
    pub token: String,
    /// The folder that was copied, below the mount.
    pub folder: String,
    /// The title of its first page, where that has one.
    #[serde(default)]
    pub title: String,
    /// What was copied: a hash over the names of all files and the hashes of their contents, in hexadecimal digits.
    pub content: String,
    /// How many files were copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When, RFC 3339.
    pub time: String,
}

/// What stands in that file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentsFile {
    /// The version of its form, 1.
    pub version: u32,
    /// The deployments, oldest first.
    pub deployments: Vec<Deployment>,
}

impl Deployment {
    /// Whether it is what okcvm writes: a state may come from another machine, and ids and hashes become names of files.
    pub fn is_sound(&self) -> bool {
        let hexadecimal = |text: &str, digits| {
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let inside = !self.folder.starts_with('/') && self.folder.split('/').all(|part| part != "..");
        is_site_id(&self.id) && hexadecimal(&self.token, 32) && hexadecimal(&self.content, 64) && inside
    }
}

/// Whether a text is the id of a deployment: six decimal digits.
pub fn is_site_id(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl DeploymentsFile {
    /// The deployments in the state of a node; none where there is no such file or it cannot be read. What okcvm would not
    /// write is left out.
    pub fn of(state: &[(String, Vec<u8>)]) -> Vec<Deployment> {
        let bytes = state.iter().find(|(name, _)| name == DEPLOYMENTS).map(|(_, bytes)| bytes);
        let file = bytes.and_then(|bytes| serde_json::from_slice::<Self>(bytes).ok());
        let mut deployments = file.map(|file| file.deployments).unwrap_or_default();
        deployments.retain(Deployment::is_sound);
        deployments
    }

    /// The bytes of a file with these deployments.
    pub fn bytes(deployments: Vec<Deployment>) -> Vec<u8> {
        // A list of texts and numbers always serializes.
        serde_json::to_vec_pretty(&Self { version: 1, deployments }).unwrap_or_default()
    }
}

/// A website that is served now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedSite {
    /// Its six digits.
    pub id: String,
    /// Its title; empty where it has none.
    pub title: String,
    /// Where it is to be seen.
    pub url: String,
}

/// One request that the server of a session's websites has answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRequest {
    /// The six digits of the site; none where the request named none that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The method, such as `GET`.
    pub method: String,
    /// The path within the site, as it came.
    pub path: String,
    /// HTTP status of the answer.
    pub status: u16,
}
