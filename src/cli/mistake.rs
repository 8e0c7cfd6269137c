//! Reads the command line, and tells what was probably meant where it does not fit.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser as _};

use super::args::{Cli, Command, ScreenArgs};

impl Cli {
    /// Reads a command line. What stands before a command may be an option that every command takes, but none of the
    /// screen's: it would be left unheard.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let words: Vec<OsString> = words.into_iter().collect();
        let cli = Self::try_parse_from(&words).map_err(|error| explain(error, &words))?;
        let ScreenArgs { prompt, continue_latest, resume, from, all, demo } = &cli.screen;
        let given = [
            (prompt.is_some(), "a message"),
            (*continue_latest, "--continue"),
            (resume.is_some(), "--resume"),
            (from.is_some(), "--from"),
            (*all, "--all"),
            (*demo, "--demo"),
        ];
        if let Some(command) = &cli.command
            && let Some((_, what)) = given.into_iter().find(|(given, _)| *given)
        {
            let mut told = format!("{what} before a command belongs to the screen and cannot be used with the command");
            if matches!(command, Command::Exec(_)) {
                told.push_str("; options of exec stand after the word exec");
            }
            return Err(Self::command().error(ErrorKind::ArgumentConflict, told));
        }
        Ok(cli)
    }
}

/// Adds what to do next to clap's complaint about a word too many: a mistyped command, or a message without quotes.
fn explain(error: clap::Error, words: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(extra)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() != ErrorKind::UnknownArgument || extra.starts_with('-') {
        return error;
    }
    let command = Cli::command();
    let first = words.iter().skip(1).filter_map(|word| word.to_str()).find(|word| !word.starts_with('-'));
    let near = |word: &str| {
        let names = command.get_subcommands().map(clap::Command::get_name);
        let scored = names.map(|name| (strsim::damerau_levenshtein(word, name), name));
        scored
            .min()
            .filter(|(distance, name)| (1..=2).contains(distance) && *distance < name.len() / 2)
            .map(|(_, name)| name)
    };
    let told = match first.and_then(|word| Some((word, near(word)?))) {
        Some((word, near)) => format!("there is no command {word:?}; did you mean `okcvm {near}`?"),
        None => format!("unexpected word {extra:?}: a message of several words needs quotes"),
    };
    Cli::command().error(ErrorKind::UnknownArgument, told)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::cli::args::SandboxMode;

    fn told(words: &[&str]) -> String {
        Cli::read(words.iter().map(OsString::from)).expect_err("refused").to_string()
    }

    #[test]
    fn a_mistyped_command_is_named_and_a_message_wants_quotes() {
        assert!(told(&["okcvm", "sesion", "list"]).contains("did you mean `okcvm session`?"));
        assert!(told(&["okcvm", "exek", "hi"]).contains("did you mean `okcvm exec`?"));
        assert!(told(&["okcvm", "hello", "world"]).contains("needs quotes"));
        assert!(told(&["okcvm", "exec", "hi", "there"]).contains("unexpected word \"there\""));
        assert!(told(&["okcvm", "--nosuch"]).contains("--nosuch"));
    }

    #[test]
    fn options_of_every_command_may_stand_before_it_and_those_of_the_screen_may_not() {
        let read = |words: &[&str]| Cli::read(words.iter().map(OsString::from));
        let cli = read(&["okcvm", "--sandbox", "off", "--data-dir", "/d", "tool", "call", "shell"]).expect("options");
        assert_eq!((cli.global.sandbox, cli.global.data_dir), (Some(SandboxMode::Off), Some(PathBuf::from("/d"))));
        assert!(matches!(cli.command, Some(Command::Tool(_))));
        let cli = read(&["okcvm", "--model", "m", "exec", "--demo", "hello"]).expect("exec");
        assert_eq!(cli.global.model.as_deref(), Some("m"));
        for (words, told) in [
            (&["okcvm", "hello", "session", "list"] as &[&str], "a message before a command"),
            (&["okcvm", "-c", "session", "list"], "--continue before a command"),
            (&["okcvm", "--resume=ab12", "session", "list"], "--resume before a command"),
            (&["okcvm", "--demo", "exec", "hello"], "stand after the word exec"),
        ] {
            let error = read(words).expect_err("refused");
            assert!(error.to_string().contains(told) && error.use_stderr(), "{error}");
        }
    }
}
