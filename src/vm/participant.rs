//! Who takes part in a rollback besides files and conversation: one row each, so that a later part joins by one entry.
//!
//! A participant's state is a file in `node/state/`. It is captured with every node by whoever owns it (the toolbox
//! hands all of them over as [`State`]); here stands what a rollback must know: with which half it comes back, and
//! whether a stored state can be taken. All agree before anything moves, or none moves.

use super::checkpoint::{LedgerError, State};
use crate::protocol::{DEPLOYMENTS, DeploymentsFile, RestoreScope};
use crate::tools::TodoFile;

/// The half of a session that a participant belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    /// It comes back with the conversation.
    Conversation,
    /// It comes back with the files.
    Files,
}

struct Participant {
    /// The name of its file.
    file: &'static str,
    half: Half,
    /// Why a stored state cannot be taken, if so.
    check: fn(&[u8]) -> Result<(), String>,
}

const PARTICIPANTS: &[Participant] = &[
    Participant { file: "todo.json", half: Half::Conversation, check: is::<TodoFile> },
    Participant { file: DEPLOYMENTS, half: Half::Files, check: are_deployments },
    // What has been read is void anyway where a file's hash has changed since.
    Participant { file: "read.json", half: Half::Conversation, check: is::<serde_json::Value> },
];

/// Deployments that okcvm did not write would name places of the host.
fn are_deployments(bytes: &[u8]) -> Result<(), String> {
    let file: DeploymentsFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let odd = file.deployments.iter().find(|deployment| !deployment.is_sound());
    odd.map_or(Ok(()), |odd| Err(format!("{:?} is no name of a website", odd.id)))
}

fn is<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<(), String> {
    serde_json::from_slice::<T>(bytes).map(drop).map_err(|error| error.to_string())
}

fn row(file: &str) -> Option<&'static Participant> {
    PARTICIPANTS.iter().find(|row| row.file == file)
}

/// Whether all participants can take the state of a node.
pub(super) fn check(then: &State) -> Result<(), LedgerError> {
    for (file, bytes) in then {
        if let Some(row) = row(file) {
            (row.check)(bytes).map_err(|why| LedgerError::Participant { file: file.clone(), why })?;
        }
    }
    Ok(())
}

/// The state after a rollback: each part from the node that comes back, or as it is now.
pub(super) fn after(scope: RestoreScope, now: &State, then: &State) -> State {
    let comes_back = |file: &str| match scope {
        RestoreScope::All => true,
        RestoreScope::FilesOnly => row(file).is_some_and(|row| row.half == Half::Files),
        RestoreScope::ConversationOnly => row(file).is_none_or(|row| row.half == Half::Conversation),
    };
    let back = then.iter().filter(|(file, _)| comes_back(file));
    let stays = now.iter().filter(|(file, _)| !comes_back(file));
    back.chain(stays).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(todo: &str, other: &str) -> State {
        [("todo.json", todo), ("later.json", other)].map(|(file, text)| (file.to_owned(), text.into())).to_vec()
    }

    #[test]
    fn a_state_comes_back_with_its_half() {
        let (now, then) = (state("[]", "1"), state("[ ]", "2"));
        assert_eq!(after(RestoreScope::All, &now, &then), then);
        assert_eq!(after(RestoreScope::FilesOnly, &now, &then), now);
        assert_eq!(after(RestoreScope::ConversationOnly, &now, &then), then);
        assert!(after(RestoreScope::All, &now, &Vec::new()).is_empty(), "what was not there then is empty now");
    }

    #[test]
    fn a_state_that_cannot_be_taken_stops_the_rollback() {
        assert!(check(&state(r#"{"version": 1, "todos": []}"#, "anything")).is_ok());
        let error = check(&state("[]", "")).expect_err("no list").to_string();
        assert!(error.contains("todo.json"), "{error}");
    }
}
