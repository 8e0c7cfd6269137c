//! The command line as a table: help, completions and the man page are drawn from it.
//!
//! A stable interface: later work adds, never renames.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// An OK Computer agent in your terminal: a model that works in a machine of its own, and snapshots you can roll back.
#[derive(Debug, Parser)]
#[command(
    name = "okcvm",
    version,
    about,
    long_about = None,
    subcommand_negates_reqs = true,
    max_term_width = 100,
    after_help = "Without a command okcvm opens the screen in a new session. `okcvm --demo` needs no configuration.\n\
                  Exit codes: 0 done, 1 the turn or command failed, 2 usage or configuration, 130 interrupted."
)]
pub struct Cli {
    /// Options of the screen, when no command is given.
    #[command(flatten)]
    pub screen: ScreenArgs,
    /// Options that every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do instead of opening the screen.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of the screen.
#[derive(Debug, Args)]
pub struct ScreenArgs {
    /// Start with this message
    #[arg(value_name = "PROMPT")]
    pub prompt: Option<String>,
    /// Go on with the latest session
    #[arg(short = 'c', long = "continue", conflicts_with = "resume")]
    pub continue_latest: bool,
    /// Go on with a given session, or pick one from a list
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub resume: Option<String>,
    /// Copy this project into the new session; in a Git checkout what Git tracks and what it does not ignore
    #[arg(long, value_name = "DIR", conflicts_with_all = ["continue_latest", "resume"])]
    pub from: Option<PathBuf>,
    /// With --from: copy what Git ignores too
    #[arg(long, requires = "from")]
    pub all: bool,
    /// Use the scripted offline model; tools, sandbox and snapshots are real
    #[arg(long)]
    pub demo: bool,
}

/// Options that every command takes.
#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// Read this configuration file instead of the one in the XDG folder
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Keep sessions and state in this folder
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Load system prompt and tool manifest from this folder
    #[arg(long, global = true, value_name = "DIR")]
    pub spec_dir: Option<PathBuf>,
    /// Use this model of the configured endpoint
    #[arg(long, global = true, value_name = "NAME")]
    pub model: Option<String>,
    /// The boundary around the tools
    #[arg(long, global = true, value_name = "MODE", value_enum)]
    pub sandbox: Option<SandboxMode>,
    /// The network of the tools
    #[arg(long, global = true, value_name = "MODE", value_enum)]
    pub network: Option<NetworkArg>,
}

/// Values of `--sandbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SandboxMode {
    /// bubblewrap, or stop with a hint
    Auto,
    /// bubblewrap
    Bubblewrap,
    /// Landlock: less is confined, without user namespaces (degraded)
    Landlock,
    /// The container that okcvm itself runs in
    External,
    /// None: tools can do what your account can
    Off,
}

impl SandboxMode {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Bubblewrap => "bubblewrap",
            Self::Landlock => "landlock",
            Self::External => "external",
            Self::Off => "off",
        }
    }
}

/// Values of `--network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetworkArg {
    /// Loopback only, in a network of the tools' own
    Off,
    /// Public hosts through a filtering proxy, as far as the configuration admits them
    Proxy,
    /// The host's network, with everything that listens on it
    Host,
}

impl NetworkArg {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Proxy => "proxy",
            Self::Host => "host",
        }
    }
}

