//! Pictures of deployed pages for the screen, made by the session's browser in a tab that no tool sees.
//!
//! What the page asks of its own site is answered here, by the very rules of the server and without a word in its log;
//! what it asks of others goes through the session's proxy, as with any page.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HOST};
use tokio::runtime::Handle;
use url::Url;

use super::server::{Preview, answered};
use crate::browser::{Browser, BrowserError, Clip, Give, Given, Program, Scenery, Stage, Surroundings};
use crate::protocol::SiteRequest;

/// The windows in which a page is shown, and what they are called.
pub const WINDOWS: [(&str, (u32, u32)); 2] = [("desktop", (1280, 800)), ("phone", (390, 844))];
/// Bytes of one file that a picture is made of.
const MOST_BYTES: usize = 32 << 20;
/// How good the pictures are: a screen shows a small part of their pixels.
const QUALITY: u8 = 80;

/// JPEG pictures of the page at an address of these sites, one for each of [`WINDOWS`]. Tools that want the browser wait
/// meanwhile; dropped, it is given up.
pub async fn pictures(
    sites: &Preview,
    browser: &Browser,
    program: &Program,
    surroundings: &Surroundings,
    address: &str,
) -> Result<Vec<Vec<u8>>, BrowserError> {
    let refused = |why: &str| BrowserError::Refused(format!("{address} {why}"));
    let page = Url::parse(address).map_err(|_| refused("is no address"))?;
    let mut out = Vec::new();
    for (_, (width, height)) in WINDOWS {
        let scenery = Scenery {
            size: (width, height),
            addresses: vec![format!("{}/*", page.origin().ascii_serialization())],
            give: give(sites.clone(), Handle::current()),
            prelude: String::new(),
        };
        let stage = Stage::open(browser, program, surroundings, scenery).await?;
        // One that never rests is shown as it is by then.
        stage.go(page.as_str()).await?;
        let whole = Clip { x: 0.0, y: 0.0, width: f64::from(width), height: f64::from(height), scale: 1.0 };
        out.push(stage.picture(whole, Some(QUALITY)).await?);
    }
    Ok(out)
}

/// Answers as the server does.
fn give(sites: Preview, runtime: Handle) -> Give {
    Arc::new(move |address| runtime.block_on(given(&sites, address)).unwrap_or_else(nothing))
}

fn nothing() -> Given {
    Given { status: 404, media_type: "text/plain".to_owned(), bytes: Vec::new() }
}

async fn given(sites: &Preview, address: &str) -> Option<Given> {
    let url = Url::parse(address).ok()?;
    let request = Request::get(url.path()).header(HOST, url.authority()).body(Body::empty()).ok()?;
    let mut access = SiteRequest { site: None, method: String::new(), path: String::new(), status: 0 };
    let answer = answered(sites, request, url.path(), &mut access).await;
    let status = answer.status().as_u16();
    let media_type = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let media_type = media_type.to_owned();
    let bytes = axum::body::to_bytes(answer.into_body(), MOST_BYTES).await.ok()?.to_vec();
    Some(Given { status, media_type, bytes })
}
