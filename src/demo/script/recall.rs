//! Questions about the conversation itself are answered from it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Step;
use crate::demo::scene::Scene;

pub(super) fn fits(scene: &Scene) -> bool {
    let prompt = scene.prompt.to_lowercase();
    let asks = ["what did you", "what have you", "what happened", "recap", "which files", "what was my"];
    asks.iter().any(|words| prompt.contains(words))
}

pub(super) fn step(scene: &Scene) -> Step {
    if scene.earlier_prompts.is_empty() {
        return Step::say("Nothing yet: this is your first message in this conversation.");
    }
    let mut text = String::from("You said:\n\n");
    for prompt in &scene.earlier_prompts {
        let line: String = prompt.lines().next().unwrap_or_default().chars().take(80).collect();
        let _ = writeln!(text, "1. {line}");
    }
    let of = |tool: &str, argument: &str| -> BTreeSet<String> {
        scene.earlier.iter().filter(|done| done.tool == tool).map(|done| done.argument(argument).to_owned()).collect()
    };
    let files = of("write_file", "file_path");
    if !files.is_empty() {
        text.push_str("\nI wrote:\n\n");
        for file in files {
            let _ = writeln!(text, "- `{file}`");
        }
    }
    let commands = of("shell", "command");
    if !commands.is_empty() {
        let _ = writeln!(text, "\nand ran {} commands.", commands.len());
    }
    text.push_str("\nIf you roll back to an earlier snapshot, I shall know only what came before it.");
    Step::say(text)
}
