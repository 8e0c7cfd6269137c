//! `okcvm session`: list, show, rename, delete and check sessions.

use std::io::{self, IsTerminal as _, Write};

use jiff::{Timestamp, Zoned, tz::TimeZone};
use serde_json::json;

use super::args::{GlobalArgs, SessionCommand};
use super::bootstrap::{Choice, Keys, Setup, ask};
use super::output;
use super::report::{Failure, Outcome, notes};
use crate::preview::Shelf;
use crate::protocol::Message;
use crate::session::{self, LockError, SessionFolder, SessionLock};
use crate::snapshot::{Affected, SnapshotError, Store, StoreOptions};
use crate::support::{clock, sanitize, truncate};

/// Runs one of the verbs.
pub fn run(global: &GlobalArgs, command: SessionCommand) -> Outcome {
    let setup = Setup::load(global, Keys::NotNeeded)?;
    let json = matches!(command, SessionCommand::List { json: true } | SessionCommand::Show { json: true, .. });
    let mut out = output::out(json);
    match command {
        SessionCommand::List { json } => list(&setup, json, &mut out),
        SessionCommand::Show { id, json } => show(&setup, id, json, &mut out),
        SessionCommand::Rename { id, title } => rename(&setup, id, &title, &mut out),
        SessionCommand::Delete { id, yes } => delete(&setup, &id, yes, &mut out),
        SessionCommand::Fsck { id } => fsck(&setup, id, &mut out),
    }
}

fn list(setup: &Setup, json: bool, out: &mut dyn Write) -> Outcome {
    let sessions = &setup.loaded.paths.sessions_dir;
    let rows = session::list(sessions).map_err(|error| Failure::from_error(&error))?;
    if json {
        let objects: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "id": row.meta.id,
                    "title": row.meta.title,
                    "created": row.meta.created,
                    "last_activity": clock::rfc3339(&moment(row.last_activity)),
                    "mount": format!("{}/", row.meta.id.mount()),
                    "host_path": row.root,
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::Value::from(objects))?;
        return Ok(0);
    }
    if rows.is_empty() {
        let sessions = sanitize::line(&sessions.display().to_string());
        writeln!(out, "No session yet in {sessions}. `okcvm` starts one.")?;
        return Ok(0);
    }
    let now = Zoned::now();
    for row in rows {
        let title = if row.meta.title.is_empty() { "(no title yet)" } else { &row.meta.title };
        let title = truncate::cells(&sanitize::line(title), 60, "…");
        writeln!(out, "{}  {:>10}  {title}", row.meta.id, clock::ago(&moment(row.last_activity), &now))?;
    }
    Ok(0)
}

fn show(setup: &Setup, id: String, json: bool, out: &mut dyn Write) -> Outcome {
    let folder = setup.session(&Choice::Existing(id))?;
    let (mount, folder_work) = (folder.mount(), folder.work());
    let machine = setup.open(folder, setup.sandbox(), "okcvm session show")?;
    let mut err = output::err();
    notes(&machine.resumed.warnings, &mut err)?;
    if let Some(unfinished) = &machine.resumed.unfinished {
        writeln!(err, "note: {}", sanitize::line(&unfinished.sentence(None)))?;
    }
    let messages = machine.resumed.messages;
    if json {
        writeln!(out, "{}", serde_json::to_string(&messages).map_err(|error| Failure::from_error(&error))?)?;
        return Ok(0);
    }
    let work = folder_work.display().to_string();
    writeln!(out, "{mount} is {} on this machine.\n", sanitize::line(&work))?;
    for message in &messages {
        print_message(message, out)?;
    }
    if messages.is_empty() {
        writeln!(out, "Nothing was said in this session yet.")?;
    }
    Ok(0)
}

/// A message as text: who, then what, indented by nothing so that it can be copied.
fn print_message(message: &Message, out: &mut dyn Write) -> io::Result<()> {
    match message {
        Message::System { .. } => Ok(()),
        Message::User { text, attachments } => {
            writeln!(out, "You:\n{}", sanitize::text(text))?;
            for attachment in attachments {
                writeln!(out, "  attached: {}", sanitize::line(&attachment.path))?;
            }
            writeln!(out)
        }
        Message::Assistant { text, tool_calls, .. } => {
            if !text.is_empty() {
                writeln!(out, "OK Computer:\n{}\n", sanitize::text(text))?;
            }
            for call in tool_calls {
                let arguments = truncate::cells(&sanitize::line(&call.arguments), 160, "…");
                writeln!(out, "> {} {arguments}", sanitize::line(&call.name))?;
            }
            Ok(())
        }
        Message::Tool(reply) => {
            let first = reply.output.lines().find(|line| !line.trim().is_empty()).unwrap_or("(no output)");
            writeln!(out, "  {}", truncate::cells(&sanitize::line(first), 160, "…"))
        }
    }
}

