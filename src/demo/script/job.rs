//! The job that any other prompt gets: a plan, notes on the topic, a script that fails, its repair, a checked result.
//!
//! ```text
//! plan + look -> write notes and script -> run -- fails --> read script -> edit -> run again -> read result -> answer
//!                                           \-- works ----------------------------------------/
//!                                            \- anything else -> answer that says what was seen
//! ```

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::topic::{free_name, key_words, slug, title};
use super::{Call, Step, quote};
use crate::demo::scene::{Done, Scene, file_lines};

/// What the script prints when it ran to its end.
const SUCCESS: &str = "summary written";
/// The name of the notes, and the slip of the pen in the script.
const NOTES: &str = "notes.md";
const SLIP: &str = "note.md";

pub(super) fn step(scene: &Scene) -> Step {
    if scene.did("todo_write").next().is_none() && scene.has("todo_write") && scene.done.is_empty() {
        return plan(scene);
    }
    let Some(look) = scene.did("shell").next() else {
        return look(scene);
    };
    let Some(folder) = folder(scene) else {
        return write(scene, look);
    };
    let runs: Vec<usize> =
        positions(scene, |done| done.tool == "shell" && done.argument("command").contains("summary.sh"));
    let Some(last) = runs.last().copied() else {
        return run(
            &folder,
            "Now I run the script.",
            "Both files are written. Running the script shows whether it works.",
        )
        .call("todo_write", todos(&scene.prompt, 2));
    };
    let output = &scene.done[last];
    if output.output.contains(SUCCESS) {
        return match scene.done[last..].iter().find(|done| done.tool == "read_file") {
            None => check(scene, &folder),
            Some(result) => finish(scene, &folder, &runs, result),
        };
    }
    match (missing_file(&output.output), scene.did("read_file").last(), scene.did("edit_file").last()) {
        (Some(missing), None, _) if missing != "summary.sh" => read_script(&folder, &missing, output),
        (Some(missing), Some(script), None) => mend(&folder, &missing, script),
        (_, _, Some(edit)) if positions(scene, |done| done == edit).last() > Some(&last) => {
            run(&folder, "The script is mended; I run it again.", "Only another run tells whether the edit was right.")
        }
        _ => Step::say(format!(
            "The script did not do its work, and I do not know why. It left this:\n\n{}",
            quote(&output.output)
        )),
    }
}

fn positions(scene: &Scene, which: impl Fn(&Done) -> bool) -> Vec<usize> {
    scene.done.iter().enumerate().filter(|(_, done)| which(done)).map(|(at, _)| at).collect()
}

/// The list, with the first `finished` items done and the next one in progress.
fn todos(prompt: &str, finished: usize) -> Value {
    let topic = title(prompt);
    let items = [
        ("Look at what is there".to_owned(), "medium"),
        (format!("Write notes on {topic}, and a script that sums them up"), "high"),
        ("Run the script and mend what fails".to_owned(), "high"),
        ("Check the result and report".to_owned(), "medium"),
    ];
    let item = |(n, (content, priority)): (usize, &(String, &str))| {
        let status = match n {
            n if n < finished => "completed",
            n if n == finished => "in_progress",
            _ => "pending",
        };
        json!({"content": content, "id": (n + 1).to_string(), "priority": priority, "status": status})
    };
    json!({"todos": items.iter().enumerate().map(item).collect::<Vec<_>>()})
}

fn plan(scene: &Scene) -> Step {
    let topic = title(&scene.prompt);
    let mut step = look(scene).thinking(format!(
        "The user wants something about {topic}. I make a plan first: look around, write notes and a small script that \
         sums them up, run it, check what it says. Then I report what I really saw."
    ));
    step.calls.insert(0, Call { tool: "todo_write", arguments: todos(&scene.prompt, 0) });
    step
}

fn look(scene: &Scene) -> Step {
    Step::say(format!("I start with a plan for **{}** and look at what is there.", title(&scene.prompt)))
        .thinking("What lies in the output folder decides the name of mine.")
        .call(
            "shell",
            json!({
                "command": format!("mkdir -p {0}/output && cd {0}/output && ls -A", scene.mount),
                "description": "Lists the output folder"
            }),
        )
}

/// The folder of this job: where its notes were written.
fn folder(scene: &Scene) -> Option<String> {
    scene
        .did("write_file")
        .find_map(|done| done.argument("file_path").strip_suffix(&format!("/{NOTES}")).map(str::to_owned))
}

fn write(scene: &Scene, look: &Done) -> Step {
    let slug = slug(&scene.prompt);
    let name = free_name(&slug, &look.output);
    let folder = format!("{}/output/{name}", scene.mount);
    let taken = if name == slug { "is free" } else { "was taken, so I take the next number" };
    Step::say(format!("I write the notes and the script to `{folder}/`."))
        .thinking(format!("The listing began with {:?}; the name {slug} {taken}.", look.first_line()))
        .call("write_file", json!({"file_path": format!("{folder}/{NOTES}"), "content": notes(&scene.prompt)}))
        .call("write_file", json!({"file_path": format!("{folder}/summary.sh"), "content": script()}))
}

