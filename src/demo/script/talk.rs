//! Short prompts get short answers; no tools.

use super::Step;
use crate::demo::scene::Scene;

const GREETINGS: [&str; 12] =
    ["hello", "hi", "hey", "hallo", "hola", "salut", "ciao", "moin", "thanks", "thank", "ok", "bye"];

pub(super) fn fits(scene: &Scene) -> bool {
    let words = scene.words();
    let greets = words.len() <= 3 && scene.says(&GREETINGS);
    greets || words.is_empty() || asks_for_help(scene)
}

fn asks_for_help(scene: &Scene) -> bool {
    let prompt = scene.prompt.to_lowercase();
    scene.words() == ["help"] || prompt.contains("who are you") || prompt.contains("what can you do")
}

pub(super) fn step(scene: &Scene) -> Step {
    if scene.says(&["thanks", "thank", "bye"]) {
        return Step::say(
            "You are welcome. Every reply of this session is a snapshot: you can come back to any of them.",
        );
    }
    if scene.tools.is_empty() {
        return Step::say(format!("The connection works. I read {} words.", scene.words().len()));
    }
    if asks_for_help(scene) {
        return Step::say(format!(
            "Try one of these:\n\n\
             | say | and see |\n|---|---|\n\
             | `make a page about bees` | a whole job: files, commands, a mistake that is mended |\n\
             | `read output/bees/notes.md` | a file read and quoted |\n\
             | `add a part about honey` | the job before, continued |\n\
             | `sleep 60` | a long command, to try Esc |\n\
             | `stream 2000 tokens` | a long answer with Markdown in it |\n\
             | `what did you do?` | what is in the conversation |\n\n\
             Then open the snapshots and roll back. Files lie under `{}/output/`.",
            scene.mount
        ));
    }
    let before = scene.earlier_prompts.len();
    let again = if before == 0 { String::new() } else { format!(" again, after {before} of your messages") };
    Step::say(format!("Hello{again}! Give me a job, such as `make a page about bees`, or ask for `help`."))
}
