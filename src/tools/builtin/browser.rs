//! The seven browser tools: one call is one action on one page, and its answer is the state of that page afterwards.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::browser::{Action, BrowserError, LazyProgram, Place, Seen, Surroundings};
use crate::config::schema::NetworkMode;
use crate::protocol::{Artifact, ArtifactKind, ImageData, ToolStatus};
use crate::support::{sanitize, truncate};
use crate::tools::args;
use crate::tools::dispatch::Machine;
use crate::tools::tool::{Tool, ToolContext, ToolEffect, ToolError, ToolOutput};

/// Characters of an address.
const MOST_URL: usize = 8_000;
/// Bytes of a page's words that are told.
const MOST_TEXT: usize = 16_000;
/// Bytes of the list of elements.
const MOST_LIST: usize = 12_000;
/// What stands before the words of a page.
const WORDS_OF_PAGE: &str = "From here on, what the page itself shows:";
/// Pixels of one scroll.
const MOST_SCROLL: i64 = 1_000_000;

/// One of the seven.
#[derive(Debug)]
pub(super) enum BrowserTool {
    Visit,
    State,
    Click,
    Input,
    Find,
    ScrollDown,
    ScrollUp,
}

impl Tool for BrowserTool {
    fn effect(&self) -> ToolEffect {
        // Downloads land in the workspace, and calls on one page follow each other.
        ToolEffect::Writes
    }

    fn needs_sandbox(&self) -> bool {
        true
    }

    fn told(&self, browser: &LazyProgram) -> Option<String> {
        // The other tools need a page that this one has opened.
        let missing = matches!(self, Self::Visit).then(|| browser.get().err()).flatten()?;
        Some(format!(
            "There is no browser here ({missing}): pages are fetched over plain HTTP. Links and forms work as described; scripts do \
             not run, frames are links, and there is no picture of the page."
        ))
    }

    fn run<'a>(&'a self, cx: ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolOutput, ToolError>> {
        Box::pin(self.call(cx, args))
    }
}

impl BrowserTool {
    async fn call(&self, cx: ToolContext<'_>, args: Value) -> Result<ToolOutput, ToolError> {
        let ToolContext { machine, cancel, .. } = cx;
        let action = self.action(&args)?;
        let place = if matches!(self, Self::State) { Place::Latest } else { place(&args)? };
        let surroundings = machine.surroundings().await?;
        let is_off = surroundings.sandbox.network_mode() == NetworkMode::Off;
        let call = machine.browser.call(machine.browser_program.get(), &surroundings, place, action);
        let seen = cancel.run_until_cancelled(call).await.ok_or(ToolError::Cancelled)?;
        let seen = seen.map_err(|error| match error {
            BrowserError::Start(_) => {
                let hint = "ask the user to run `okcvm doctor`, which tells what is wrong with it";
                ToolError::ForModel(format!("{error}; {hint}"))
            }
            BrowserError::NotLoaded(_) if is_off => {
                let off = "the tools have no network now, and reach the session's own localhost only; the user can change that \
                           with /net or --network";
                ToolError::ForModel(format!("{}\n{off}", sanitize::text(&error.to_string())))
            }
            error => ToolError::ForModel(sanitize::text(&error.to_string())),
        })?;
        Ok(output(seen, machine))
    }