/// What to do instead of opening the screen.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one turn without a screen
    Exec(ExecArgs),
    /// List, show, rename, delete and check sessions
    #[command(subcommand)]
    Session(SessionCommand),
    /// List, compare and restore snapshots
    Snapshot(SnapshotArgs),
    /// List a session's files, copy them out and in
    Files(FilesArgs),
    /// List the tools, or call one
    #[command(subcommand)]
    Tool(ToolCommand),
    /// Show or check the system prompt and the tool manifest
    #[command(subcommand)]
    Spec(SpecCommand),
    /// Show, check or start the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List, serve and remove deployed websites
    #[command(subcommand)]
    Deploy(DeployCommand),
    /// Print what a recording says, with the configured speech recognition
    Transcribe {
        /// A recording: WAV, MP3, M4A, OGG, FLAC or WebM
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Look at this machine and say what is missing
    Doctor {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
        /// Make what okcvm can make itself: the Python environment of the notebook
        #[arg(long)]
        fix: bool,
    },
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// Options of `exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The message; `-`, or none where standard input is no terminal, reads it from there
    #[arg(value_name = "PROMPT")]
    pub prompt: Option<String>,
    /// Print one JSON event a line
    #[arg(long)]
    pub json: bool,
    /// Use the scripted offline model; tools, sandbox and snapshots are real
    #[arg(long)]
    pub demo: bool,
    /// Go on with the latest session
    #[arg(short = 'c', long = "continue", conflicts_with = "session")]
    pub continue_latest: bool,
    /// Go on with this session (id, unique beginning of one, or `last`)
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Copy this project into the new session; in a Git checkout what Git tracks and what it does not ignore
    #[arg(long, value_name = "DIR", conflicts_with_all = ["continue_latest", "session"])]
    pub from: Option<PathBuf>,
    /// With --from: copy what Git ignores too
    #[arg(long, requires = "from")]
    pub all: bool,
    /// Copy this file or folder into the mount and tell the model of it
    #[arg(long, value_name = "PATH")]
    pub attach: Vec<PathBuf>,
    /// Ask for a final reply that fits this JSON Schema, and check it
    #[arg(long, value_name = "FILE")]
    pub output_schema: Option<PathBuf>,
    /// Write the final reply to this file as well
    #[arg(long, value_name = "FILE")]
    pub last_message: Option<PathBuf>,
    /// Run the messages of this file, one turn each; a line `---` stands between two
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub prompts: Option<PathBuf>,
}

/// Verbs on sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List the sessions, newest first
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Print the conversation of a session
    Show {
        /// Session id, unique beginning of one, or `last`
        #[arg(value_name = "ID", default_value = "last")]
        id: String,
        /// Print a JSON array of messages
        #[arg(long)]
        json: bool,
    },
    /// Give a session another title
    Rename {
        /// Session id, unique beginning of one, or `last`
        #[arg(value_name = "ID")]
        id: String,
        /// The new title
        #[arg(value_name = "TITLE")]
        title: String,
    },
    /// Delete a session with its files, conversation and snapshots
    Delete {
        /// Session id or unique beginning of one
        #[arg(value_name = "ID")]
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Check a session's log and store
    Fsck {
        /// Session id, unique beginning of one, or `last`
        #[arg(value_name = "ID", default_value = "last")]
        id: String,
    },
}

/// Options of `snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Session id, unique beginning of one, or `last`
    #[arg(long, global = true, value_name = "ID", default_value = "last")]
    pub session: String,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: SnapshotCommand,
}

/// Verbs on snapshots. A snapshot is named by four or more digits of its id, by `head` or by `head~N`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// List the snapshots, newest first
    List,
    /// Show one snapshot and what changed in it
    Show {
        /// The snapshot
        #[arg(value_name = "ID", default_value = "head")]
        id: String,
    },
    /// Show the difference between two snapshots, or between one and the files as they are now
    Diff {
        /// The older one
        #[arg(value_name = "A", default_value = "head")]
        from: String,
        /// The newer one; the files as they are now when left out
        #[arg(value_name = "B")]
        to: Option<String>,
    },
    /// Take a snapshot of the files as they are now
    Create {
        /// At most 200 characters
        #[arg(value_name = "LABEL")]
        label: Option<String>,
    },
    /// Go back to a snapshot; the present state is kept as a snapshot first
    Restore {
        /// The snapshot
        #[arg(value_name = "ID")]
        id: String,
        /// Only print what would change
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long, short = 'y')]
        yes: bool,
        /// Leave the conversation as it is
        #[arg(long, conflicts_with = "conversation_only")]
        files_only: bool,
        /// Leave the files as they are
        #[arg(long)]
        conversation_only: bool,
    },
    /// Undo the latest rollback or turn
    Undo,
    /// Redo what was undone
    Redo,
    /// Give a snapshot a branch name
    Branch {
        /// The snapshot
        #[arg(value_name = "ID")]
        id: String,
        /// The name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Options of `files`.
#[derive(Debug, Args)]
pub struct FilesArgs {
    /// Session id, unique beginning of one, or `last`
    #[arg(long, global = true, value_name = "ID", default_value = "last")]
    pub session: String,
    /// What to do
    #[command(subcommand)]
    pub command: FilesCommand,
}

/// Verbs on the files of a session. A path is one under the mount, or relative to it.
#[derive(Debug, Subcommand)]
pub enum FilesCommand {
    /// List the files as a tree
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Copy a file or folder to this machine; `-` prints a file
    Get {
        /// The file or folder in the session
        #[arg(value_name = "PATH")]
        path: String,
        /// A new name, a folder that is there, or `-`
        #[arg(value_name = "DEST")]
        dest: PathBuf,
        /// Replace files that are there; a folder keeps what else is in it
        #[arg(long)]
        force: bool,
    },
    /// Copy a file or folder of this machine into the session
    Put {
        /// The file or folder on this machine
        #[arg(value_name = "SRC")]
        source: PathBuf,
        /// A new name, or a folder that is there or ends in a slash; the top of the mount when left out
        #[arg(value_name = "PATH")]
        path: Option<String>,
        /// Replace files that are there; a folder keeps what else is in it
        #[arg(long)]
        force: bool,
    },
    /// Bring what the session changed to the project that it holds a copy of; shown first
    Apply {
        /// The project; where it was copied from when left out
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Do not ask
        #[arg(long, short = 'y')]
        yes: bool,
        /// What to do with files that changed on both sides: `markers` writes both versions
        #[arg(long, value_name = "HOW", value_enum)]
        conflicts: Option<ConflictStyle>,
        /// Bring everything since the copy, also what was brought before
        #[arg(long)]
        since_copy: bool,
        /// Print the patch as `git apply` reads it, and write nothing
        #[arg(long, conflicts_with = "yes")]
        patch: bool,
    },
}

/// Values of `--conflicts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConflictStyle {
    /// Both versions with markers between them
    Markers,
}

