//! `okcvm config path | show | check | init`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use crate::config::{self, EXAMPLE, LoadOptions, Loaded, Problem};
use crate::support::{atomic_file, sanitize};

/// What is asked of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigAction {
    /// Where the file is.
    Path,
    /// Each value and its source.
    Show {
        /// As JSON.
        json: bool,
    },
    /// All problems.
    Check {
        /// As JSON.
        json: bool,
    },
    /// Write the commented example.
    Init,
}

/// Does it. The answer is the exit code: 0, 1 when nothing could be written, 2 for problems of the configuration.
pub fn run(action: &ConfigAction, options: &LoadOptions, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let done = match action {
        ConfigAction::Path => path(options, out, err),
        ConfigAction::Show { json } => show(options, *json, out, err),
        ConfigAction::Check { json } => check(options, *json, out, err),
        ConfigAction::Init => init(options, out, err),
    };
    finish(done, err)
}

/// The exit code of a command that writes: a reader that left is no failure.
pub(super) fn finish(done: io::Result<u8>, err: &mut dyn Write) -> u8 {
    match done {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            // Nothing is left to tell it to when this fails as well.
            let _ = writeln!(err, "error: cannot write the output: {error}");
            1
        }
    }
}

/// Prints problems with their hints, one after the other.
pub fn report(problems: &[Problem], err: &mut dyn Write) -> io::Result<()> {
    problems.iter().try_for_each(|problem| tell("error", problem, err))
}

/// Prints warnings in the same way.
pub fn warn(warnings: &[Problem], err: &mut dyn Write) -> io::Result<()> {
    warnings.iter().try_for_each(|warning| tell("warning", warning, err))
}

fn tell(word: &str, problem: &Problem, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "{word}: {}", sanitize::text(&problem.to_string()))?;
    match &problem.hint {
        Some(hint) => writeln!(to, "hint: {}", sanitize::text(hint)),
        None => Ok(()),
    }
}

fn path(options: &LoadOptions, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    match config::paths(options) {
        Ok(paths) => {
            // The path itself and nothing else, byte for byte, for scripts.
            use std::os::unix::ffi::OsStrExt as _;
            out.write_all(paths.config_file.as_os_str().as_bytes())?;
            writeln!(out)?;
            Ok(0)
        }
        Err(error) => {
            report(&error.problems(), err)?;
            Ok(2)
        }
    }
}

