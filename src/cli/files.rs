//! `okcvm files`: the files of a session, listed, copied out and copied in, and brought to a project.

use std::io::{self, IsTerminal as _, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{FilesArgs, FilesCommand, GlobalArgs};
use super::bootstrap::{Choice, Keys, Setup, ask};
use super::output;
use super::report::{Failure, Outcome, notes};
use crate::project::ApplyError;
use crate::protocol::ProjectPatch;
use crate::session::SessionFolder;
use crate::support::{sanitize, truncate};
use crate::vm::{Bring, BringError, OpenSession};
use crate::workspace::transfer::{self, Copied, Putting, TransferError};
use crate::workspace::{ConfinedPath, EntryKind, Workspace, WorkspaceError};

/// The exit code when the user stopped it.
const STOPPED: u8 = 130;
/// Folders in folders that are listed.
const MAX_DEPTH: usize = 128;

/// Runs one of the verbs.
pub fn run(global: &GlobalArgs, args: FilesArgs) -> Outcome {
    let setup = Setup::load(global, Keys::NotNeeded)?;
    let folder = setup.session(&Choice::Existing(args.session))?;
    match args.command {
        FilesCommand::Apply { dir, yes, conflicts, since_copy, patch } => {
            let mut machine = setup.open(folder, setup.sandbox(), "okcvm files")?;
            super::snapshot::settle(&mut machine)?;
            let how = if patch { How::Print } else { How::Write { yes } };
            apply(&mut machine, &Bring { dir, markers: conflicts.is_some(), since_copy }, how)
        }
        // What only reads needs no lock: the session may be open on a screen meanwhile.
        FilesCommand::List { json } => list(&workspace(&folder)?, json),
        FilesCommand::Get { path, dest, force } => get(&workspace(&folder)?, &path, &dest, force),
        FilesCommand::Put { source, path, force } => {
            let machine = setup.open(folder, setup.sandbox(), "okcvm files")?;
            notes(&machine.resumed.warnings, &mut output::err())?;
            let (stopped, private) = (stop_flag()?, setup.loaded.paths.private());
            let stopped = || stopped.load(Ordering::Relaxed);
            let how = Putting { replace: force, private: &private, stopped: &stopped };
            let copied = transfer::put(&machine.workspace, &source, path.as_deref().unwrap_or("."), &how);
            told(&copied.map_err(failed)?)
        }
    }
}

/// The files of a session that nobody else is kept from.
fn workspace(folder: &SessionFolder) -> Result<Workspace, Failure> {
    Workspace::open(&folder.work(), &folder.mount(), None).map_err(refused)
}

/// Is set by the first Ctrl-C (or SIGTERM), so that nothing half made is left; the second one does not wait. From here
/// on they end nothing by themselves.
fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let broken = |error: io::Error| Failure::new(format!("cannot listen for signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let listen = |kind| {
        let _entered = runtime.enter();
        signal(kind).map_err(broken)
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    // It ends with the process.
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(i32::from(STOPPED));
                }
            }
        });
    });
    Ok(stopped)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn failed(error: TransferError) -> Failure {
    let failure = Failure::from_error(&error).maybe_hint(error.hint());
    if matches!(error, TransferError::Stopped) { Failure { code: STOPPED, ..failure } } else { failure }
}

fn refused(error: WorkspaceError) -> Failure {
    failed(error.into())
}

/// Says what was copied and what was not.
fn told(copied: &Copied) -> Outcome {
    let mut err = output::err();
    for line in &copied.left_out {
        writeln!(err, "left out: {}", sanitize::line(line))?;
    }
    let place = sanitize::line(&copied.place.display().to_string());
    writeln!(output::out(false), "{place}  ({})", copied.words())?;
    Ok(0)
}

fn get(workspace: &Workspace, path: &str, dest: &Path, force: bool) -> Outcome {
    let source = workspace.resolve(path).map_err(refused)?;
    if dest == Path::new("-") {
        return print(workspace, &source);
    }
    let stopped = stop_flag()?;
    let copied = transfer::get(workspace, &source, dest, force, &|| stopped.load(Ordering::Relaxed));
    told(&copied.map_err(failed)?)
}

/// A file on standard output: byte for byte, but clean where a terminal reads it.
fn print(workspace: &Workspace, source: &ConfinedPath) -> Outcome {
    let mut file = workspace.open_read(source).map_err(refused)?;
    write_raw(&mut file)?;
    Ok(0)
}

/// Bytes on standard output as they are, but clean where a terminal reads them: nothing of a file is hidden there.
fn write_raw(from: &mut dyn Read) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)?;
        stdout.write_all(sanitize::visible(&String::from_utf8_lossy(&bytes)).as_bytes())?;
    } else {
        io::copy(from, &mut stdout)?;
    }
    stdout.flush()
}

/// A row of the list.
struct Row {
    path: ConfinedPath,
    kind: EntryKind,
    bytes: u64,
    depth: usize,
}

