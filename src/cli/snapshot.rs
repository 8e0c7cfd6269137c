//! `okcvm snapshot`: list, compare and restore from a script or by hand.

use std::io::{self, IsTerminal as _, Write};

use jiff::Zoned;
use serde_json::json;

use super::args::{GlobalArgs, SnapshotArgs, SnapshotCommand};
use super::bootstrap::{Choice, Keys, Setup, ask};
use super::output;
use super::report::{Failure, Outcome, notes};
use crate::protocol::{FileChangeKind, FileDiff, NodeSummary, RestorePlan, RestoreScope};
use crate::support::{clock, sanitize, truncate};
use crate::vm::rollback::Rolled;
use crate::vm::{LedgerError, OpenSession};

/// Longest label of a snapshot in characters.
const LABEL_LIMIT: usize = 200;

/// Runs one of the verbs.
pub fn run(global: &GlobalArgs, args: SnapshotArgs) -> Outcome {
    let setup = Setup::load(global, Keys::NotNeeded)?;
    let folder = setup.session(&Choice::Existing(args.session))?;
    let mut machine = setup.open(folder, setup.sandbox(), "okcvm snapshot")?;
    settle(&mut machine)?;
    let json = args.json;
    let mut out = output::out(json);
    match args.command {
        SnapshotCommand::List => list(&mut machine, json, &mut out),
        SnapshotCommand::Show { id } => show(&mut machine, &id, json, &mut out),
        SnapshotCommand::Diff { from, to } => {
            let files = machine.ledger.diff(&from, to.as_deref()).map_err(failure)?;
            print_diff(&files, json, &mut out)
        }
        SnapshotCommand::Create { label } => create(&mut machine, label.as_deref(), json, &mut out),
        SnapshotCommand::Restore { id, dry_run, yes, files_only, conversation_only } => {
            let scope = match (files_only, conversation_only) {
                (true, _) => RestoreScope::FilesOnly,
                (_, true) => RestoreScope::ConversationOnly,
                _ => RestoreScope::All,
            };
            restore(&mut machine, &id, scope, Consent { dry_run, yes }, json, &mut out)
        }
        SnapshotCommand::Undo => {
            let state = machine.toolbox.state();
            let rolled = machine.ledger.undo(state).map_err(failure)?;
            print_rolled(&rolled, "undone", json, &mut out)
        }
        SnapshotCommand::Redo => {
            let state = machine.toolbox.state();
            let rolled = machine.ledger.redo(state).map_err(failure)?;
            print_rolled(&rolled, "redone", json, &mut out)
        }
        SnapshotCommand::Branch { id, name } => {
            let target = machine.ledger.resolve(&id).map_err(failure)?;
            machine.ledger.branch(&target, &name).map_err(failure)?;
            writeln!(out, "{} is now branch {}", target.short(), sanitize::line(&name))?;
            Ok(0)
        }
    }
}

