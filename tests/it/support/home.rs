//! A home of a test's own: HOME and every XDG folder below one temporary folder, an environment built from nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A temporary home and the environment that points to it.
pub struct TestHome {
    folder: tempfile::TempDir,
    env: BTreeMap<String, OsString>,
}

impl TestHome {
    /// A fresh home. It is readable for other accounts, because tools of root run under another uid.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("okcvm-test-").tempdir().expect("temporary home");
        let root = folder.path().to_path_buf();
        let mut env = BTreeMap::new();
        for (name, path) in [
            ("HOME", root.clone()),
            ("XDG_CONFIG_HOME", root.join("config")),
            ("XDG_DATA_HOME", root.join("data")),
            ("XDG_STATE_HOME", root.join("state")),
            ("XDG_CACHE_HOME", root.join("cache")),
            ("XDG_RUNTIME_DIR", root.join("run")),
        ] {
            std::fs::create_dir_all(&path).expect("folder of the test home");
            env.insert(name.to_owned(), path.into_os_string());
        }
        env.insert("PATH".to_owned(), std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        env.insert("LANG".to_owned(), "C.UTF-8".into());
        env.insert("TERM".to_owned(), "xterm-256color".into());
        env.insert("TZ".to_owned(), "UTC".into());
        if let Some(strict) = std::env::var_os("OKCVM_TEST_STRICT") {
            env.insert("OKCVM_TEST_STRICT".to_owned(), strict);
        }
        Self { folder, env }
    }

    /// The folder that is HOME.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `$XDG_DATA_HOME/okcvm/sessions`.
    pub fn sessions(&self) -> PathBuf {
        self.path().join("data/okcvm/sessions")
    }

    /// `$XDG_CONFIG_HOME/okcvm/config.yaml`.
    pub fn config_file(&self) -> PathBuf {
        self.path().join("config/okcvm/config.yaml")
    }

    /// Writes the configuration file with mode 0600.
    pub fn write_config(&self, yaml: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.config_file();
        std::fs::create_dir_all(file.parent().expect("parent")).expect("config folder");
        std::fs::write(&file, yaml).expect("config file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("mode");
    }

    /// Sets a variable for every command of this home.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.insert(name.to_owned(), value.into());
    }

    /// The environment as pairs.
    pub fn env(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.env.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The program with these arguments, in this home's environment and folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_okcvm"));
        command.args(args).env_clear().current_dir(self.path()).stdin(Stdio::null());
        for (name, value) in self.env() {
            command.env(name, value);
        }
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().expect("the program starts"))
    }

    /// Runs the program with this on standard input.
    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        use std::io::Write as _;
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        // A program that does not read its input may end first; that is for the test's assertions to judge.
        let _ = child.stdin.take().expect("standard input").write_all(input);
        Ran::from(child.wait_with_output().expect("the program ends"))
    }
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// Standard output as one JSON value.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Standard output as one JSON value a line.
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}")))
            .collect()
    }

    /// Fails the test unless the exit code is this one.
    #[track_caller]
    pub fn assert_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}
