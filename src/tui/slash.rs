//! Commands that are typed into the composer: one table, drawn in the help and completed while typing.

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence stands in TABLE")]
pub enum Slash {
    Help,
    Setup,
    Chat,
    Trace,
    Snapshots,
    Todo,
    Preview,
    Undo,
    Redo,
    Snapshot,
    Restore,
    Diff,
    Rename,
    Copy,
    Stop,
    Jobs,
    Net,
    Qr,
    Python,
    Kernel,
    Voice,
    Transcribe,
    Attach,
    Save,
    Apply,
    Quit,
}

/// Whether words follow the command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// None.
    No,
    /// They may; the name is shown in the help.
    Optional(&'static str),
    /// They must; the name is shown in the help.
    Required(&'static str),
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct SlashRow {
    /// The command.
    pub slash: Slash,
    /// Its name, without the slash.
    pub name: &'static str,
    /// What follows it.
    pub argument: Argument,
    /// What it does, as a sentence without a full stop.
    pub sentence: &'static str,
}

const fn row(slash: Slash, name: &'static str, argument: Argument, sentence: &'static str) -> SlashRow {
    SlashRow { slash, name, argument, sentence }
}

/// All commands, in the order of the help.
#[rustfmt::skip]
pub const TABLE: &[SlashRow] = &[
    row(Slash::Help, "help", Argument::No, "Show all keys and commands"),
    row(Slash::Undo, "undo", Argument::No, "Undo the latest rollback or turn, files and conversation"),
    row(Slash::Redo, "redo", Argument::No, "Redo what was undone"),
    row(Slash::Snapshot, "snapshot", Argument::Optional("LABEL"), "Make a named snapshot of the files as they are"),
    row(Slash::Restore, "restore", Argument::Required("ID"), "Show what a rollback to a snapshot would do, then roll back"),
    row(Slash::Diff, "diff", Argument::Optional("[FROM [TO]]"), "Show what changed since the latest snapshot, or between two"),
    row(Slash::Attach, "attach", Argument::Required("PATH..."), "Let files or folders of this machine go along with the next message"),
    row(Slash::Save, "save", Argument::Required("PATH DEST"), "Copy a file or folder of the session to this machine"),
    row(Slash::Apply, "apply", Argument::Optional("markers since-copy"), "Show what the session changed in its project, then bring it there"),
    row(Slash::Rename, "rename", Argument::Required("TITLE"), "Give the session another title"),
    row(Slash::Copy, "copy", Argument::No, "Copy the latest reply"),
    row(Slash::Stop, "stop", Argument::No, "Stop the running turn"),
    row(Slash::Jobs, "jobs", Argument::No, "Show what runs in the background"),
    row(Slash::Net, "net", Argument::Optional("[off|proxy|host|allow HOST|deny HOST]"), "Show or change what the tools may reach"),
    row(Slash::Qr, "qr", Argument::Optional("[ADDRESS]"), "Show the address of the latest website, or another one, as a QR code"),
    row(Slash::Python, "python", Argument::Optional("[make]"), "Show the Python of notebook cells, or have its packages installed"),
    row(Slash::Kernel, "kernel", Argument::Optional("[restart|rebuild|stop]"), "Show the kernel of the notebook, or change it"),
    row(Slash::Voice, "voice", Argument::No, "Speak a message: begin to record, or end it and write what was said"),
    row(Slash::Transcribe, "transcribe", Argument::Required("FILE"), "Write what a recording of this machine says into the message"),
    row(Slash::Chat, "chat", Argument::No, "Show the chat"),
    row(Slash::Trace, "trace", Argument::No, "Show the tool trace"),
    row(Slash::Snapshots, "snapshots", Argument::No, "Show the snapshots"),
    row(Slash::Todo, "todo", Argument::No, "Show the todo list"),
    row(Slash::Preview, "preview", Argument::Optional("[N]"), "Show what was made, or the thing of a number"),
    row(Slash::Setup, "setup", Argument::No, "Change models, keys and endpoints"),
    row(Slash::Quit, "quit", Argument::No, "Save everything and quit"),
];

impl SlashRow {
    /// Name and argument as the help writes them.
    pub fn usage(&self) -> String {
        match self.argument {
            Argument::No => format!("/{}", self.name),
            Argument::Optional(name) if name.starts_with('[') => format!("/{} {name}", self.name),
            Argument::Optional(name) => format!("/{} [{name}]", self.name),
            Argument::Required(name) => format!("/{} {name}", self.name),
        }
    }
}

/// Whether a text is a command, or begins like one; a path is none.
pub fn is_command(text: &str) -> bool {
    let name = text.strip_prefix('/').map(|rest| rest.split(char::is_whitespace).next().unwrap_or_default());
    name.is_some_and(|name| !name.contains('/'))
}

/// A command with its argument, or why the text is none.
pub type Parsed = Result<(Slash, String), String>;

/// Reads a command. `None` when the text is an ordinary message: it has no slash in front, or what follows looks like
/// a path.
pub fn parse(text: &str) -> Option<Parsed> {
    let rest = text.trim_end().strip_prefix('/')?;
    let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if name.is_empty() || name.contains('/') || rest.contains('\n') {
        return None;
    }
    let argument = argument.trim();
    let Some(row) = TABLE.iter().find(|row| row.name == name) else {
        let near = TABLE.iter().map(|row| row.name).find(|near| strsim::jaro_winkler(name, near) > 0.8);
        let near = near.map_or_else(|| ".".to_owned(), |near| format!(", did you mean /{near}?"));
        return Some(Err(format!("there is no command /{name}{near} A space in front sends it as a message.")));
    };
    Some(match row.argument {
        Argument::No if !argument.is_empty() => Err(format!("/{name} takes nothing after it")),
        Argument::Required(wanted) if argument.is_empty() => Err(format!("/{name} needs {wanted}: {}", row.usage())),
        _ => Ok((row.slash, argument.to_owned())),
    })
}

/// The commands that begin like the text, while its name is still being typed.
pub fn suggestions(text: &str) -> Vec<&'static SlashRow> {
    match text.strip_prefix('/') {
        Some(prefix) if !prefix.contains(|c: char| c.is_whitespace() || c == '/') => {
            TABLE.iter().filter(|row| row.name.starts_with(prefix)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_messages_are_told_apart() {
        assert_eq!(parse("hello"), None);
        assert_eq!(parse("/mnt/okcvm-x/site is empty"), None);
        assert!(is_command("/attach x/y") && is_command("/") && !is_command("/mnt/okcvm-x/ and") && !is_command("x"));
        assert_eq!(parse(" /undo"), None);
        assert_eq!(parse("/undo "), Some(Ok((Slash::Undo, String::new()))));
        assert_eq!(
            parse("/snapshot before the redesign"),
            Some(Ok((Slash::Snapshot, "before the redesign".to_owned())))
        );
        assert_eq!(
            parse("/foo"),
            Some(Err("there is no command /foo. A space in front sends it as a message.".to_owned()))
        );
        assert!(matches!(parse("/rename"), Some(Err(why)) if why.contains("needs TITLE")));
        assert!(matches!(parse("/undo now"), Some(Err(_))));
        assert!(matches!(parse("/snapshto x"), Some(Err(why)) if why.contains("did you mean /snapshot?")));
    }

    #[test]
    fn typing_narrows_the_suggestions() {
        let names = |text| suggestions(text).iter().map(|row| row.name).collect::<Vec<_>>();
        assert_eq!(names("/sn"), ["snapshot", "snapshots"]);
        assert_eq!(names("/").len(), TABLE.len());
        assert!(names("/snapshot x").is_empty() && names("x").is_empty());
    }
}
