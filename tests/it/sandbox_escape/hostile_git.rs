//! G rows: repositories whose configuration runs programs, planted in the workspace. What okcvm does with the files on
//! the host must not run them; Git itself does, or a row would prove nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use okcvm::config::schema::SandboxBackend;

use super::table::Row;
use super::word;

/// Rows that plain Git does not fall for either: what they show is read, not run.
const NOTHING_RUNS: &[&str] = &["G13", "G20"];

/// A home in which Git would leave its mark.
struct Place {
    root: PathBuf,
    home: PathBuf,
    work: PathBuf,
}

impl Place {
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("HOME", &self.home).env("LANG", "C.UTF-8");
        let path = std::env::var("PATH").expect("PATH");
        // Whatever asks for a program named git gets one that leaves a mark.
        let path = if program == "git" { path } else { format!("{}:{path}", self.root.join("bin").display()) };
        command.env("PATH", path).env("OKCVM_API_KEY", "sk-ENVSECRET").current_dir(&self.home);
        command
    }

    fn okcvm(&self, backend: SandboxBackend, arguments: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_okcvm"), arguments);
        command.args(["--sandbox", word(backend), "--network", "off", "--data-dir"]).arg(self.root.join("data"));
        command.output().expect("the program starts")
    }

    fn pwned(&self) -> bool {
        self.home.join("gitpwn").exists()
    }

    /// Runs a script in the workspace, with Git as it is before anything hostile is there.
    fn plant(&self, script: &str) {
        let done = self
            .command("bash", &["-ec", script])
            .env("PATH", std::env::var("PATH").expect("PATH"))
            .envs([("PWN", format!("touch {}/gitpwn", self.home.display())), ("W", self.work.display().to_string())])
            .current_dir(&self.work)
            .output()
            .expect("bash");
        assert!(done.status.success(), "{script}: {done:?}");
    }
}

/// The steps that make a row's repository. `$PWN` leaves the mark, `$W` is the workspace.
fn planted(row: &Row, place: &Place) -> String {
    let begin = "export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null\n\
        export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*\n\
        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a\n\
        init() { git init -q \"$1\"; git -C \"$1\" config user.name a; git -C \"$1\" config user.email a@a;\n\
        echo one > \"$1/a\"; git -C \"$1\" add a; git -C \"$1\" commit -qm one; }\n\
        run() { printf '#!/bin/sh\\n%s\\ncat\\n' \"$PWN\" > \"$1\"; chmod +x \"$1\"; }\n\
        init .\n";
    let payload = row.payload.split(" :: ").next().unwrap_or_default();
    let (verb, rest) = payload.split_once(' ').unwrap_or((payload, ""));
    let hook = format!("run .git/hooks/{rest}");
    let sub = "git add sub; git commit -qm sub; echo two > sub/a; echo '* filter=x' > sub/.gitattributes";
    let nested = format!("init sub; {sub}; git -C sub config core.fsmonitor \"$PWN; false\"");
    let filtered = format!("init sub; {sub}; git -C sub config filter.x.clean \"$PWN; cat\"");
    let special = match verb {
        "HOOK" => hook.as_str(),
        "GITFILE" => "git config core.fsmonitor \"$PWN; false\"; mv .git evilgit; echo \"gitdir: $W/evilgit\" > .git",
        "NESTED" => &nested,
        "SUBFILTER" => &filtered,
        "ALTERNATES" => "echo \"$W/../../okcvm-otherone/objects\" > .git/objects/info/alternates",
        "ATTRS" => {
            "echo '* filter=lfs merge=x' > .gitattributes; git config -f ~/.gitconfig filter.lfs.clean \"$PWN; cat\""
        }
        "BAREREPO" => {
            "mkdir bare; git init -q --bare bare/r; mv bare/r/* bare; git -C bare config core.bare false; \
             git -C bare config core.worktree \"$W/bare\"; git -C bare config core.fsmonitor \"$PWN; false\""
        }
        "FDLEAK" => ":",
        _ => "",
    };
    if !special.is_empty() {
        return format!("{begin}{special}\necho two > a\n");
    }
    let config = payload
        .replace("\\n", "\n")
        .replace("\\t", "\t")
        .replace("{WORK}", place.work.to_str().expect("text"))
        .replace("{HOME}", place.home.to_str().expect("text"));
    format!(
        "{begin}mkdir hk; run hk/pre-commit; run gpg.sh\n\
         git config -f evil.cfg core.fsmonitor \"$PWN; false\"\n\
         echo '* filter=x diff=x' > .gitattributes\n\
         cat >> .git/config <<'END'\n{config}\nEND\necho two > a\n"
    )
}

