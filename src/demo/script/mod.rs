//! The scripts: which one a prompt gets, and what it does next.
//!
//! A script is a pure function of the [`Scene`]. It keeps no state of its own: where it stands is told by the tool
//! results in the request. One file a script.

mod analysis;
mod essay;
mod follow_up;
mod job;
mod read;
mod recall;
mod talk;
mod topic;
mod wait;

use serde_json::Value;

use super::scene::Scene;

/// After so many results a script comes to its end, whatever happens.
const MOST_RESULTS: usize = 24;

/// What the model says and does next.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// What it thinks.
    pub reasoning: String,
    /// What it says.
    pub text: String,
    /// What it asks the tools to do; nothing ends the turn.
    pub calls: Vec<Call>,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The tool's name without its prefix.
    pub tool: &'static str,
    /// Its arguments.
    pub arguments: Value,
}

impl Step {
    fn say(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    fn thinking(mut self, reasoning: impl Into<String>) -> Self {
        self.reasoning = reasoning.into();
        self
    }

    fn call(mut self, tool: &'static str, arguments: Value) -> Self {
        self.calls.push(Call { tool, arguments });
        self
    }
}

/// What the model says and does in answer to a request.
pub fn next_step(scene: &Scene) -> Step {
    let script = choose(scene);
    let mut step = script(scene);
    // A call of a tool that is not offered would only come back as an error.
    step.calls.retain(|call| scene.has(call.tool));
    if scene.done.len() > MOST_RESULTS {
        step.calls.clear();
    }
    if step.calls.is_empty() && step.text.is_empty() {
        step.text = stuck(scene);
    }
    if scene.is_first_reply {
        step.text = format!("{INTRODUCTION}\n\n{}", step.text);
    }
    step
}

/// What stands before the first reply of a conversation.
const INTRODUCTION: &str = "> I am the **scripted** demo model of okcvm: my words follow a script. \
                            The tools, the sandbox and the snapshots are real.";

/// The script for a prompt. The first that fits wins.
fn choose(scene: &Scene) -> fn(&Scene) -> Step {
    if scene.tools.is_empty() || talk::fits(scene) {
        talk::step
    } else if wait::fits(scene) {
        wait::step
    } else if analysis::fits(scene) {
        analysis::step
    } else if essay::fits(scene) {
        essay::step
    } else if read::fits(scene) {
        read::step
    } else if recall::fits(scene) {
        recall::step
    } else if follow_up::fits(scene) {
        follow_up::step
    } else {
        job::step
    }
}

/// The honest end of a script that cannot go on.
fn stuck(scene: &Scene) -> String {
    match scene.done.last() {
        Some(last) => {
            format!("I stop here. The last thing I saw, from `{}`, was:\n\n{}", last.tool, quote(&last.output))
        }
        None => "I stop here: the tools that my script needs are not offered in this session.".to_owned(),
    }
}

/// The beginning of an output as a code block.
fn quote(output: &str) -> String {
    let mut lines: Vec<&str> = output.lines().take(8).collect();
    if output.lines().count() > lines.len() {
        lines.push("...");
    }
    format!("```text\n{}\n```", lines.join("\n").replace("```", "'''"))
}

#[cfg(test)]
mod tests;
