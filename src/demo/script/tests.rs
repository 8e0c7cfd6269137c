//! Each script, played against tool results that a test makes up.

use serde_json::{Value, json};

use super::*;
use crate::demo::scene::Done;

const MOUNT: &str = "/mnt/okcvm-0123456789abcdef";

fn scene(prompt: &str) -> Scene {
    let tools = ["todo_read", "todo_write", "read_file", "write_file", "edit_file", "shell"];
    Scene {
        mount: MOUNT.to_owned(),
        prompt: prompt.to_owned(),
        tools: tools.map(str::to_owned).to_vec(),
        is_first_reply: false,
        ..Scene::default()
    }
}

/// Plays the turn to its end; `tool` makes up what each call gives back. Returns the calls and the last words.
fn play(scene: &mut Scene, tool: impl Fn(&Call) -> String) -> (Vec<Call>, String) {
    let mut all = Vec::new();
    loop {
        let step = next_step(scene);
        if step.calls.is_empty() {
            return (all, step.text);
        }
        for call in step.calls {
            let (name, arguments) = (call.tool.to_owned(), call.arguments.clone());
            scene.done.push(Done { tool: name, arguments, output: tool(&call) });
            all.push(call);
        }
        assert!(all.len() < 40, "the script does not end: {all:?}");
    }
}

/// A prompt further: what was done becomes what was done before.
fn go_on(scene: &mut Scene, prompt: &str) {
    scene.earlier.append(&mut scene.done);
    scene.earlier_prompts.push(std::mem::replace(&mut scene.prompt, prompt.to_owned()));
}

fn names(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.tool).collect()
}

fn numbered(text: &str) -> String {
    let lines: Vec<String> = text.lines().enumerate().map(|(n, line)| format!("{:>6}\t{line}", n + 1)).collect();
    lines.join("\n")
}

fn text<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments[name].as_str().unwrap_or_default()
}

/// Tools as they behave when the script's slip of the pen is there, or is not.
fn tools(slip: bool, words: u32) -> impl Fn(&Call) -> String {
    let edited = std::cell::Cell::new(!slip);
    move |call| match call.tool {
        "shell" if text(&call.arguments, "command").contains("ls -A") => "ants\n".to_owned(),
        "shell" if edited.get() => format!("lines: 12\nwords: {words}\nheadings: 3\nsummary written\n"),
        "shell" => "cat: note.md: No such file or directory\nexit code 1".to_owned(),
        "read_file" if text(&call.arguments, "file_path").ends_with("/summary.txt") => {
            numbered(&format!("lines: 12\nwords: {words}\nheadings: 3"))
        }
        "read_file" => numbered("#!/bin/sh\nset -eu\nnotes=note.md\ncat \"$notes\""),
        "edit_file" => {
            assert_eq!(call.arguments["old_string"], "notes=note.md");
            assert_eq!(call.arguments["new_string"], "notes=notes.md");
            edited.set(true);
            "ok".to_owned()
        }
        _ => "ok".to_owned(),
    }
}

#[test]
fn a_job_mends_the_command_that_fails_and_reports_what_it_saw() {
    let mut scene = scene("make a page about honey bees");
    let (calls, last) = play(&mut scene, tools(true, 57));
    let wanted = [
        "todo_write",
        "shell",
        "write_file",
        "write_file",
        "shell",
        "todo_write",
        "read_file",
        "edit_file",
        "shell",
        "read_file",
        "todo_write",
    ];
    assert_eq!(names(&calls), wanted);
    assert_eq!(calls[2].arguments["file_path"], format!("{MOUNT}/output/honey-bees/notes.md"));
    assert!(text(&calls[2].arguments, "content").contains("make a page about honey bees"));
    assert!(last.contains("| words | 57 |") && last.contains("cat: note.md: No such file or directory"), "{last}");
}

#[test]
fn a_command_that_works_at_once_needs_no_mending() {
    let (calls, last) = play(&mut scene("make a page about honey bees"), tools(false, 99));
    assert!(!names(&calls).contains(&"edit_file"));
    assert!(last.contains("| words | 99 |") && !last.contains("failed"), "{last}");
}

#[test]
fn a_job_takes_a_free_folder() {
    let (calls, _) = play(&mut scene("a page about ants"), tools(false, 1));
    assert_eq!(calls[2].arguments["file_path"], format!("{MOUNT}/output/ants-2/notes.md"));
}

#[test]
fn an_unknown_failure_is_reported_as_it_is() {
    let (calls, last) = play(&mut scene("a page about ants"), |call| match call.tool {
        "shell" if text(&call.arguments, "command").contains("summary.sh") => "bwrap: no namespaces".to_owned(),
        _ => String::new(),
    });
    assert!(last.contains("bwrap: no namespaces"), "{last}");
    assert_eq!(names(&calls).iter().filter(|name| **name == "shell").count(), 2);
}