    fn action(&self, args: &Value) -> Result<Action, ToolError> {
        let whole = |name: &str| args.get(name).and_then(Value::as_i64).unwrap_or_default();
        let pixels = || {
            let pixels = whole("scroll_amount");
            if (1..=MOST_SCROLL).contains(&pixels) {
                Ok(pixels)
            } else {
                Err(ToolError::ForModel(format!("scroll_amount must be from 1 to {MOST_SCROLL} pixels, not {pixels}")))
            }
        };
        Ok(match self {
            Self::Visit => Action::Visit,
            Self::State => Action::Look,
            Self::Click => Action::Click(whole("element_index")),
            Self::Input => Action::Input(whole("element_index"), args::text(args, "content").to_owned()),
            Self::Find => {
                let keyword = args::text(args, "keyword");
                if keyword.trim().is_empty() {
                    return Err(ToolError::ForModel("keyword is empty: give the words to find".to_owned()));
                }
                let skip = whole("skip");
                let skip = usize::try_from(skip)
                    .map_err(|_| ToolError::ForModel(format!("skip must be 0 or more, not {skip}")))?;
                Action::Find(keyword.to_owned(), skip)
            }
            Self::ScrollDown => Action::Scroll(pixels()?),
            Self::ScrollUp => Action::Scroll(-pixels()?),
        })
    }
}

/// Which page is meant: an address wins over a number.
fn place(args: &Value) -> Result<Place, ToolError> {
    let url = args::text(args, "url");
    let url = url.trim();
    if url.is_empty() {
        let id = args.get("citation_id").and_then(Value::as_i64).unwrap_or_default();
        // A number below zero names no page, and neither does this one.
        return Ok(Place::Id(u32::try_from(id).unwrap_or(u32::MAX)));
    }
    address(url).map(Place::Url).map_err(ToolError::ForModel)
}

/// An address as the browser writes it.
fn address(text: &str) -> Result<String, String> {
    let shown = sanitize::line(crate::support::truncate::prefix(text, 200));
    if text.len() > MOST_URL {
        return Err(format!("the address has {} bytes; at most {MOST_URL} are taken", text.len()));
    }
    // A name without a scheme is what people type.
    let with_scheme = match text.split_once(':') {
        Some((scheme, rest)) if !scheme.contains(['.', '[']) && !rest.starts_with(|c: char| c.is_ascii_digit()) => {
            text.to_owned()
        }
        _ => format!("{}://{text}", if is_near(text) { "http" } else { "https" }),
    };
    let parsed =
        reqwest::Url::parse(&with_scheme).map_err(|error| format!("{shown:?} is no valid address: {error}"))?;
    match parsed.scheme() {
        "http" | "https" if parsed.host_str().is_some() => Ok(parsed.into()),
        "file" => Err(format!(
            "{shown:?} is a file: the browser opens http:// and https:// only. Read it with mshtools-read_file, or serve its folder \
             with a web server in the shell and visit that"
        )),
        scheme => Err(format!("{shown:?} has the scheme {scheme}: the browser opens http:// and https:// only")),
    }
}

