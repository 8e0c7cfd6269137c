//! What the model is told of the walls around its commands, where they are not the usual ones.

use std::path::Path;

use crate::sandbox::Sandbox;

/// Sentences for the description of a tool that runs commands. `place` is where these find the workspace, where the mount
/// is not there for them.
pub(super) fn told(sandbox: &Sandbox, place: Option<&Path>, mount: &str) -> Option<String> {
    let place = place?;
    let path = format!(
        "They start in {}, which is the workspace; the path {mount} does not exist for them, so use relative paths or \
         $OKCVM_WORKSPACE.",
        place.display()
    );
    if !sandbox.confines() {
        return Some(format!(
            "In this session commands run without a sandbox, directly on the user's machine: be careful. {path}"
        ));
    }
    Some(format!(
        "In this session commands run in a degraded sandbox (Landlock) on the user's machine: only the workspace, HOME \
         and $TMPDIR can be written, only the system's programs can be read besides. {path} File tools take both paths. A \
         command cannot send signals to what an earlier one left running, open terminals of its own, use shared memory, \
         or listen on the network unless it has the host's. Not held by this sandbox, so be careful: {}.",
        sandbox.missing_walls().join("; ")
    ))
}
