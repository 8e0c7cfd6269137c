//! Pictures, speech and sounds against servers of the shapes that their endpoints have: what is asked, how answers are
//! read, and what is said when they are not what they should be.

mod picture;
mod sound;
mod voices;

use std::path::Path;
use std::time::{Duration, Instant};

use okcvm::config::schema::{DataSection, Endpoint, MediaSection, SandboxBackend, SandboxSection, SearchSection};
use okcvm::protocol::{CallId, ToolCall, ToolStatus};
use okcvm::support::secret::Secret;
use okcvm::tools::{CallContext, Finished, Online};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::machine::{self, Machine};
use crate::support::site::{Answer, Asked, Site};

const KEY: &str = "key-of-the-user-4711";

fn endpoint(site: &Site, path: &str, model: &str) -> Endpoint {
    Endpoint {
        model: model.to_owned(),
        base_url: format!("http://{}{path}", site.address),
        api_key: Some(Secret::new(KEY)),
        supports_streaming: true,
        connect_timeout_secs: 5,
        idle_timeout_secs: 20,
        max_retries: 1,
        context_window: None,
        vision: true,
    }
}

/// A machine without a sandbox whose media are these.
fn machine_of(folder: &Path, media: &MediaSection) -> Machine {
    let section = SandboxSection { backend: SandboxBackend::Off, ..SandboxSection::default() };
    let sandbox = machine::choose(&section, &folder.join("cache")).expect("none is needed");
    Machine::online(folder, &sandbox, Online::new(&SearchSection::default(), &DataSection::default(), media))
}

/// A call, and what was shown while it ran.
async fn watched(machine: &Machine, tool: &str, arguments: Value) -> (Finished, String) {
    let (output, mut shown) = mpsc::unbounded_channel();
    let call =
        ToolCall { id: CallId("1".to_owned()), name: format!("mshtools-{tool}"), arguments: arguments.to_string() };
    let ran = machine.toolbox.call(&call, CallContext { cancel: CancellationToken::new(), output }).await;
    let mut text = String::new();
    while let Ok(piece) = shown.try_recv() {
        text.push_str(&piece);
    }
    (ran, text)
}

/// A call that is stopped as soon as a server has heard of it ends at once.
async fn stops(machine: Machine, site: &Site, tool: &'static str, arguments: Value) {
    let cancel = CancellationToken::new();
    let (token, before) = (cancel.clone(), site.asked().len());
    let running = tokio::spawn(async move { machine.call_until(tool, arguments, token).await });
    let end = Instant::now() + Duration::from_secs(20);
    while site.asked().len() == before {
        assert!(Instant::now() < end, "nothing was asked");
        tokio::task::yield_now().await;
    }
    cancel.cancel();
    let ran = tokio::time::timeout(Duration::from_secs(1), running).await.expect("at once").expect("the call ended");
    assert_eq!(ran.status, ToolStatus::Cancelled, "{}", ran.output);
}

fn ok(ran: &Finished) -> &str {
    assert_eq!(ran.status, ToolStatus::Ok, "{}", ran.output);
    &ran.output
}

fn wrong(ran: &Finished) -> &str {
    assert_eq!(ran.status, ToolStatus::Error, "{}", ran.output);
    assert!(!ran.output.contains(KEY), "the key came out: {}", ran.output);
    &ran.output
}

fn json_answer(status: &'static str, value: &Value) -> Answer {
    Answer::Full(status, vec![("Content-Type", "application/json".to_owned())], value.to_string().into_bytes())
}

fn sent(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).expect("JSON was sent")
}
