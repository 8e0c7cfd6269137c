//! Prompts that name a number of words or tokens get an answer of about that length, with all sorts of Markdown.

use super::Step;
use crate::demo::scene::Scene;
use crate::demo::wire::TOKEN;

const LONGEST: u64 = 50_000;

/// Paragraphs with headings, lists, tables, code, wide characters and links, again and again.
const PIECES: [&str; 6] = [
    "## Part {n}: what a snapshot is\n\nA snapshot is the *whole* state of the machine at the end of a reply: every \
     file, and the **conversation** that led there. Coming back to one is itself a step that can be undone.\n\n",
    "- The workspace is walked once; unchanged files cost one look each.\n- Contents go into a store that knows \
     them by their hash.\n  - Equal contents are kept once.\n  - Nothing is ever changed in place.\n\n",
    "| part | kept | for how long |\n|:--|:-:|--:|\n| files | yes | until pruned |\n| 会話 | yes | until pruned |\n\
     | `home/` | no | for the session |\n\n",
    "```rust\n/// Part {n}.\nfn restore(target: &Node, now: &Workspace) -> Plan {\n    let wanted = target.tree();\n    \
     now.walk().filter(|file| wanted.differs(file)).collect()\n}\n```\n\n",
    "> 世界 🌍 — wide characters and emoji keep their columns, and a [link](https://example.com/part/{n}) keeps its \
     words.\n\n",
    "1. Read the plan before it is applied.\n2. Apply it in two phases, so that a crash in between leaves no half \
     state.\n3. Walk the workspace again and compare.\n\n",
];

pub(super) fn fits(scene: &Scene) -> bool {
    scene.number().is_some() && scene.says(&["tokens", "words", "token"])
}

pub(super) fn step(scene: &Scene) -> Step {
    let wanted = scene.number().unwrap_or(1000).min(LONGEST);
    let mut text = format!("# About {wanted} tokens\n\n");
    let mut written = text.chars().count() as u64;
    for n in 1.. {
        let piece = PIECES[(n - 1) % PIECES.len()].replace("{n}", &n.to_string());
        written += piece.chars().count() as u64;
        text.push_str(&piece);
        if written >= wanted * TOKEN {
            break;
        }
    }
    Step::say(text)
}