fn show(options: &LoadOptions, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    // An unset key variable is no reason to hide everything else.
    let loaded = match config::load_keyless(options) {
        Ok(loaded) => loaded,
        Err(error) => {
            report(&error.problems(), err)?;
            return Ok(2);
        }
    };
    if json {
        let rows: Vec<_> = loaded
            .values
            .iter()
            .map(|row| {
                json!({
                    "path": row.path,
                    "value": row.value,
                    "source": row.source.kind(),
                    "origin": row.source.to_string(),
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::Value::Array(rows))?;
        return Ok(0);
    }
    let width = |text: &str| unicode_width::UnicodeWidthStr::width(text);
    let rows: Vec<_> = loaded
        .values
        .iter()
        .map(|row| (sanitize::line(&row.path), sanitize::line(&row.value), sanitize::line(&row.source.to_string())))
        .collect();
    let names = rows.iter().map(|row| width(&row.0)).max().unwrap_or_default();
    // One long value does not push all sources off the screen.
    let values = rows.iter().map(|row| width(&row.1)).filter(|width| *width <= 44).max().unwrap_or_default();
    for (name, value, source) in &rows {
        let mut line = format!("{name}{}  {value}", " ".repeat(names - width(name)));
        // Writing to a String cannot fail.
        let _ = write!(line, "{}  {source}", " ".repeat(values.saturating_sub(width(value))));
        writeln!(out, "{line}")?;
    }
    Ok(0)
}

/// One line of `config check`.
fn row(severity: &str, problem: &Problem) -> serde_json::Value {
    json!({
        "severity": severity,
        "file": problem.file.as_ref().map(|file| file.display().to_string()),
        "line": problem.line,
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    })
}

fn check(options: &LoadOptions, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let (problems, warnings, place) = match config::load(options) {
        Ok(loaded) => {
            let place = place(&loaded);
            let mut problems = questions(&loaded);
            problems.extend(super::config_check::problems(&loaded));
            (problems, loaded.warnings, place)
        }
        Err(error) => (error.problems(), Vec::new(), String::new()),
    };
    if json {
        let rows = problems.iter().map(|problem| row("error", problem));
        let rows: Vec<_> = rows.chain(warnings.iter().map(|warning| row("warning", warning))).collect();
        writeln!(out, "{}", serde_json::Value::Array(rows))?;
    } else {
        report(&problems, err)?;
        warn(&warnings, err)?;
        match problems.len() {
            0 => writeln!(out, "{place}: no problems")?,
            1 => writeln!(err, "1 problem")?,
            count => writeln!(err, "{count} problems")?,
        }
    }
    Ok(if problems.is_empty() { 0 } else { 2 })
}

/// Keys that wait for the user's word stop everything that talks to a model, so a check names them.
fn questions(loaded: &Loaded) -> Vec<Problem> {
    let problem = |ask: &config::KeyQuestion| Problem {
        file: ask.base_url_source.file().map(Path::to_owned),
        line: None,
        path: format!("{}.base_url", ask.endpoint),
        message: ask.to_string(),
        hint: Some(ask.hint()),
    };
    loaded.asks.iter().map(problem).collect()
}

fn place(loaded: &Loaded) -> String {
    let file = sanitize::line(&loaded.paths.config_file.display().to_string());
    if loaded.paths.config_file.exists() { file } else { format!("{file} (does not exist, defaults are used)") }
}

fn init(options: &LoadOptions, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let file = match config::paths(options) {
        Ok(paths) => paths.config_file,
        Err(error) => {
            report(&error.problems(), err)?;
            return Ok(2);
        }
    };
    let shown = sanitize::line(&file.display().to_string());
    match write_new(&file) {
        Ok(true) => {
            writeln!(out, "wrote {shown}")?;
            Ok(0)
        }
        Ok(false) => {
            writeln!(err, "error: {shown} exists and is left alone")?;
            writeln!(err, "hint: Edit it, or move it away first.")?;
            Ok(2)
        }
        Err(error) => {
            writeln!(err, "error: cannot write {shown}: {error}")?;
            Ok(1)
        }
    }
}

/// Writes the example where nothing is yet; `false` when something is.
fn write_new(file: &Path) -> io::Result<bool> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // A link that leads nowhere is something too: `create_new` does not follow it.
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    };
    let written = opened.write_all(EXAMPLE.as_bytes()).and_then(|()| opened.sync_all());
    if let Err(error) = written {
        // Half an example would be taken for a file of the user's at the next try.
        let _ = std::fs::remove_file(file);
        return Err(error);
    }
    atomic_file::sync_parent(file)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Home(tempfile::TempDir, LoadOptions);

    impl Home {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("folder");
            let env = BTreeMap::from([("HOME".to_owned(), folder.path().display().to_string())]);
            let cwd = folder.path().join("cwd");
            std::fs::create_dir(&cwd).expect("cwd");
            Self(folder, LoadOptions { cwd, env, ..LoadOptions::default() })
        }

        fn with(config: &str) -> Self {
            let home = Self::new();
            config::save(&home.file(), &[]).expect("made");
            std::fs::write(home.file(), config).expect("written");
            home
        }

        fn file(&self) -> std::path::PathBuf {
            self.0.path().join(".config/okcvm/config.yaml")
        }

        fn run(&self, action: ConfigAction) -> (u8, String, String) {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let code = run(&action, &self.1, &mut out, &mut err);
            let home = self.0.path().display().to_string();
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8").replace(&home, "~");
            (code, text(out), text(err))
        }
    }

    #[test]
    fn path_prints_one_line_without_reading_anything() {
        let home = Home::with("chat: [");
        assert_eq!(home.run(ConfigAction::Path), (0, "~/.config/okcvm/config.yaml\n".into(), String::new()));
    }

    #[test]
    fn init_writes_a_private_file_once() {
        let home = Home::new();
        assert_eq!(home.run(ConfigAction::Init), (0, "wrote ~/.config/okcvm/config.yaml\n".into(), String::new()));
        let mode = std::fs::metadata(home.file()).expect("metadata").permissions().mode() & 0o777;
        assert_eq!((std::fs::read_to_string(home.file()).expect("text").as_str(), mode), (EXAMPLE, 0o600));
        let (code, out, err) = home.run(ConfigAction::Init);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.starts_with("error: ~/.config/okcvm/config.yaml exists and is left alone\nhint: "), "{err}");
        assert_eq!(home.run(ConfigAction::Check { json: false }).0, 0);
    }

    #[test]
    fn show_names_each_source_and_no_key() {
        let home = Home::with("chat:\n  model: m\n  base_url: https://x/v1\n  api_key: sk-secret-1234\n");
        let (code, out, err) = home.run(ConfigAction::Show { json: false });
        assert_eq!((code, err.as_str()), (0, ""));
        let line = |start: &str| out.lines().find(|line| line.starts_with(start)).expect("line").to_owned();
        assert_eq!(
            line("chat.model ").split_whitespace().collect::<Vec<_>>(),
            ["chat.model", "m", "~/.config/okcvm/config.yaml"]
        );
        assert_eq!(line("chat.api_key ").split_whitespace().nth(1), Some("[set]"));
        assert!(line("engine.max_rounds").ends_with("  default"));
        assert!(!out.contains("sk-"), "{out}");
        let (_, out, _) = home.run(ConfigAction::Show { json: true });
        let rows: Vec<serde_json::Value> = serde_json::from_str(&out).expect("JSON");
        assert!(rows.contains(&json!({
            "path": "chat.model", "value": "m", "source": "file", "origin": "~/.config/okcvm/config.yaml"
        })));
    }

    #[test]
    fn check_tells_all_problems_with_exit_code_2() {
        let home = Home::with("chat:\n  modle: m\nengine:\n  max_rounds: 0\n");
        let (code, out, err) = home.run(ConfigAction::Check { json: false });
        assert_eq!((code, out.as_str()), (2, ""));
        assert_eq!(
            err,
            "error: ~/.config/okcvm/config.yaml: line 2: chat.modle: unknown field\n\
             hint: Did you mean model?\n\
             error: ~/.config/okcvm/config.yaml: line 4: engine.max_rounds: 0 is out of range: must be from 1 to 1000\n\
             2 problems\n"
        );
        let (code, out, err) = home.run(ConfigAction::Check { json: true });
        assert_eq!((code, err.as_str()), (2, ""));
        let rows: Vec<serde_json::Value> = serde_json::from_str(&out).expect("JSON");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0]["line"], 2);
        assert_eq!(rows[0]["severity"], "error");
    }

    #[test]
    fn check_names_an_address_that_would_draw_a_key() {
        let home = Home::with("chat:\n  model: m\n  base_url: https://x/v1\n  api_key: sk-secret-1234\n");
        assert_eq!(home.run(ConfigAction::Check { json: false }).0, 0);
        std::fs::write(home.1.cwd.join(".env"), "OKCVM_CHAT_BASE_URL=https://evil.example/v1\n").expect("write");
        let (code, _, err) = home.run(ConfigAction::Check { json: false });
        assert_eq!(code, 2);
        assert!(err.contains("would be sent to https://evil.example/v1") && !err.contains("sk-"), "{err}");
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let home = Home::new();
        assert_eq!(run(&ConfigAction::Show { json: false }, &home.1, &mut Gone, &mut Vec::new()), 0);
    }
}