/// A session whose last turn was cut off gets its node first, so that every verb sees the state it was left in.
pub(super) fn settle(machine: &mut OpenSession) -> Result<(), Failure> {
    let mut err = output::err();
    notes(&machine.resumed.warnings, &mut err)?;
    if let Some(unfinished) = &machine.resumed.unfinished {
        let state = machine.toolbox.state();
        let captured = machine.ledger.close_unfinished(state).map_err(failure)?;
        writeln!(err, "note: {}", sanitize::line(&unfinished.sentence(Some(&captured.id))))?;
        if let Some(reason) = &captured.failed {
            writeln!(err, "note: its files could not be captured: {}", sanitize::line(reason))?;
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn failure(error: LedgerError) -> Failure {
    let hint = error.hint();
    Failure::from_error(&error).maybe_hint(hint)
}

fn print_json(value: &impl serde::Serialize, out: &mut dyn Write) -> Outcome {
    let text = serde_json::to_string(value).map_err(|error| Failure::from_error(&error))?;
    writeln!(out, "{text}")?;
    Ok(0)
}

fn list(machine: &mut OpenSession, json: bool, out: &mut dyn Write) -> Outcome {
    let nodes = machine.ledger.nodes().map_err(failure)?;
    if json {
        return print_json(&nodes, out);
    }
    match machine.ledger.changed_since_head() {
        Ok(0) => {}
        Ok(changed) => writeln!(out, "  now       {changed} {} changed since head", files(changed))?,
        Err(error) => writeln!(out, "  now       cannot be compared: {}", sanitize::line(&error.to_string()))?,
    }
    let now = Zoned::now();
    for node in &nodes {
        writeln!(out, "{}", row(node, &now))?;
    }
    Ok(0)
}

fn files(count: u64) -> &'static str {
    if count == 1 { "file" } else { "files" }
}

fn row(node: &NodeSummary, now: &Zoned) -> String {
    let mark = if node.failed.is_some() {
        "x"
    } else if node.head {
        "*"
    } else {
        " "
    };
    let time =
        clock::parse_rfc3339(&node.time).map_or_else(|| sanitize::line(&node.time), |then| clock::ago(&then, now));
    let label = truncate::cells(&sanitize::line(&node.label), 60, "…");
    let mut row = format!(
        "{mark} {}  {time:>10}  +{} ~{} -{}  {:>9}  {label}",
        node.id.short(),
        node.added,
        node.modified,
        node.removed,
        truncate::bytes(node.bytes),
    );
    for branch in &node.branches {
        row.push_str("  [");
        row.push_str(&sanitize::line(branch));
        row.push(']');
    }
    if !node.not_kept.is_empty() {
        row.push_str("  (");
        row.push_str(&node.not_kept.len().to_string());
        row.push_str(" not in snapshot)");
    }
    row
}

fn show(machine: &mut OpenSession, id: &str, json: bool, out: &mut dyn Write) -> Outcome {
    let target = machine.ledger.resolve(id).map_err(failure)?;
    let nodes = machine.ledger.nodes().map_err(failure)?;
    let node = nodes
        .iter()
        .find(|node| node.id == target)
        .ok_or_else(|| Failure::new(format!("snapshot {} is not listed", target.short())))?;
    let changes = match &node.parent {
        Some(parent) => machine.ledger.diff(parent.as_str(), Some(target.as_str())).map_err(failure)?,
        None => Vec::new(),
    };
    if json {
        let mut object = serde_json::to_value(node).map_err(|error| Failure::from_error(&error))?;
        object["changes"] = json!(changes);
        return print_json(&object, out);
    }
    writeln!(out, "snapshot {}", node.id)?;
    if let Some(parent) = &node.parent {
        writeln!(out, "parent   {parent}")?;
    }
    writeln!(out, "kind     {}", node.kind.as_str())?;
    writeln!(out, "label    {}", sanitize::line(&node.label))?;
    writeln!(out, "time     {}", sanitize::line(&node.time))?;
    if let Some(reason) = &node.failed {
        writeln!(out, "FAILED   {}", sanitize::line(reason))?;
    }
    for path in &node.not_kept {
        writeln!(out, "not in snapshot: {}", sanitize::line(path))?;
    }
    writeln!(out)?;
    print_diff(&changes, false, out)
}

fn print_diff(changes: &[FileDiff], json: bool, out: &mut dyn Write) -> Outcome {
    if json {
        return print_json(&changes, out);
    }
    if changes.is_empty() {
        writeln!(out, "No file differs.")?;
    }
    for file in changes {
        let mark = match file.change.kind {
            FileChangeKind::Added => "+",
            FileChangeKind::Modified => "~",
            FileChangeKind::Removed => "-",
        };
        let counts = if file.change.binary {
            "binary".to_owned()
        } else {
            format!("+{} -{}", file.change.lines_added, file.change.lines_removed)
        };
        writeln!(out, "{mark} {}  {counts}", sanitize::line(&file.change.path))?;
    }
    for file in changes.iter().filter(|file| !file.patch.is_empty()) {
        writeln!(out, "\n{}", sanitize::visible(file.patch.trim_end()))?;
    }
    Ok(0)
}

fn create(machine: &mut OpenSession, label: Option<&str>, json: bool, out: &mut dyn Write) -> Outcome {
    let label = label.unwrap_or("named by hand").trim();
    let length = label.chars().count();
    if label.is_empty() || length > LABEL_LIMIT {
        return Err(Failure::usage(format!("a label has 1 to {LABEL_LIMIT} characters, this one has {length}")));
    }
    let state = machine.toolbox.state();
    let captured = machine.ledger.capture_named(label, state).map_err(failure)?;
    if let Some(reason) = captured.failed {
        return Err(Failure::new(format!("the snapshot failed: {reason}")));
    }
    if json {
        let nodes = machine.ledger.nodes().map_err(failure)?;
        return print_json(&nodes.iter().find(|node| node.id == captured.id), out);
    }
    writeln!(
        out,
        "{}  {} {} changed, {}  {}",
        captured.id.short(),
        captured.files_changed,
        files(captured.files_changed),
        truncate::bytes(captured.bytes),
        sanitize::line(&captured.label)
    )?;
    Ok(0)
}

/// What the user said about going ahead.
#[derive(Clone, Copy)]
struct Consent {
    dry_run: bool,
    yes: bool,
}

fn restore(
    machine: &mut OpenSession,
    id: &str,
    scope: RestoreScope,
    consent: Consent,
    json: bool,
    out: &mut dyn Write,
) -> Outcome {
    let plan = machine.ledger.plan_restore(id, scope).map_err(failure)?;
    if consent.dry_run || !consent.yes {
        if json {
            print_json(&plan, out)?;
        } else {
            print_plan(&plan, out)?;
        }
    }
    if consent.dry_run {
        return Ok(0);
    }
    if !consent.yes {
        if !io::stdin().is_terminal() || json {
            return Err(Failure::usage("nothing was changed").hint("This was the dry run; --yes goes ahead."));
        }
        if !ask("Go back to it? The present state is kept as a snapshot first.")? {
            return Err(Failure::new("nothing was changed"));
        }
    }
    let state = machine.toolbox.state();
    // By id, so that the words `head` and `head~1` still mean what the plan showed.
    let rolled = machine.ledger.restore(plan.target.as_str(), scope, state).map_err(failure)?;
    print_rolled(&rolled, "rolled back", json, out)
}

fn print_plan(plan: &RestorePlan, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "going back to {} would:", plan.target.short())?;
    for path in &plan.write {
        writeln!(out, "  write   {}", sanitize::line(path))?;
    }
    for path in &plan.remove {
        writeln!(out, "  remove  {}", sanitize::line(path))?;
    }
    for path in &plan.keep {
        writeln!(out, "  keep    {} (in no snapshot)", sanitize::line(path))?;
    }
    if plan.turns_left > 0 {
        writeln!(out, "  leave {} later turns of the conversation (undo brings them back)", plan.turns_left)?;
    }
    if plan.write.is_empty() && plan.remove.is_empty() && plan.turns_left == 0 {
        writeln!(out, "  change nothing")?;
    }
    writeln!(out, "HOME and /tmp of the sandbox, processes and effects outside are not rolled back.")
}

fn print_rolled(rolled: &Rolled, what: &str, json: bool, out: &mut dyn Write) -> Outcome {
    let report = &rolled.report;
    notes(&rolled.warnings, &mut output::err())?;
    if json {
        print_json(report, out)?;
    } else {
        let checked = if report.verified { "restored and verified" } else { "restored, NOT verified" };
        writeln!(
            out,
            "{what}: {checked}: {}  ({} written, {} removed; head is {})",
            report.target.short(),
            report.written,
            report.removed,
            report.head.short()
        )?;
    }
    Ok(u8::from(!report.verified))
}