fn list(workspace: &Workspace, json: bool) -> Outcome {
    let root = workspace.resolve(".").map_err(refused)?;
    let mut rows = Vec::new();
    collect(workspace, &root, 0, &mut rows)?;
    let mut out = output::out(json);
    if json {
        let objects: Vec<_> = rows.iter().map(|row| object(workspace, row)).collect();
        writeln!(out, "{}", serde_json::Value::from(objects))?;
        return Ok(0);
    }
    let files: Vec<u64> = rows.iter().filter(|row| row.kind == EntryKind::File).map(|row| row.bytes).collect();
    let all = Copied { files: files.len() as u64, bytes: files.iter().sum(), ..Copied::default() };
    writeln!(out, "{}/  {}", workspace.mount(), all.words())?;
    let name = |row: &Row| {
        let name = row.path.file_name().map(|name| sanitize::line(&name.to_string_lossy())).unwrap_or_default();
        let mark = match row.kind {
            EntryKind::Folder => "/",
            EntryKind::Link => "@",
            EntryKind::File => "",
            EntryKind::Other => "?",
        };
        format!("{}{name}{mark}", "  ".repeat(row.depth))
    };
    let width = rows.iter().map(|row| unicode_width::UnicodeWidthStr::width(&*name(row))).max().unwrap_or(0).min(60);
    for row in &rows {
        let name = name(row);
        match row.kind {
            EntryKind::File => {
                let gap = width.saturating_sub(unicode_width::UnicodeWidthStr::width(&*name));
                writeln!(out, "{name}{}  {:>10}", " ".repeat(gap), truncate::bytes(row.bytes))?;
            }
            _ => writeln!(out, "{name}")?,
        }
    }
    Ok(0)
}

fn collect(workspace: &Workspace, folder: &ConfinedPath, depth: usize, rows: &mut Vec<Row>) -> Result<(), Failure> {
    for (name, entry) in workspace.entries(folder).map_err(refused)? {
        let Some(path) = folder.join(&name) else { continue };
        rows.push(Row { path: path.clone(), kind: entry.kind, bytes: entry.bytes, depth });
        if entry.kind == EntryKind::Folder && depth < MAX_DEPTH {
            collect(workspace, &path, depth + 1, rows)?;
        }
    }
    Ok(())
}

fn object(workspace: &Workspace, row: &Row) -> serde_json::Value {
    let kind = match row.kind {
        EntryKind::File => "file",
        EntryKind::Folder => "folder",
        EntryKind::Link => "link",
        EntryKind::Other => "other",
    };
    let bytes = row.path.relative().as_os_str().as_bytes();
    let mut object = json!({
        "path": row.path.shown(),
        "kind": kind,
        "bytes": row.bytes,
        "host_path": workspace.host_path().join(row.path.relative()).to_string_lossy(),
    });
    if std::str::from_utf8(bytes).is_err() {
        object["path_bytes"] = base64::engine::general_purpose::STANDARD.encode(bytes).into();
    }
    object
}

/// What becomes of a patch.
#[derive(Clone, Copy)]
enum How {
    Print,
    Write { yes: bool },
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn not_brought(error: BringError) -> Failure {
    let failure = Failure::from_error(&error).maybe_hint(error.hint());
    if matches!(error, BringError::Apply(ApplyError::Stopped)) { Failure { code: STOPPED, ..failure } } else { failure }
}

fn apply(machine: &mut OpenSession, bring: &Bring, how: How) -> Outcome {
    let state = machine.toolbox.state();
    // Until something is written a signal ends it at once.
    let brought = machine.ledger.bring(bring, state, &|_, _| true).map_err(not_brought)?;
    let told = brought.told(None).map_err(not_brought)?;
    let yes = match how {
        How::Print => {
            let text = brought.patch.text().map_err(|error| not_brought(error.into()))?;
            write_raw(&mut text.as_slice())?;
            tell_rest(&told, &mut output::err())?;
            return Ok(u8::from(!told.is_ready()));
        }
        How::Write { yes } => yes,
    };
    let mut out = output::out(false);
    let place = sanitize::line(&told.dir.display().to_string());
    if told.is_empty() {
        tell_rest(&told, &mut out)?;
        writeln!(out, "{place} {}", told.nothing())?;
        if told.since.is_some() {
            writeln!(out, "--since-copy brings all of it again")?;
        }
        return Ok(0);
    }
    if !yes {
        writeln!(out, "{}", sanitize::visible(told.patch.trim_end()))?;
        for (mark, list) in [("+", &told.write), ("-", &told.remove)] {
            for change in list {
                writeln!(out, "{mark} {}  {}", sanitize::line(&change.path), sanitize::line(&change.what))?;
            }
        }
    }
    tell_rest(&told, &mut out)?;
    let counts = format!("{} to write, {} to remove in {place}", things(told.write.len()), things(told.remove.len()));
    if !told.is_ready() {
        writeln!(out, "{counts}, {} in conflict", things(told.conflicts.len()))?;
        return Err(not_brought(BringError::Conflicts(things(told.conflicts.len()))));
    }
    if !yes {
        writeln!(out, "{counts}")?;
        if !io::stdin().is_terminal() {
            return Err(Failure::usage("nothing was changed").hint("This was the dry run; --yes goes ahead."));
        }
        out.flush()?;
        if !ask("Write this to the project?")? {
            return Err(Failure::new("nothing was changed"));
        }
    }
    let stopped = stop_flag()?;
    let applied = machine.ledger.write_back(&brought, &|_, _| !stopped.load(Ordering::Relaxed)).map_err(not_brought)?;
    writeln!(out, "{place}: {} written, {} removed", applied.written, applied.removed)?;
    if applied.conflicts.is_empty() {
        return Ok(0);
    }
    writeln!(out, "{} in conflict, for you to decide:", things(applied.conflicts.len()))?;
    for conflict in &applied.conflicts {
        writeln!(out, "  {}: {}", sanitize::line(&conflict.path), sanitize::line(&conflict.outcome))?;
    }
    Ok(1)
}

fn things(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Conflicts, and what is not brought over.
fn tell_rest(told: &ProjectPatch, to: &mut dyn Write) -> io::Result<()> {
    for conflict in &told.conflicts {
        writeln!(to, "conflict: {}: {}", sanitize::line(&conflict.path), sanitize::line(&conflict.why))?;
    }
    told.notes.iter().try_for_each(|line| writeln!(to, "note: {}", sanitize::line(line)))?;
    told.left_out.iter().try_for_each(|line| writeln!(to, "left out: {}", sanitize::line(line)))
}
