//! Everything that a key, the palette or the help can mean: one table.
//!
//! Help, hints, palette, README and man page are drawn from [`TABLE`]. Names are stable: configurations rebind keys
//! by them.

/// Where a key has a meaning. A chord is looked up in the scope that has the focus first, then in the wider ones
/// (see [`Scope::chain`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// In the composer.
    Composer,
    /// In every pane.
    Pane,
    /// In the chat.
    Chat,
    /// In the tool trace.
    Trace,
    /// In the snapshots.
    Snapshots,
    /// In the todo list.
    Todo,
    /// In the preview.
    Preview,
    /// In a dialog, a list to pick from, or the viewer.
    Dialog,
    /// In a line of text that is being typed: keys are text.
    Text,
}

impl Scope {
    /// The scopes in which a chord is looked up, nearest first.
    pub fn chain(self) -> &'static [Scope] {
        match self {
            Self::Global => &[Self::Global],
            Self::Composer => &[Self::Composer, Self::Global],
            Self::Pane => &[Self::Pane, Self::Global],
            Self::Chat => &[Self::Chat, Self::Pane, Self::Global],
            Self::Trace => &[Self::Trace, Self::Pane, Self::Global],
            Self::Snapshots => &[Self::Snapshots, Self::Pane, Self::Global],
            Self::Todo => &[Self::Todo, Self::Pane, Self::Global],
            Self::Preview => &[Self::Preview, Self::Pane, Self::Global],
            Self::Dialog => &[Self::Dialog, Self::Global],
            Self::Text => &[Self::Text],
        }
    }

    /// Its heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "Anywhere",
            Self::Composer => "Composer",
            Self::Pane => "Any pane",
            Self::Chat => "Chat",
            Self::Trace => "Trace",
            Self::Snapshots => "Snapshots",
            Self::Todo => "Todo",
            Self::Preview => "Preview",
            Self::Dialog => "Dialogs and lists",
            Self::Text => "A line of text",
        }
    }
}

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant's sentence stands in TABLE, where people read it too")]
pub enum Action {
    ShowChat,
    ShowTrace,
    ShowSnapshots,
    ShowTodo,
    ShowPreview,
    FocusNext,
    FocusPrevious,
    Palette,
    Help,
    Redraw,
    Cancel,
    Suspend,
    Setup,
    Answer,
    Voice,
    Quit,

    Submit,
    Newline,
    HistoryPrevious,
    HistoryNext,
    ScrollUp,
    ScrollDown,
    SearchHistory,
    Editor,
    Interrupt,
    AskQuit,
    EditPrevious,
    Detach,

    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    Back,
    Zoom,
    Search,
    SearchNext,
    SearchPrevious,
    Copy,
    CopyHostPath,
    OpenOutside,
    Fold,

    EndCall,
    TypeInto,
    FullOutput,
    RebuildKernel,

    Restore,
    Undo,
    Redo,
    Name,
    Branch,
    Mark,
    DiffMarked,
    ToggleTree,

    NextPage,
    PreviousPage,
    Save,

    Confirm,
    Dismiss,
    NextChoice,
    PreviousChoice,
    DialogUp,
    DialogDown,
    DialogPageUp,
    DialogPageDown,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct ActionRow {
    /// The action.
    pub action: Action,
    /// Its name in configurations.
    pub name: &'static str,
    /// What it does, as a sentence without a full stop.
    pub sentence: &'static str,
    /// One or two words for the hint line.
    pub short: &'static str,
    /// Where it works.
    pub scope: Scope,
    /// Its keys unless they are rebound; the first one is shown in hints.
    pub keys: &'static [&'static str],
}

const fn row(
    scope: Scope,
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    short: &'static str,
    sentence: &'static str,
) -> ActionRow {
    ActionRow { action, name, sentence, short, scope, keys }
}

