//! A second prompt that continues the job before: its notes get another part, and the counts are compared.
//!
//! Where the job was is read from the conversation; whether it is still there, from the file. After a rollback of the
//! files only, it may be gone.

use std::fmt::Write as _;

use serde_json::json;

use super::topic::{key_words, title};
use super::{Step, job, quote};
use crate::demo::scene::{Done, Scene, file_lines};

pub(super) fn fits(scene: &Scene) -> bool {
    let continues = ["add", "also", "continue", "more", "extend", "append", "now", "then", "another", "expand", "go"];
    notes(scene).is_some() && scene.says(&continues) && !scene.says(&["new"])
}

/// The notes that an earlier job wrote last.
fn notes(scene: &Scene) -> Option<&str> {
    let mut written = scene.earlier.iter().rev().filter(|done| done.tool == "write_file");
    written.find_map(|done| Some(done.argument("file_path")).filter(|path| path.ends_with("/notes.md")))
}

/// The count of words in a summary.
fn words(done: &Done) -> Option<&str> {
    done.output.lines().find_map(|line| line.split_once("words: ").map(|(_, count)| count.trim()))
}

pub(super) fn step(scene: &Scene) -> Step {
    let path = notes(scene).unwrap_or_default().to_owned();
    let folder = path.trim_end_matches("/notes.md").to_owned();
    let topic = title(&scene.prompt);
    let Some(read) = scene.did("read_file").next() else {
        return Step::say(format!("I go on with `{path}` and read it first."))
            .thinking("The conversation says where the notes are. What is in them now, only the file says.")
            .call("read_file", json!({"file_path": path, "limit": 400}));
    };
    let Some(lines) = file_lines(&read.output) else {
        // The job begins anew without the failed read, which would confuse it.
        let anew = Scene { done: scene.done[1..].to_vec(), ..scene.clone() };
        let mut step = job::step(&anew);
        if anew.done.is_empty() {
            step.text = format!("The notes are gone ({}), so I begin anew. {}", read.first_line(), step.text);
        }
        return step;
    };
    let headings = lines.iter().filter(|line| line.starts_with("## ")).count();
    let Some(_written) = scene.did("write_file").next() else {
        let mut part = format!("\n## {topic}\n\n");
        for word in key_words(&scene.prompt) {
            let _ = writeln!(part, "- {word}: added on request.");
        }
        return Step::say(format!(
            "The notes have {} lines and {headings} parts. I add one about **{topic}**.",
            lines.len()
        ))
        .thinking("Appending keeps what is there.")
        .call("write_file", json!({"file_path": path, "content": part, "append": true}));
    };
    let Some(run) = scene.did("shell").next() else {
        return Step::say("Now I count again.").call(
            "shell",
            json!({
                "command": format!("cd {folder} && sh summary.sh > summary.txt && cat summary.txt"),
                "description": "Sums the notes up again"
            }),
        );
    };
    let before = scene.earlier.iter().rev().filter(|done| done.tool == "shell").find_map(words);
    match (before, words(run)) {
        (Some(before), Some(after)) => Step::say(format!(
            "Done: `{path}` has a part about **{topic}** now, and its words went from {before} to {after}."
        )),
        _ => Step::say(format!("The part is written. Counting again gave:\n\n{}", quote(&run.output))),
    }
}
