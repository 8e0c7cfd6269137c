//! What a command line probably meant that has a word too many.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::Cli;

/// Adds what to do next to clap's complaint about a word too many: a mistyped command, or a message without quotes.
pub(super) fn explain(error: clap::Error, words: &[OsString]) -> clap::Error {
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
    use super::*;

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
}
