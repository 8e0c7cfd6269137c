//! How the browser comes through the session's proxy, which tells it from commands by a token.

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::BrowserError;
use super::connection::{Connection, Event};
use crate::sandbox::network::{Family, HELLO_NAME, Network};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    target_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    session_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paused {
    request_id: String,
}

/// Makes the browser known to the session's proxy, which tells it from commands by a token: the browser is asked for it
/// once, and remembers it for all that follows.
pub(super) async fn let_through(
    connection: &Connection,
    mut events: mpsc::Receiver<Event>,
    network: &Network,
) -> Result<mpsc::Receiver<Event>, BrowserError> {
    let Some((name, token)) = network.credentials(Family::Browser) else { return Ok(events) };
    let Target { target_id } = connection.call(None, "Target.createTarget", json!({"url": "about:blank"})).await?;
    let attach = json!({"targetId": target_id, "flatten": true});
    let Session { session_id } = connection.call(None, "Target.attachToTarget", attach).await?;
    let session = Some(session_id.as_str());
    connection.call::<Value>(session, "Fetch.enable", json!({"handleAuthRequests": true})).await?;
    let hello = format!("http://{HELLO_NAME}/");
    let gone = connection.call::<Value>(session, "Page.navigate", json!({"url": hello}));
    tokio::pin!(gone);
    loop {
        tokio::select! {
            outcome = &mut gone => {
                outcome?;
                break;
            }
            event = events.recv() => {
                let Some(event) = event else { break };
                let Some(Paused { request_id }) = event.params() else { continue };
                match event.method.as_str() {
                    "Fetch.requestPaused" => {
                        connection.post(session, "Fetch.continueRequest", json!({"requestId": request_id}));
                    }
                    "Fetch.authRequired" => {
                        let answer = json!({
                            "response": "ProvideCredentials", "username": name, "password": token.expose(),
                        });
                        let answer = json!({"requestId": request_id, "authChallengeResponse": answer});
                        connection.post(session, "Fetch.continueWithAuth", answer);
                    }
                    _ => {}
                }
            }
        }
    }
    connection.call::<Value>(None, "Target.closeTarget", json!({"targetId": target_id})).await?;
    Ok(events)
}