fn rename(setup: &Setup, id: String, title: &str, out: &mut dyn Write) -> Outcome {
    let title = truncate::prefix(title.trim(), 200);
    if title.is_empty() {
        return Err(
            Failure::usage("the title is empty").hint("Give some words: `okcvm session rename ID \"My title\"`.")
        );
    }
    let mut folder = setup.session(&Choice::Existing(id))?;
    let _lock = lock(&folder, "okcvm session rename")?;
    folder.set_title(title).map_err(|error| Failure::from_error(&error))?;
    writeln!(out, "{} is now called {}", folder.id(), sanitize::line(title))?;
    Ok(0)
}

fn delete(setup: &Setup, id: &str, yes: bool, out: &mut dyn Write) -> Outcome {
    if id == "last" {
        return Err(Failure::usage("`session delete` wants an id").hint("`okcvm session list` shows them."));
    }
    let folder = setup.session(&Choice::Existing(id.to_owned()))?;
    let lock = lock(&folder, "okcvm session delete")?;
    let title = sanitize::line(&folder.meta().title);
    let question = format!("Delete {} ({title}) with its files, conversation and snapshots, for good?", folder.id());
    if !yes {
        if !io::stdin().is_terminal() {
            return Err(Failure::usage("nothing was deleted").hint("Say --yes where no terminal can be asked."));
        }
        if !ask(&question)? {
            return Err(Failure::new("nothing was deleted"));
        }
    }
    let id = folder.id().clone();
    // What it has put on show goes with it.
    Shelf::new(setup.shelf_folder()).keep_only(id.as_str(), &[]);
    folder.delete().map_err(|error| Failure::from_error(&error))?;
    drop(lock);
    writeln!(out, "deleted {id}")?;
    Ok(0)
}

fn fsck(setup: &Setup, id: String, out: &mut dyn Write) -> Outcome {
    let folder = setup.session(&Choice::Existing(id))?;
    let git_dir = folder.state_git();
    let (checked, refused) = match setup.open(folder.clone(), setup.sandbox(), "okcvm session fsck") {
        Ok(session) => {
            notes(&session.resumed.warnings, out)?;
            let checked = session.ledger.check();
            (checked.map_err(|error| Failure::from_error(&error).maybe_hint(error.hint()))?, None)
        }
        // A session that does not open is the one that needs a check most.
        Err(refused) => {
            let _lock = lock(&folder, "okcvm session fsck")?;
            let failure = |error: SnapshotError| Failure::from_error(&error);
            let store = Store::open(&git_dir, StoreOptions::default()).map_err(failure)?;
            (store.check().map_err(failure)?, Some(refused))
        }
    };
    for problem in &checked.problems {
        writeln!(out, "{}", sanitize::line(problem))?;
    }
    for Affected { id, label, path } in &checked.affected {
        let lost = if path.is_empty() { "all of it" } else { path };
        writeln!(out, "snapshot {} lacks {}  {}", id.short(), sanitize::line(lost), sanitize::line(label))?;
    }
    if let Some(refused) = refused {
        return Err(Failure { message: format!("the session cannot be opened: {}", refused.message), ..refused });
    }
    if !checked.problems.is_empty() {
        return Err(Failure::new(format!("{} problems in {}", checked.problems.len(), git_dir.display()))
            .hint("Snapshots that are not named above can still be restored; copy the folder before anything else."));
    }
    let place = sanitize::line(&git_dir.display().to_string());
    writeln!(out, "sound: {} snapshots, {} objects, {place}", checked.nodes, checked.objects)?;
    Ok(0)
}

fn lock(folder: &SessionFolder, holder: &str) -> Result<SessionLock, Failure> {
    SessionLock::acquire(folder, holder).map_err(|error| {
        let held = matches!(error, LockError::Held { .. });
        Failure::from_error(&error).maybe_hint(held.then(|| "Close it there first.".to_owned()))
    })
}

/// A file time as a moment in the user's time zone.
pub fn moment(time: std::time::SystemTime) -> Zoned {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::system())
}