#[test]
fn whatever_the_tools_say_every_script_ends() {
    let prompts =
        ["a page about ants", "read notes.txt", "sleep 5", "hello", "stream 50 tokens", "what did you do?", "", "世界"];
    let answers = [
        "",
        "ok",
        "error: cancelled by the user",
        "cat: note.md: No such file or directory",
        "     1\tnote.md\n",
        "summary written",
    ];
    for prompt in prompts {
        for answer in answers {
            let mut scene = scene(prompt);
            let (_, last) = play(&mut scene, |_| answer.to_owned());
            assert!(!last.is_empty(), "{prompt} {answer}");
            go_on(&mut scene, "add more about it");
            play(&mut scene, |_| answer.to_owned());
        }
    }
}

#[test]
fn a_file_that_the_prompt_names_is_read_and_quoted() {
    let (calls, last) = play(&mut scene("please read `notes.txt`."), |_| numbered("# Title\nsecond, longer line\n"));
    assert_eq!(calls[0].arguments, json!({"file_path": format!("{MOUNT}/notes.txt")}));
    assert!(last.contains("2 lines") && last.contains("# Title") && last.contains("second, longer line"), "{last}");
}

#[test]
fn a_file_that_is_elsewhere_is_found() {
    let (calls, last) = play(&mut scene("read notes.txt"), |call| match call.tool {
        "shell" => "./deep/notes.txt\ndeep\n".to_owned(),
        _ if text(&call.arguments, "file_path").contains("/deep/") => numbered("found"),
        _ => "file not found".to_owned(),
    });
    assert_eq!(names(&calls), ["read_file", "shell", "read_file"]);
    assert!(last.contains("found") && last.contains("/deep/notes.txt"), "{last}");
}

#[test]
fn a_file_that_is_nowhere_is_not_made_up() {
    let (_, last) = play(&mut scene("read notes.txt"), |call| match call.tool {
        "shell" => "other.md\n".to_owned(),
        _ => "file not found".to_owned(),
    });
    assert!(last.contains("could not read") && last.contains("file not found") && last.contains("other.md"), "{last}");
    let (calls, last) = play(&mut scene("read /etc/passwd"), |_| "path outside workspace".to_owned());
    assert_eq!(names(&calls), ["read_file"]);
    assert!(last.contains("path outside workspace"), "{last}");
}

#[test]
fn a_wait_runs_a_real_command_and_tells_how_it_ended() {
    let (calls, last) = play(&mut scene("sleep 100"), |_| "asleep for 100 s\nawake after 100 s\n".to_owned());
    assert!(text(&calls[0].arguments, "command").contains("sleep 100"));
    assert_eq!(calls[0].arguments["timeout"], 110_000);
    assert!(last.contains("ran to its end"), "{last}");
    let (_, last) = play(&mut scene("wait a bit"), |_| "asleep for 30 s\ncancelled by the user".to_owned());
    assert!(last.contains("did not run to its end") && last.contains("cancelled by the user"), "{last}");
}

#[test]
fn a_second_prompt_continues_from_the_conversation() {
    let mut scene = scene("make a page about honey bees");
    play(&mut scene, tools(true, 57));
    go_on(&mut scene, "now add a part about wax");
    let (calls, last) = play(&mut scene, tools(false, 71));
    assert_eq!(names(&calls), ["read_file", "write_file", "shell"]);
    assert_eq!(calls[1].arguments["append"], true);
    assert!(last.contains("from 57 to 71") && last.contains("wax"), "{last}");
    go_on(&mut scene, "what did you do?");
    let (_, last) = play(&mut scene, |_| String::new());
    assert!(last.contains("honey bees") && last.contains("output/honey-bees/notes.md"), "{last}");
}

#[test]
fn a_continued_job_whose_files_are_gone_begins_anew() {
    let mut scene = scene("make a page about honey bees");
    play(&mut scene, tools(true, 57));
    go_on(&mut scene, "add a part about wax");
    let work = tools(false, 5);
    let (calls, _) = play(&mut scene, |call| {
        if text(&call.arguments, "file_path").ends_with("honey-bees/notes.md") {
            "file not found".to_owned()
        } else {
            work(call)
        }
    });
    assert_eq!(names(&calls)[..3], ["read_file", "todo_write", "shell"]);
}

