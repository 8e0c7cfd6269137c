//! The files of a deck: the page itself, and what of the workspace it refers to. Everything else is not there.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::browser::Given;
use crate::workspace::{ConfinedPath, Workspace};

/// A name that no server has: only okcvm answers for it.
const HOST: &str = "slides.okcvm.invalid";
/// Bytes of one file.
const MOST_FILE: u64 = 40 << 20;

/// The files of one deck.
#[derive(Debug)]
pub(super) struct Files {
    workspace: Workspace,
    folder: ConfinedPath,
    html: String,
    page: Url,
}

impl Files {
    /// For a page that lies in this folder.
    pub(super) fn new(workspace: Workspace, folder: ConfinedPath, html: &str) -> Option<Self> {
        let mut page = Url::parse(&format!("http://{HOST}/")).ok()?;
        // A name that no file of the deck has.
        page.set_path(&format!("{}/.okcvm-slides", folder.shown()));
        // Addresses of files are not for pages of a server; paths are.
        let mut html = html.to_owned();
        for root in [workspace.mount(), crate::workspace::confine::ALIAS] {
            html = html.replace(&format!("file://{root}"), root);
        }
        Some(Self { workspace, folder, html, page })
    }

    /// Where the page is.
    pub(super) fn page(&self) -> &str {
        self.page.as_str()
    }

    /// The address under which all of it is.
    pub(super) fn pattern() -> String {
        format!("*://{HOST}/*")
    }

    /// What lies at an address.
    pub(super) fn give(&self, address: &str) -> Given {
        let missing = Given { status: 404, media_type: "text/plain".to_owned(), bytes: Vec::new() };
        let Ok(url) = Url::parse(address) else { return missing };
        if url.host_str() != Some(HOST) {
            // Tailwind comes with okcvm.
            let sheet = url.path().rsplit('.').next() == Some("css");
            let media_type = if sheet { "text/css" } else { "text/javascript" }.to_owned();
            return Given { status: 200, media_type, bytes: Vec::new() };
        }
        if url.path() == self.page.path() {
            let bytes = self.html.clone().into_bytes();
            return Given { status: 200, media_type: "text/html; charset=utf-8".to_owned(), bytes };
        }
        match self.read_path(url.path()) {
            Some(bytes) => Given { status: 200, media_type: media_type(url.path()).to_owned(), bytes },
            // Browsers ask for it of themselves.
            None if url.path() == "/favicon.ico" => Given { status: 204, ..missing },
            None => missing,
        }
    }

    /// The bytes of a picture that the deck names: a file of the workspace, or data.
    pub(super) fn picture(&self, source: &str) -> Option<Vec<u8>> {
        if let Some(data) = source.strip_prefix("data:") {
            let (head, body) = data.split_once(',')?;
            return if head.ends_with(";base64") {
                let plain: Vec<u8> = percent_decode_str(body).filter(|byte| !byte.is_ascii_whitespace()).collect();
                BASE64_STANDARD.decode(plain).ok()
            } else {
                Some(percent_decode_str(body).collect())
            };
        }
        let url = self.page.join(source).ok()?;
        if url.host_str() == Some(HOST) { self.read_path(url.path()) } else { None }
    }

    /// A file by the path of its address: under the mount, in the page's folder, or in the workspace.
    fn read_path(&self, path: &str) -> Option<Vec<u8>> {
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let rest = path.trim_start_matches('/');
        let near = format!("{}/{rest}", self.folder.shown());
        [path.as_ref(), near.as_str(), rest].into_iter().find_map(|path| {
            let path = self.workspace.resolve(path).ok()?;
            self.workspace.read(&path, MOST_FILE).ok()
        })
    }

    /// An address as it is told: the path of a file of the workspace, and others whole.
    pub(super) fn shown(address: &str) -> String {
        match Url::parse(address) {
            Ok(url) if url.host_str() == Some(HOST) => percent_decode_str(url.path()).decode_utf8_lossy().into_owned(),
            _ => address.chars().take(200).collect(),
        }
    }
}

fn media_type(path: &str) -> &'static str {
    let extension = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "bmp" => "image/bmp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "csv" | "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
