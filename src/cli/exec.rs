//! `okcvm exec`: turns without a screen.

use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

use super::args::{ExecArgs, GlobalArgs};
use super::bootstrap::{Choice, Keys, Setup, runtime};
use super::output;
use super::project::{From, Made};
use super::report::{Failure, Outcome};
use super::tool::warn_unconfined;
use crate::headless::{self, ExecOptions, ExitKind, OutputSchema};
use crate::tui::attach;
use crate::vm;

/// Longest message that is read from standard input or a file, in bytes.
const PROMPT_LIMIT: u64 = 4 << 20;

/// Runs the turn or turns and gives the exit code.
pub fn run(global: &GlobalArgs, args: ExecArgs) -> Outcome {
    let prompts = prompts(&args)?;
    // Before a session is made for it.
    for file in &args.attach {
        attach::examine(file)
            .map_err(|why| Failure::usage(why).hint("Paths are relative to the folder that okcvm runs in."))?;
    }
    if let Some(dir) = &args.from {
        From::new(dir.clone(), args.all, None).check()?;
    }
    let schema = args.output_schema.as_deref().map(schema).transpose()?;
    let keys = if args.demo { Keys::NotNeeded } else { Keys::Needed };
    let mut setup = Setup::load(global, keys)?;
    if !args.demo {
        setup.settle_keys()?;
    }
    let choice = match (args.continue_latest, args.session) {
        (true, _) => Choice::Existing("last".to_owned()),
        (false, Some(query)) if query == "new" => Choice::New,
        (false, Some(query)) => Choice::Existing(query),
        (false, None) => Choice::New,
    };
    let runtime = runtime()?;
    runtime.block_on(async {
        // The model first: without one there is no reason to make a session.
        let (model, server) = setup.model(args.demo).await?;
        let sandbox = setup.chosen_sandbox().await?;
        warn_unconfined(&sandbox)?;
        let mut note = None;
        let setup = Arc::new(setup);
        let folder = match args.from {
            Some(dir) => {
                setup.confirm_new(&setup.loaded.paths.sessions_dir)?;
                let made = copy_project(&setup, From::new(dir, args.all, sandbox.tool_owner())).await?;
                writeln!(output::err(), "{}", made.words)?;
                note = made.left_out;
                made.folder
            }
            None => setup.session(&choice)?,
        };
        let mut session = tokio::task::block_in_place(|| setup.open(folder, sandbox.clone(), "okcvm exec"))?;
        session.resumed.warnings.extend(note);
        let parts = setup.parts(session, &sandbox, model)?;
        let (handle, engine) = vm::open(parts).map_err(|error| Failure::from_error(&error))?;
        let engine = tokio::spawn(engine.run());
        let options =
            ExecOptions { prompts, attachments: args.attach, json: args.json, schema, last_message: args.last_message };
        let exit = headless::exec(handle, options, output::out(args.json), output::err()).await;
        if exit == ExitKind::Quit {
            // Ctrl-C twice: neither the open turn nor a thread that works on the disk is waited for. The next start
            // closes the turn.
            std::process::exit(i32::from(exit.code()));
        }
        engine.await.map_err(|error| Failure::new(format!("the engine ended badly: {error}")))?;
        drop(server);
        Ok(exit.code())
    })
}

/// Makes the session that holds a copy of the project. Ctrl-C stops it and leaves nothing.
async fn copy_project(setup: &Arc<Setup>, from: From) -> Result<Made, Failure> {
    let stopped = Arc::clone(&from.stopped);
    let (sender, mut progress) = watch::channel((0, 0));
    let setup = Arc::clone(setup);
    let mut making = tokio::task::spawn_blocking(move || {
        from.make(&setup, &mut |files, of| {
            // Only the latest matters, and nobody has to listen.
            sender.send_replace((files, of));
        })
    });
    let shows = io::stderr().is_terminal();
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.tick().await;
    loop {
        tokio::select! {
            made = &mut making => {
                return made.map_err(|error| Failure::new(format!("copying the project ended badly: {error}")))?;
            }
            _ = tokio::signal::ctrl_c() => stopped.store(true, Ordering::Relaxed),
            _ = every.tick(), if shows => {
                let (files, of) = *progress.borrow_and_update();
                writeln!(output::err(), "copying the project: {files} of {of} files")?;
            }
        }
    }
}

/// The messages to run, one turn each.
fn prompts(args: &ExecArgs) -> Result<Vec<String>, Failure> {
    if let Some(file) = &args.prompts {
        let text = read_file(file)?;
        let prompts = split_prompts(&text);
        if prompts.is_empty() {
            return Err(Failure::usage(format!("{} holds no message", file.display()))
                .hint("Write one message a block, with a line `---` between two."));
        }
        return Ok(prompts);
    }
    let prompt = match args.prompt.as_deref() {
        Some(text) if text != "-" => text.to_owned(),
        None if io::stdin().is_terminal() => String::new(),
        _ => read_limited(io::stdin(), "the message on standard input")?,
    };
    if prompt.trim().is_empty() {
        return Err(Failure::usage("the message is empty").hint("Give it as an argument, or on standard input."));
    }
    Ok(vec![prompt.trim_end().to_owned()])
}

fn split_prompts(text: &str) -> Vec<String> {
    let mut prompts = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            prompts.push(String::new());
        } else if let Some(last) = prompts.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    prompts.iter().map(|prompt| prompt.trim().to_owned()).filter(|prompt| !prompt.is_empty()).collect()
}

fn read_file(file: &Path) -> Result<String, Failure> {
    let what = file.display().to_string();
    let handle = std::fs::File::open(file).map_err(|error| Failure::usage(format!("cannot read {what}: {error}")))?;
    read_limited(handle, &what)
}

/// Reads text of a bounded length; longer text is refused whole, since half a message is another message.
fn read_limited(from: impl Read, what: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    from.take(PROMPT_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("cannot read {what}: {error}")))?;
    if bytes.len() as u64 > PROMPT_LIMIT {
        return Err(Failure::usage(format!("{what} is longer than {} MiB", PROMPT_LIMIT >> 20))
            .hint("Attach long texts as files with --attach: the model reads them with its tools."));
    }
    String::from_utf8(bytes)
        .map_err(|error| Failure::usage(format!("{what} is not UTF-8 at byte {}", error.utf8_error().valid_up_to())))
}

/// Reads and compiles the schema that the final reply has to fit.
fn schema(file: &Path) -> Result<OutputSchema, Failure> {
    let text = read_file(file)?;
    OutputSchema::parse(&text).map_err(|reason| {
        Failure::usage(format!("{}: {reason}", file.display())).hint("The file has to hold one JSON Schema.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_whole_or_refused() {
        let fits = "é".repeat(PROMPT_LIMIT as usize / 2);
        assert_eq!(read_limited(fits.as_bytes(), "it").expect("fits"), fits);
        let longer = format!("{fits}x");
        let refused = read_limited(longer.as_bytes(), "it").expect_err("too long");
        assert!(refused.message.contains("longer than 4 MiB"), "{refused:?}");
        let broken = read_limited(&b"ab\xff"[..], "it").expect_err("no text");
        assert!(broken.message.contains("not UTF-8 at byte 2"), "{broken:?}");
    }

    #[test]
    fn a_line_of_dashes_stands_between_two_messages() {
        assert_eq!(split_prompts("one\nmore\n---\n\n---\ntwo\n"), ["one\nmore", "two"]);
        assert!(split_prompts("\n---\n").is_empty());
        assert_eq!(split_prompts("a ---- b\n--- c"), ["a ---- b\n--- c"]);
    }
}