#[test]
fn short_words_get_short_answers_and_the_first_one_says_what_this_is() {
    let (calls, last) = play(&mut scene("hello"), |_| String::new());
    assert!(calls.is_empty() && last.starts_with("Hello"), "{last}");
    let step = next_step(&Scene { is_first_reply: true, ..scene("hello") });
    assert!(step.text.contains("scripted"), "{}", step.text);
    let step = next_step(&Scene { tools: Vec::new(), ..scene("Say ok.") });
    assert!(step.calls.is_empty() && step.text.contains("works"));
}

#[test]
fn a_long_answer_has_about_the_length_that_was_asked_for() {
    let step = next_step(&scene("stream 5000 tokens"));
    let written = crate::demo::wire::tokens(&step.text);
    assert!((5000..5200).contains(&written), "{written}");
}

#[test]
fn only_offered_tools_are_called() {
    let mut scene = scene("a page about ants");
    scene.tools.retain(|tool| tool != "shell");
    let (calls, last) = play(&mut scene, |_| "ok".to_owned());
    assert!(!names(&calls).contains(&"shell"));
    assert!(!last.is_empty());
}

#[test]
fn an_attached_table_is_read_loaded_plotted_and_reported() {
    let mut scene = scene(&format!("plot this\n\nAttached files:\n- {MOUNT}/uploads/sales.csv (40 bytes)"));
    scene.tools.push("ipython".to_owned());
    let run = std::cell::Cell::new(0);
    let tool = |call: &Call| match call.tool {
        "read_file" => {
            assert_eq!(text(&call.arguments, "file_path"), format!("{MOUNT}/uploads/sales.csv"));
            numbered("shop,sold\nA,1")
        }
        "ipython" => {
            run.set(run.get() + 1);
            let code = text(&call.arguments, "code");
            match run.get() {
                1 => {
                    assert!(code.contains(&format!("path = \"{MOUNT}/uploads/sales.csv\"")), "{code}");
                    "1 rows, 2 columns: shop, sold".to_owned()
                }
                2 => "[picture]".to_owned(),
                _ => {
                    assert!(code.contains(&format!("os.makedirs(\"{MOUNT}/output\"")), "{code}");
                    format!("finding: sold runs from 1 to 1\nreport written to {MOUNT}/output/report.html")
                }
            }
        }
        other => panic!("{other} was not expected"),
    };
    let (calls, last) = play(&mut scene, tool);
    assert_eq!(names(&calls), ["read_file", "ipython", "ipython", "ipython"]);
    assert!(last.contains("- sold runs from 1 to 1") && last.contains("output/report.html"), "{last}");
    assert!(!last.contains("made up"), "{last}");
}

#[test]
fn without_a_table_one_is_made_up_and_a_cell_that_fails_ends_it() {
    let mut scene = scene("make a chart of something");
    scene.tools.push("ipython".to_owned());
    let tool = |call: &Call| match call.tool {
        "write_file" => "written".to_owned(),
        "read_file" => numbered("city,month,rain_mm"),
        _ => "Traceback (most recent call last)\nModuleNotFoundError: No module named 'pandas'".to_owned(),
    };
    let (calls, last) = play(&mut scene, tool);
    assert_eq!(names(&calls), ["write_file", "read_file", "ipython"]);
    assert!(last.contains("No module named 'pandas'"), "{last}");
}

#[test]
fn a_table_that_is_not_in_the_session_is_said_to_be_missing_and_a_chart_is_drawn_all_the_same() {
    for prompt in ["a chart of data.csv", "Read data.csv, tell me what stands out, and draw it"] {
        let mut scene = scene(prompt);
        scene.tools.push("ipython".to_owned());
        let run = std::cell::Cell::new(0);
        let tool = |call: &Call| match (call.tool, text(&call.arguments, "file_path")) {
            ("read_file", path) if path == format!("{MOUNT}/data.csv") => format!("{path} does not exist"),
            ("read_file", path) => {
                assert_eq!(path, format!("{MOUNT}/data/rainfall.csv"));
                numbered("city,month,rain_mm")
            }
            ("write_file", path) => {
                assert_eq!(path, format!("{MOUNT}/data/rainfall.csv"));
                "written".to_owned()
            }
            _ => {
                run.set(run.get() + 1);
                if run.get() == 1 {
                    assert!(text(&call.arguments, "code").contains("data/rainfall.csv"));
                }
                format!("12 rows\nreport written to {MOUNT}/output/report.html")
            }
        };
        let (calls, last) = play(&mut scene, tool);
        assert_eq!(names(&calls), ["read_file", "write_file", "read_file", "ipython", "ipython", "ipython"]);
        assert!(last.contains("`data.csv` is not in this session") && last.contains("/attach data.csv"), "{last}");
    }
}