/// All actions, in the order of the help.
#[rustfmt::skip]
pub const TABLE: &[ActionRow] = &[
    row(Scope::Global, Action::ShowChat, "show_chat", &["f2", "alt+2"], "chat", "Show the chat; once more to walk through it"),
    row(Scope::Global, Action::ShowTrace, "show_trace", &["f3", "alt+3"], "trace", "Show the tool trace"),
    row(Scope::Global, Action::ShowSnapshots, "show_snapshots", &["f4", "alt+4"], "snapshots", "Show the snapshots"),
    row(Scope::Global, Action::ShowTodo, "show_todo", &["f6", "alt+6"], "todo", "Show the todo list"),
    row(Scope::Global, Action::ShowPreview, "show_preview", &["f7", "alt+7"], "preview", "Show what was made: pages, slides, pictures, recordings, documents"),
    row(Scope::Global, Action::FocusNext, "focus_next", &["tab"], "next pane", "Move to the next pane on the screen"),
    row(Scope::Global, Action::FocusPrevious, "focus_previous", &["shift+tab"], "previous pane", "Move to the previous pane on the screen"),
    row(Scope::Global, Action::Palette, "palette", &["ctrl+p"], "commands", "Find a command by typing a part of it"),
    row(Scope::Global, Action::Help, "help", &["f1"], "help", "Show all keys and commands"),
    row(Scope::Global, Action::Redraw, "redraw", &["ctrl+l"], "redraw", "Draw the whole screen again"),
    row(Scope::Global, Action::Cancel, "cancel", &["ctrl+c"], "cancel", "Clear the composer, else stop the turn, else ask to quit; twice within 2 s it quits"),
    row(Scope::Global, Action::Suspend, "suspend", &["ctrl+z"], "suspend", "Go back to the shell; fg brings okcvm back"),
    row(Scope::Global, Action::Setup, "setup", &[], "setup", "Change models, keys and endpoints"),
    row(Scope::Global, Action::Answer, "answer", &["alt+i"], "type", "Type into the running call, such as one that waits for input"),
    row(Scope::Global, Action::Voice, "voice", &["alt+v"], "voice", "Speak a message: begin to record, or end it and write what was said"),
    row(Scope::Global, Action::Quit, "quit", &[], "quit", "Save everything and quit"),

    row(Scope::Composer, Action::Submit, "submit", &["enter"], "send", "Send the message"),
    row(Scope::Composer, Action::Newline, "newline", &["alt+enter", "ctrl+j", "shift+enter"], "line", "Start a new line in the message"),
    row(Scope::Composer, Action::HistoryPrevious, "history_previous", &["up"], "history", "Move up; on the first line bring back the message before"),
    row(Scope::Composer, Action::HistoryNext, "history_next", &["down"], "history", "Move down; on the last line bring back the message after"),
    row(Scope::Composer, Action::ScrollUp, "scroll_up", &["pageup"], "scroll", "Scroll the chat up"),
    row(Scope::Composer, Action::ScrollDown, "scroll_down", &["pagedown"], "scroll", "Scroll the chat down; at its end it follows again"),
    row(Scope::Composer, Action::SearchHistory, "search_history", &["ctrl+r"], "search history", "Search the messages sent before"),
    row(Scope::Composer, Action::Editor, "editor", &["ctrl+g"], "editor", "Write the message in $VISUAL or $EDITOR"),
    row(Scope::Composer, Action::Interrupt, "interrupt", &["esc"], "stop", "Stop the turn; pressed twice while idle it brings back the previous message"),
    row(Scope::Composer, Action::AskQuit, "ask_quit", &["ctrl+d"], "quit", "In an empty composer do what cancel does; else delete the next character"),
    row(Scope::Composer, Action::EditPrevious, "edit_previous", &[], "edit previous", "Bring the previous message back into the composer"),
    row(Scope::Composer, Action::Detach, "detach", &["alt+a"], "take off", "Take the file that was attached last off the message"),

    row(Scope::Pane, Action::Up, "up", &["k", "up"], "up", "Move up"),
    row(Scope::Pane, Action::Down, "down", &["j", "down"], "down", "Move down"),
    row(Scope::Pane, Action::PageUp, "page_up", &["pageup"], "page up", "Move up by a page"),
    row(Scope::Pane, Action::PageDown, "page_down", &["pagedown"], "page down", "Move down by a page"),
    row(Scope::Pane, Action::Top, "top", &["g", "home"], "top", "Move to the beginning"),
    row(Scope::Pane, Action::Bottom, "bottom", &["shift+g", "end"], "end", "Move to the end"),
    row(Scope::Pane, Action::Open, "open", &["enter"], "open", "Open what is selected"),
    row(Scope::Pane, Action::Back, "back", &["esc"], "back", "Close what is open, or go back to the composer"),
    row(Scope::Pane, Action::Zoom, "zoom", &["z"], "zoom", "Give the pane the whole screen, or take it back"),
    row(Scope::Pane, Action::Search, "search", &["/"], "search", "Search in the pane"),
    row(Scope::Pane, Action::SearchNext, "search_next", &["n"], "next", "Go to the next place found"),
    row(Scope::Pane, Action::SearchPrevious, "search_previous", &["shift+n"], "previous", "Go to the previous place found"),
    row(Scope::Pane, Action::Copy, "copy", &["y"], "copy", "Copy what is selected"),
    row(Scope::Pane, Action::CopyHostPath, "copy_host_path", &["shift+y"], "copy path", "Copy the path on this machine of the file that is named there"),
    row(Scope::Pane, Action::OpenOutside, "open_outside", &["o"], "outside", "Open what is selected in the pager; in the preview with the program for it"),
    row(Scope::Pane, Action::Fold, "fold", &["f"], "fold", "Fold or unfold what is selected"),

    row(Scope::Trace, Action::EndCall, "end_call", &["x"], "end it", "End the running call or the background job; the turn goes on"),
    row(Scope::Trace, Action::TypeInto, "type_into", &["i"], "type", "Type into the running call"),
    row(Scope::Trace, Action::FullOutput, "full_output", &["v"], "full output", "Show the whole output of the call"),
    row(Scope::Trace, Action::RebuildKernel, "rebuild_kernel", &["shift+r"], "rebuild kernel", "Run the cells of the conversation again in a fresh kernel"),

    row(Scope::Snapshots, Action::Restore, "restore", &["r"], "roll back", "Show what a rollback would do, then roll back"),
    row(Scope::Snapshots, Action::Undo, "undo", &["u"], "undo", "Undo the latest rollback or turn"),
    row(Scope::Snapshots, Action::Redo, "redo", &["shift+u"], "redo", "Redo what was undone"),
    row(Scope::Snapshots, Action::Name, "name", &["n"], "name", "Make a named snapshot of the files as they are"),
    row(Scope::Snapshots, Action::Branch, "branch", &["b"], "branch", "Give the selected snapshot a branch name"),
    row(Scope::Snapshots, Action::Mark, "mark", &["space"], "mark", "Mark the snapshot for a comparison"),
    row(Scope::Snapshots, Action::DiffMarked, "diff_marked", &["d"], "diff marked", "Compare the two marked snapshots"),
    row(Scope::Snapshots, Action::ToggleTree, "toggle_tree", &["t"], "tree", "Switch between timeline and tree"),

    row(Scope::Preview, Action::NextPage, "next_page", &["right", "n", "l"], "next", "Go to the next slide, or the next picture of a page"),
    row(Scope::Preview, Action::PreviousPage, "previous_page", &["left", "p", "h"], "previous", "Go to the slide or picture before"),
    row(Scope::Preview, Action::Save, "save", &["s"], "save", "Copy what is selected to this machine: a file, a deck, the folder of a page"),

    row(Scope::Dialog, Action::Confirm, "confirm", &["enter"], "yes", "Do it"),
    row(Scope::Dialog, Action::Dismiss, "dismiss", &["esc", "q"], "close", "Close without doing it"),
    row(Scope::Dialog, Action::NextChoice, "next_choice", &["right", "tab", "l"], "choice", "Take the next choice"),
    row(Scope::Dialog, Action::PreviousChoice, "previous_choice", &["left", "shift+tab", "h"], "choice", "Take the previous choice"),
    row(Scope::Dialog, Action::DialogUp, "dialog_up", &["up", "k"], "up", "Scroll up"),
    row(Scope::Dialog, Action::DialogDown, "dialog_down", &["down", "j"], "down", "Scroll down"),
    row(Scope::Dialog, Action::DialogPageUp, "dialog_page_up", &["pageup"], "page up", "Scroll up by a page"),
    row(Scope::Dialog, Action::DialogPageDown, "dialog_page_down", &["pagedown", "space"], "page down", "Scroll down by a page"),
];