/// The notes: what the prompt asked for, and a part for each of its words.
fn notes(prompt: &str) -> String {
    let mut notes = format!("# Notes on {}\n\nAsked for:\n\n", title(prompt));
    for line in prompt.lines().take(20) {
        let _ = writeln!(notes, "> {line}");
    }
    let words = key_words(prompt);
    for (n, word) in words.iter().enumerate() {
        let next = &words[(n + 1) % words.len()];
        let _ = write!(
            notes,
            "\n## {word}\n\n- What {word} is, in one sentence that a newcomer understands.\n\
             - How {word} goes together with {next}.\n- What is still to be found out about {word}.\n"
        );
    }
    notes
}

fn script() -> String {
    format!(
        "#!/bin/sh\n# Counts what the notes hold.\nset -eu\ncd \"$(dirname \"$0\")\"\nnotes={SLIP}\n\
         cat \"$notes\" > all.tmp\n\
         echo \"lines: $(wc -l < all.tmp | tr -d ' ')\"\n\
         echo \"words: $(wc -w < all.tmp | tr -d ' ')\"\n\
         echo \"headings: $(grep -c '^#' all.tmp)\"\n\
         rm all.tmp\n"
    )
}

fn run(folder: &str, text: &str, reasoning: &str) -> Step {
    Step::say(text).thinking(reasoning).call(
        "shell",
        json!({
            "command": format!("cd {folder} && sh summary.sh > summary.txt && cat summary.txt && echo '{SUCCESS}'"),
            "description": "Sums the notes up"
        }),
    )
}

/// The file that `cat` did not find.
fn missing_file(output: &str) -> Option<String> {
    output.lines().filter(|line| line.contains("No such file")).find_map(|line| {
        let (_, rest) = line.split_once("cat: ").or_else(|| line.split_once("open "))?;
        let name = rest.split(": No such").next()?.trim().trim_matches(['\'', '"', '‘', '’']);
        Some(name.rsplit('/').next().unwrap_or(name).to_owned())
    })
}

fn read_script(folder: &str, missing: &str, failed: &Done) -> Step {
    let line = failed.output.lines().find(|line| line.contains("No such file")).unwrap_or_default().trim();
    Step::say(format!("The run failed: `{line}`. I look at the script."))
        .thinking(format!("There is no {missing}: I wrote {NOTES}. The script must name the wrong file."))
        .call("read_file", json!({"file_path": format!("{folder}/summary.sh")}))
}

fn mend(folder: &str, missing: &str, script: &Done) -> Step {
    let lines = file_lines(&script.output).unwrap_or_default();
    let Some((number, line)) = lines.iter().enumerate().find(|(_, line)| line.contains(missing)) else {
        return Step::say(format!("I expected `{missing}` in the script, but it says:\n\n{}", quote(&script.output)));
    };
    Step::say(format!("Line {} names `{missing}`; it should be `{NOTES}`.", number + 1))
        .thinking(format!("Line {} reads {line:?}. Only that name is wrong.", number + 1))
        .call(
            "edit_file",
            json!({
                "file_path": format!("{folder}/summary.sh"),
                "old_string": line,
                "new_string": line.replace(missing, NOTES)
            }),
        )
}

fn check(scene: &Scene, folder: &str) -> Step {
    Step::say("It ran. I read the result back before I report it.")
        .thinking("What a command prints and what lies in the file need not be the same.")
        .call("read_file", json!({"file_path": format!("{folder}/summary.txt")}))
        .call("todo_write", todos(&scene.prompt, 4))
}

fn finish(scene: &Scene, folder: &str, runs: &[usize], result: &Done) -> Step {
    let Some(lines) = file_lines(&result.output) else {
        return Step::say(format!("The script ran, but its result could not be read:\n\n{}", quote(&result.output)));
    };
    let mut text = format!(
        "The notes on **{}** are done. The result says:\n\n| what | how many |\n|---|--:|\n",
        title(&scene.prompt)
    );
    for (what, count) in lines.iter().filter_map(|line| line.split_once(": ")) {
        let _ = writeln!(text, "| {what} | {count} |");
    }
    let _ = write!(
        text,
        "\nFiles in `{folder}/`:\n\n- `{NOTES}`: the notes\n- `summary.sh`: counts them\n- `summary.txt`: its result\n"
    );
    if let Some(failed) = runs.first().filter(|_| runs.len() > 1) {
        let line = scene.done[*failed].output.lines().find(|line| line.contains("No such file")).unwrap_or_default();
        let _ = write!(
            text,
            "\nThe first run failed with `{}`; I mended the script with one edit, and run {} worked.\n",
            line.trim(),
            runs.len()
        );
    }
    text.push_str("\nSay `add a part about ...` to go on, or roll back to any snapshot.");
    Step::say(text).thinking("Everything is done and was seen. I report the numbers from the file, not from memory.")
}