/// Whether an address without a scheme is that of a server of the session's own, which rarely has a certificate.
fn is_near(text: &str) -> bool {
    let place = text.split(['/', '?', '#']).next().unwrap_or_default();
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
    let loopback = host.trim_matches(['[', ']']).parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    loopback || host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

/// An address as a part of one line: pages make them as long as they like.
fn short(url: &str) -> String {
    let line = sanitize::line(url);
    let cut = truncate::prefix(&line, 1_000);
    if cut.len() < line.len() { format!("{cut}…") } else { line }
}

/// The state of a page as the model reads it.
fn output(seen: Seen, machine: &Machine) -> ToolOutput {
    let mut text = String::new();
    let refused = seen.refused.as_deref().map(sanitize::text);
    if let Some(refused) = &refused {
        let _ = writeln!(text, "Error: {refused}");
    }
    for line in seen.done.iter().chain(&seen.notices) {
        let _ = writeln!(text, "* {}", sanitize::text(line));
    }
    for path in &seen.downloads {
        let _ = writeln!(text, "* downloaded {}", sanitize::line(path));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let title = if seen.title.is_empty() { "(without a title)".to_owned() } else { sanitize::line(&seen.title) };
    let _ = writeln!(text, "Page [{}]: {title}\n{}", seen.id, short(&seen.url));
    if let Some(status) = seen.status.filter(|status| *status >= 400) {
        let _ = writeln!(text, "The server answered with status {status}.");
    }
    let (top, window, whole) = seen.scrolled;
    if whole > window + 1.0 {
        let end = (top + window).min(whole);
        let _ = writeln!(text, "Pixels {top:.0} to {end:.0} of {whole:.0} are seen.");
    }
    if seen.elements.is_empty() {
        text.push_str("\nNothing here can be clicked or filled in.\n");
    } else {
        text.push_str("\nElements:\n");
        let end = text.len() + MOST_LIST;
        for (index, element) in seen.elements.iter().enumerate() {
            if text.len() > end {
                let left = seen.elements.len() - index;
                let _ = writeln!(text, "({left} more; scroll, or find words near the one that you want)");
                break;
            }
            let _ = writeln!(text, "[{index}] {}", sanitize::line(element));
        }
    }
    let (above, below, beside) = seen.elsewhere;
    let places = [(above, "above"), (below, "below"), (beside, "beside or under others")];
    let more: Vec<String> =
        places.iter().filter(|(count, _)| *count > 0).map(|(count, place)| format!("{count} {place}")).collect();
    if !more.is_empty() {
        let _ = writeln!(text, "Further elements outside of the window: {}.", more.join(", "));
    }
    if !seen.others.is_empty() {
        text.push_str("\nOther open pages:\n");
        for (id, url, title) in &seen.others {
            let _ = writeln!(text, "[{id}] {} {}", short(url), sanitize::line(title));
        }
    }
    // Last, and so nothing of the page can pass for one of the lines above.
    let shown = sanitize::text(seen.markdown.trim_end());
    let cut = truncate::prefix(&shown, MOST_TEXT);
    if !cut.trim().is_empty() {
        let _ = write!(text, "\n{WORDS_OF_PAGE}\n{cut}\n");
        if cut.len() < shown.len() {
            text.push_str("(more is in the window than is told here; find words, or scroll by less)\n");
        }
    }
    let images =
        seen.picture.into_iter().map(|base64| ImageData { media_type: "image/jpeg".to_owned(), base64, path: None });
    let files = seen.downloads.iter().map(|path| {
        let host = machine.workspace.resolve(path).ok().map(|path| machine.workspace.host_path().join(path.relative()));
        Artifact::at(ArtifactKind::File, path).on_host(host)
    });
    ToolOutput {
        status: if refused.is_some() { ToolStatus::Error } else { ToolStatus::Ok },
        images: images.filter(|image| BASE64_STANDARD.decode(&image.base64).is_ok()).collect(),
        artifacts: files.collect(),
        bounded: true,
        ..ToolOutput::text(text.trim_end().to_owned())
    }
}

impl Machine {
    /// What the browser needs of the session.
    pub(in crate::tools) async fn surroundings(&self) -> Result<Surroundings, ToolError> {
        Ok(Surroundings {
            sandbox: self.sandbox().await?,
            folders: self.folders.clone(),
            network: self.network.clone(),
            workspace: self.workspace.clone(),
            decoder: self.decoder(),
            citations: self.state.citations.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_web() {
        assert_eq!(address("http://a.test"), Ok("http://a.test/".to_owned()));
        assert_eq!(address("example.com/x"), Ok("https://example.com/x".to_owned()));
        assert_eq!(address("localhost:8000"), Ok("http://localhost:8000/".to_owned()));
        assert_eq!(address("127.0.0.1:80/x?y"), Ok("http://127.0.0.1/x?y".to_owned()));
        assert_eq!(address("[::1]:8000"), Ok("http://[::1]:8000/".to_owned()));
        assert_eq!(address("app.localhost"), Ok("http://app.localhost/".to_owned()));
        assert_eq!(address("localhost.example.com:1"), Ok("https://localhost.example.com:1/".to_owned()));
        for wrong in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "chrome://version",
            "data:text/html,x",
            "http://",
            "about:blank",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
        assert!(address(&format!("http://a/{}", "x".repeat(9_000))).is_err());
    }
}