/// Verbs on tools.
#[derive(Debug, Subcommand)]
pub enum ToolCommand {
    /// List the tools, and why one cannot be used here
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Call a tool in a session, as the model would
    Call {
        /// The tool, such as `mshtools-shell` or `shell`
        #[arg(value_name = "NAME")]
        name: String,
        /// Its arguments as a JSON object; `-` reads them from standard input
        #[arg(value_name = "JSON", default_value = "{}")]
        arguments: String,
        /// Session id, unique beginning of one, `last`, or `new` [default: the latest, or a new one]
        #[arg(long, value_name = "ID")]
        session: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Verbs on the spec bundle.
#[derive(Debug, Subcommand)]
pub enum SpecCommand {
    /// Print the system prompt and the manifest in use
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what in a bundle does not fit the tools
    Check {
        /// A folder with `system_prompt.md` and `tools.json`; the bundle in use when left out
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
}

/// Verbs on deployed websites.
#[derive(Debug, Subcommand)]
pub enum DeployCommand {
    /// List the deployed websites of all sessions
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Serve deployed websites until Ctrl-C
    Serve {
        /// Only this one, by its six digits
        #[arg(value_name = "ID")]
        id: Option<String>,
    },
    /// Remove a deployed website; the folder in the workspace stays
    Remove {
        /// Its six digits
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Verbs on the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print where the configuration file is
    Path,
    /// Print each value and where it comes from; a key is never shown
    Show {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Report all problems at once
    Check {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Write a commented configuration file to start from
    Init,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_prompt_and_a_command_are_told_apart() {
        let cli = Cli::try_parse_from(["okcvm", "make a page"]).expect("prompt");
        assert_eq!(cli.screen.prompt.as_deref(), Some("make a page"));
        assert!(cli.command.is_none());
        let cli = Cli::try_parse_from(["okcvm", "exec", "--json", "make a page"]).expect("exec");
        assert!(matches!(cli.command, Some(Command::Exec(ExecArgs { json: true, .. }))));
        let cli = Cli::try_parse_from(["okcvm", "--resume"]).expect("resume");
        assert_eq!(cli.screen.resume.as_deref(), Some(""));
        let cli = Cli::try_parse_from(["okcvm", "snapshot", "list", "--json", "--session", "12ab"]).expect("list");
        assert!(matches!(cli.command, Some(Command::Snapshot(SnapshotArgs { json: true, .. }))));
        let cli = Cli::try_parse_from(["okcvm", "exec"]).expect("exec");
        assert!(matches!(cli.command, Some(Command::Exec(ExecArgs { prompt: None, .. }))));
        assert!(Cli::try_parse_from(["okcvm", "--continue", "--resume", "x"]).is_err());
    }
}
