//! Prompts that ask to sleep or wait run `sleep N`, so that a user can try to stop it.

use serde_json::json;

use super::{Step, quote};
use crate::demo::scene::Scene;

const LONGEST: u64 = 1_500;

pub(super) fn fits(scene: &Scene) -> bool {
    scene.has("shell") && scene.says(&["sleep", "wait", "pause"])
}

pub(super) fn step(scene: &Scene) -> Step {
    let seconds = scene.number().unwrap_or(30).clamp(1, LONGEST);
    match scene.did("shell").last() {
        None => Step::say(format!("I wait {seconds} seconds. Press Esc to stop me."))
            .thinking(format!("The user wants me to wait. `sleep {seconds}` does that, with a time limit above it."))
            .call(
                "shell",
                json!({
                    "command": format!("echo 'asleep for {seconds} s'; sleep {seconds}; echo 'awake after {seconds} s'"),
                    "description": "Waits, then says so",
                    "timeout": (seconds + 10) * 1000
                }),
            ),
        Some(slept) if slept.output.contains("awake after") => {
            Step::say(format!("I am back: the command ran to its end and said `awake after {seconds} s`."))
        }
        Some(slept) => Step::say(format!("The command did not run to its end. It left this:\n\n{}", quote(&slept.output))),
    }
}
