//! Snapshots, rollback and recovery against real files and the real git: the ledger as the engine uses it.

mod capture;
mod crash;
mod damage;
mod graph;
mod restore;
mod spill;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use okcvm::config::SnapshotSection;
use okcvm::protocol::{NodeId, SessionId, TurnId, TurnOutcome};
use okcvm::session::{Record, SessionFolder, SessionLock};
use okcvm::snapshot::Captured;
use okcvm::support::clock::SystemClock;
use okcvm::vm::{CloseTurn, Ledger, LedgerOptions, Resumed};

/// A session in a temporary folder.
struct Session {
    _dir: tempfile::TempDir,
    root: PathBuf,
}

impl Session {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let id = SessionId::from_random(0x5e55_1011);
        let folder = SessionFolder::create(dir.path(), &id, &jiff::Zoned::now()).expect("session");
        Self { root: folder.root().to_owned(), _dir: dir }
    }

    fn open(&self) -> (Ledger, Resumed) {
        self.try_open(SnapshotSection::default()).expect("open")
    }

    fn try_open(&self, snapshots: SnapshotSection) -> Result<(Ledger, Resumed), okcvm::vm::LedgerError> {
        let folder = SessionFolder::open(&self.root).expect("folder");
        let lock = SessionLock::acquire(&folder, "test").expect("lock");
        Ledger::open(
            folder,
            lock,
            LedgerOptions { snapshots, owner: None, deployments: None, clock: Arc::new(SystemClock) },
        )
    }

    fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folders");
        fs::write(path, text).expect("write");
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.work().join(path)).expect("read")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("PATH"))
            .env("HOME", "/nonexistent")
            .arg("--git-dir")
            .arg(self.root.join("state.git"))
            .args(arguments)
            .output()
            .expect("git");
        assert!(
            output.status.success(),
            "git {arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn fsck(&self) {
        let told = self.git(&["fsck", "--strict", "--full", "--no-dangling"]);
        assert_eq!(told.trim(), "", "git fsck");
    }
}

/// One whole turn; what it does to the files happens in between.
fn turn(ledger: &mut Ledger, text: &str, files: impl FnOnce()) -> Captured {
    turn_with(ledger, text, Vec::new(), files)
}

fn turn_with(ledger: &mut Ledger, text: &str, state: Vec<(String, Vec<u8>)>, files: impl FnOnce()) -> Captured {
    let id = TurnId::now();
    ledger.submit(id, text, &[], Vec::new()).expect("submit");
    files();
    let reply = format!("done: {text}");
    let said = Record::Assistant {
        turn: Some(id),
        text: reply.clone(),
        reasoning: None,
        tool_calls: Vec::new(),
        model: "test".to_owned(),
    };
    ledger.append(&said).expect("append");
    ledger.close_turn(close(id, &reply, state)).expect("close")
}

fn close(turn: TurnId, reply: &str, state: Vec<(String, Vec<u8>)>) -> CloseTurn {
    CloseTurn { turn, outcome: TurnOutcome::Completed, reply: reply.to_owned(), state }
}

/// What the user said, in the ledger's conversation.
fn asked(ledger: &mut Ledger) -> Vec<String> {
    ledger
        .conversation()
        .expect("conversation")
        .into_iter()
        .filter_map(|message| match message {
            okcvm::protocol::Message::User { text, .. } => Some(text),
            _ => None,
        })
        .collect()
}

/// Everything below a folder: kind, mode and content by path.
fn listing(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, out: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).expect("read folder") {
            let path = entry.expect("entry").path();
            let data = fs::symlink_metadata(&path).expect("metadata");
            let name = path.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
            let mode = data.permissions().mode() & 0o1777;
            let told = if data.is_symlink() {
                format!("link {}", fs::read_link(&path).expect("link").display())
            } else if data.is_dir() {
                walk(root, &path, out);
                format!("dir {mode:o}")
            } else if data.is_file() {
                format!("file {mode:o} {}", String::from_utf8_lossy(&fs::read(&path).expect("read")))
            } else {
                format!("special {:o}", data.mode())
            };
            out.insert(name, told);
        }
    }
    let mut out = BTreeMap::new();
    walk(root, root, &mut out);
    out
}

fn short(id: &NodeId) -> &str {
    id.short()
}