fn place(root: &Path) -> Place {
    let (home, bin) = (root.join("home"), root.join("bin"));
    for folder in [&home, &bin] {
        fs::create_dir_all(folder).expect("folder");
    }
    let git = bin.join("git");
    fs::write(&git, format!("#!/bin/sh\ntouch {}/gitpwn\nexit 1\n", home.display())).expect("program");
    fs::set_permissions(&git, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    Place { root: root.to_owned(), home, work: PathBuf::new() }
}

/// Plants a row in a session of this backend and does with it what okcvm does on the host.
pub fn attack(row: &Row, root: &Path, backend: SandboxBackend) -> Vec<String> {
    let mut place = place(root);
    let ran = |what: &str, output: Output| {
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {what}: {text}", row.id);
        text
    };
    let shell = |command: &str| serde_json::json!({ "command": command }).to_string();
    let began = format!("OKCVM-START-{}", row.id);
    let new = ["tool", "call", "shell", &shell(&format!("echo {began}; echo one > first")), "--session", "new"];
    let text = ran("a new session", place.okcvm(backend, &new));
    assert!(text.contains(&began), "{}: {text}", row.id);
    let sessions = place.root.join("data/sessions");
    let session = fs::read_dir(&sessions).expect("sessions").flatten().next().expect("a session").path();
    place.work = session.join("work");
    ran("a snapshot", place.okcvm(backend, &["snapshot", "create", "before"]));
    place.plant(&planted(row, &place));
    assert!(!place.pwned(), "{}: planting alone left the mark", row.id);

    let id = session.file_name().expect("name").to_str().expect("text").to_owned();
    let mut wrong = Vec::new();
    for step in [
        &["snapshot", "diff"][..],
        &["snapshot", "list"],
        &["snapshot", "create", "planted"],
        &["session", "list"],
        &["session", "show", &id],
        &["session", "fsck", &id],
        &["snapshot", "show", "head"],
        &["snapshot", "restore", "head~1", "--yes", "--files-only"],
        &["snapshot", "undo"],
        &["tool", "call", "shell", &shell("git status; git add -A; git commit -m x; git diff; true")],
        &["snapshot", "create", "after"],
        &["snapshot", "restore", "head~1", "--yes", "--files-only"],
    ] {
        ran(&step.join(" "), place.okcvm(backend, step));
        if place.pwned() {
            wrong.push(format!("{}: {} ran what was planted", row.id, step.join(" ")));
            break;
        }
    }
    wrong
}

/// Whether plain Git runs what a row plants; `None` where there is nothing to run.
pub fn control(row: &Row, root: &Path) -> Option<bool> {
    if NOTHING_RUNS.contains(&row.id) {
        return None;
    }
    let mut place = place(root);
    place.work = root.join("work");
    fs::create_dir(&place.work).expect("folder");
    place.plant(&planted(row, &place));
    for folder in [".", "bare"] {
        for step in [&["diff"][..], &["status"], &["add", "-A"], &["commit", "-m", "x"], &["log", "-p"], &["add", "-A"]]
        {
            // A folder that is none, a commit without a name: what counts is the mark.
            let _ = place.command("git", step).current_dir(place.work.join(folder)).output();
        }
    }
    Some(place.pwned())
}