/// Keys that edit the message, as they are in a shell. They stand in the help and are not rebound.
pub const EDITING: &[(&str, &str)] = &[
    ("Ctrl+A, Ctrl+E", "Go to the beginning or the end of the line"),
    ("Alt+B, Alt+F", "Go back or forward by a word"),
    ("Ctrl+W, Alt+D", "Delete the word before or after the caret"),
    ("Ctrl+U, Ctrl+K", "Delete to the beginning or the end of the line"),
    ("Ctrl+Y", "Put back what was deleted last"),
    ("Ctrl+_", "Take back the latest edit"),
];

impl Action {
    /// Its row.
    pub fn row(self) -> &'static ActionRow {
        // The first row stands for an action without one; a test shows that there is none.
        TABLE.iter().find(|row| row.action == self).unwrap_or(&TABLE[0])
    }

    /// The action of that name.
    pub fn parse(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.action)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_has_one_row_and_one_name() {
        let actions: BTreeSet<_> = TABLE.iter().map(|row| row.action).collect();
        let names: BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(actions.len(), TABLE.len());
        assert_eq!(names.len(), TABLE.len());
        // `DialogPageDown` is the last variant; variants are numbered from nought.
        assert_eq!(TABLE.len(), Action::DialogPageDown as usize + 1, "a variant without a row");
    }

    #[test]
    fn sentences_are_short_and_end_without_a_full_stop() {
        for row in TABLE {
            assert!(!row.sentence.ends_with('.') && row.sentence.len() < 100, "{}", row.name);
            assert!(row.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", row.name);
        }
    }
}
