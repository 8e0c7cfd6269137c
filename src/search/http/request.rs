//! What is asked of a provider, and what it answers.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

/// A request that is being made.
pub(in crate::search) struct Request {
    pub(in crate::search) method: Method,
    /// Below the base.
    pub(in crate::search) path: &'static str,
    pub(in crate::search) query: Vec<(&'static str, String)>,
    /// The header that carries the key, and what stands before it.
    pub(in crate::search) key: Option<(&'static str, &'static str)>,
    pub(in crate::search) body: Option<Body>,
    pub(in crate::search) accept: &'static str,
    /// Says that it comes from a page of the same site.
    pub(in crate::search) from_own_page: bool,
}

/// What a request carries.
pub(in crate::search) enum Body {
    Json(Value),
    Form(Vec<(&'static str, String)>),
}

impl Request {
    /// Fetches JSON.
    pub(in crate::search) fn get(path: &'static str, query: Vec<(&'static str, String)>) -> Self {
        let accept = "application/json";
        Self { method: Method::GET, path, query, key: None, body: None, accept, from_own_page: false }
    }

    /// Sends JSON and wants some back.
    pub(in crate::search) fn post(path: &'static str, body: Value) -> Self {
        Self { method: Method::POST, body: Some(Body::Json(body)), ..Self::get(path, Vec::new()) }
    }

    /// With the key in this header, after these words.
    pub(in crate::search) fn with_key(self, header: &'static str, before: &'static str) -> Self {
        Self { key: Some((header, before)), ..self }
    }
}

/// What was answered.
pub(in crate::search) struct Answer {
    pub(in crate::search) status: StatusCode,
    pub(in crate::search) headers: HeaderMap,
    pub(in crate::search) body: Vec<u8>,
    /// Where it was asked.
    pub(super) url: Url,
    /// Whether a key would have gone along.
    pub(super) takes_key: bool,
}
