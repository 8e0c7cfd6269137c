//! Prompts that name a file: it is read and quoted, or searched for when it is not there.

use std::fmt::Write as _;

use serde_json::json;

use super::{Step, quote};
use crate::demo::scene::{Done, Scene, file_lines};

pub(super) fn fits(scene: &Scene) -> bool {
    let verbs = ["read", "open", "show", "cat", "look", "summarize", "summarise", "check", "view", "quote"];
    scene.has("read_file") && named_file(scene).is_some() && scene.says(&verbs)
}

/// The first word of the prompt that is the name of a file.
fn named_file(scene: &Scene) -> Option<String> {
    const AROUND: &[char] = &['`', '\'', '"', '(', ')', '[', ']', '<', '>', ',', ';', ':', '!', '?'];
    let trimmed = |word: &str| {
        let word = word.trim_start_matches(AROUND);
        word.trim_end_matches(|c: char| AROUND.contains(&c) || c == '.').to_owned()
    };
    scene.prompt.split_whitespace().map(trimmed).find(|word| {
        let name = word.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').is_some_and(|(stem, extension)| {
            !stem.is_empty()
                && (1..=5).contains(&extension.len())
                && extension.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        (extension && !name.starts_with("www.")) || (word.starts_with('/') && !name.is_empty())
    })
}

/// Where the tools see it.
fn path_of(scene: &Scene, file: &str) -> String {
    if file.starts_with('/') { file.to_owned() } else { format!("{}/{file}", scene.mount) }
}

pub(super) fn step(scene: &Scene) -> Step {
    let file = named_file(scene).unwrap_or_default();
    let mut reads = scene.did("read_file");
    let Some(read) = reads.next_back() else {
        let path = path_of(scene, &file);
        return Step::say(format!("I read `{path}`."))
            .thinking(format!("The prompt names {file}. I look at it before I say anything about it."))
            .call("read_file", json!({"file_path": path}));
    };
    if let Some(lines) = file_lines(&read.output) {
        return Step::say(told(read.argument("file_path"), &lines));
    }
    let name = file.rsplit('/').next().unwrap_or(&file).to_owned();
    match scene.did("shell").next_back() {
        None if scene.has("shell") && !read.output.contains("outside workspace") => {
            Step::say(format!("That did not work: {}. I look whether it lies elsewhere.", read.first_line()))
                .thinking("The file is not where the prompt says. A search by its name may find it.")
                .call(
                    "shell",
                    json!({
                        "command": format!("cd {} && find . -name '{}' -type f | head -n 5; ls -A | head -n 20", scene.mount, plain(&name)),
                        "description": "Looks for the file by its name"
                    }),
                )
        }
        Some(found) if reads.next_back().is_none() && elsewhere(found, &name).is_some() => {
            let relative = elsewhere(found, &name).unwrap_or_default();
            let path = format!("{}/{relative}", scene.mount);
            Step::say(format!("There is one at `{path}`."))
                .thinking("The search found a file of that name; I read that one.")
                .call("read_file", json!({"file_path": path}))
        }
        found => {
            let what = quote(&read.output);
            let there = found.map(|found| format!("\n\nThis is what lies in the workspace:\n\n{}", quote(&found.output)));
            Step::say(format!("I could not read `{file}`. The tool said:\n\n{what}{}", there.unwrap_or_default()))
        }
    }
}

/// A name without anything that a shell or `find` would take for more than a name.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric() || "._- ".contains(*c)).collect()
}

/// The first path in a search's output that ends in the name.
fn elsewhere<'a>(found: &'a Done, name: &str) -> Option<&'a str> {
    let name = plain(name);
    let paths = found.output.lines().map(str::trim).filter_map(|line| line.strip_prefix("./"));
    paths.into_iter().find(|path| path.rsplit('/').next() == Some(&name))
}

/// What the file says.
fn told(path: &str, lines: &[&str]) -> String {
    let words: usize = lines.iter().map(|line| line.split_whitespace().count()).sum();
    let says_something = |line: &&&str| !line.trim().is_empty();
    let first = lines.iter().find(says_something).copied().unwrap_or_default();
    let longest = lines.iter().max_by_key(|line| line.chars().count()).copied().unwrap_or_default();
    let headings = lines.iter().filter(|line| line.starts_with('#')).count();
    let mut text = format!("`{path}`: I saw {} lines with {words} words", lines.len());
    if headings > 0 {
        let _ = write!(text, ", {headings} of them headings");
    }
    let _ = write!(text, ".\n\nIt begins with:\n\n{}", quote(first));
    if longest != first {
        let _ = write!(text, "\n\nIts longest line is:\n\n{}", quote(longest));
    }
    text
}
