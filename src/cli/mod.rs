//! The command line and the composition root.

pub mod args;
pub mod bootstrap;
mod config_check;
pub mod config_command;
pub mod deploy;
pub mod doctor;
pub mod exec;
pub mod files;
mod mistake;
pub mod output;
mod panic;
mod pictures;
mod previews;
mod project;
pub mod reference;
pub mod report;
mod sandbox_choice;
pub mod screen;
pub mod session;
pub mod setup_services;
mod shots;
pub mod snapshot;
pub mod spec_command;
pub mod tool;
pub mod transcribe;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory as _;

use args::{Cli, Command, ConfigCommand, SpecCommand};
use bootstrap::load_options;
use config_command::ConfigAction;
use report::Outcome;
use spec_command::SpecAction;

/// Runs the program: reads the command line, does what it says, prints what went wrong.
pub fn run() -> ExitCode {
    panic::install();
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: clap prints them to standard output, in its colours. An error quotes words of
            // the command line, which may be names of files.
            let _ = if error.use_stderr() { write!(output::err(), "{}", error.render()) } else { error.print() };
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print(&mut output::err());
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(cli: Cli) -> Outcome {
    let Cli { screen: screen_args, global, command } = cli;
    let Some(command) = command else {
        return screen::run(&global, screen_args);
    };
    match command {
        Command::Exec(args) => exec::run(&global, args),
        Command::Session(command) => session::run(&global, command),
        Command::Snapshot(args) => snapshot::run(&global, args),
        Command::Files(args) => files::run(&global, args),
        Command::Tool(command) => tool::run(&global, command),
        Command::Doctor { json, fix } => doctor::run(&global, json, fix),
        Command::Deploy(command) => deploy::run(&global, command),
        Command::Transcribe { file, json } => transcribe::run(&global, &file, json),
        Command::Spec(command) => {
            let options = load_options(&global)?;
            let (action, json) = match command {
                SpecCommand::Show { json } => (SpecAction::Show { json }, json),
                SpecCommand::Check { dir, json } => (SpecAction::Check { dir, json }, json),
            };
            let known = crate::tools::known_names();
            let setup = bootstrap::Setup::from_options(options, bootstrap::Keys::NotNeeded)?;
            let dir = setup.loaded.config.spec.dir.as_deref();
            Ok(spec_command::run(&action, dir, &known, &mut output::out(json), &mut output::err()))
        }
        Command::Config(command) => {
            let options = load_options(&global)?;
            let (action, json) = match command {
                ConfigCommand::Path => (ConfigAction::Path, false),
                ConfigCommand::Show { json } => (ConfigAction::Show { json }, json),
                ConfigCommand::Check { json } => (ConfigAction::Check { json }, json),
                ConfigCommand::Init => (ConfigAction::Init, false),
            };
            Ok(config_command::run(&action, &options, &mut output::out(json), &mut output::err()))
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "okcvm", &mut script);
            io::stdout().lock().write_all(&script)?;
            Ok(0)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            io::stdout().lock().write_all(&page)?;
            Ok(0)
        }
    }
}
