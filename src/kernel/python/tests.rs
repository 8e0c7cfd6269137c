//! Finding and making, with interpreters and installers that are scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;

/// A program that answers as a Python would.
fn interpreter(folder: &Path, name: &str, version: &str, ipykernel: Option<&Path>) -> PathBuf {
    fs::create_dir_all(folder.join("bin")).expect("folder");
    let program = folder.join("bin").join(name);
    let answer = |ipykernel: Option<&Path>| {
        serde_json::json!({
            "version": version,
            "executable": program,
            "base": program,
            "prefixes": [folder],
            "venv": false,
            "ipykernel": ipykernel,
        })
    };
    let (with, without) = (answer(ipykernel), answer(None));
    let file = ipykernel.unwrap_or(Path::new("/nonexistent")).display();
    let asked = folder.join("asked");
    let text =
        format!("echo asked >> {}\nif [ -e {file} ]; then echo '{with}'; else echo '{without}'; fi\n", asked.display());
    script(&program, &text);
    program
}

fn script(file: &Path, text: &str) {
    fs::write(file, format!("#!/bin/sh\n{text}")).expect("script");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("mode");
}

/// A search that finds only what a test put there.
fn search(root: &Path, configured: PathBuf) -> PythonSearch {
    PythonSearch {
        configured: Some(configured),
        path: Some(root.join("tools").into_os_string()),
        own: root.join("data/python"),
        cache_dir: root.join("cache"),
    }
}

/// An installer that puts a package where it is told to.
fn uv(root: &Path, text: &str) {
    fs::create_dir_all(root.join("tools")).expect("folder");
    let install = r#"while [ "$1" != --target ]; do shift; done
mkdir -p "$2/ipykernel" "$2/bin" && touch "$2/ipykernel/__init__.py" && chmod 700 "$2/ipykernel" && shift 2
echo "Installed $*"
"#;
    script(&root.join("tools/uv"), &format!("{text}\n{install}"));
}

#[test]
fn an_interpreter_with_ipykernel_is_taken_and_remembered() {
    let root = tempfile::tempdir().expect("folder");
    let base = root.path().join("base");
    let kernel = root.path().join("ipykernel.py");
    fs::write(&kernel, "").expect("file");
    let program = interpreter(&base, "python3", "3.12.4", Some(&kernel));
    for _ in 0..2 {
        let python = LazyPython::new(search(root.path(), program.clone())).get().expect("found");
        assert_eq!((python.version(), python.program(true)), ("3.12.4", program.clone()));
        let mounted = python.mounted();
        assert_eq!(mounted.len(), 1);
        assert!(mounted[0].source == base && mounted[0].inside == base && mounted[0].programs && !mounted[0].trusted);
    }
    let asked = || fs::read_to_string(base.join("asked")).expect("asked").lines().count();
    assert_eq!(asked(), 1, "the answer is remembered");
    fs::remove_file(&kernel).expect("removed");
    assert!(LazyPython::new(search(root.path(), program)).get().is_err(), "and only as long as it is true");
    assert_eq!(asked(), 2);
}

#[test]
fn without_ipykernel_the_reason_names_the_command_that_helps() {
    let root = tempfile::tempdir().expect("folder");
    let program = interpreter(&root.path().join("base"), "python3", "3.12.4", None);
    let missing = LazyPython::new(search(root.path(), program)).get().expect_err("missing");
    assert!(missing.reason.ends_with("has no ipykernel") && missing.can_be_made, "{missing:?}");
    assert!(missing.hint.contains("okcvm doctor --fix"), "{missing:?}");
    let old = interpreter(&root.path().join("old"), "python3", "3.6.9", None);
    let missing = LazyPython::new(search(root.path(), old)).get().expect_err("missing");
    assert!(!missing.can_be_made && missing.hint.contains("3.9 or newer"), "{missing:?}");
    let none = root.path().join("nothing");
    let missing = LazyPython::new(search(root.path(), none)).get().expect_err("missing");
    assert!(missing.reason.contains("is not a Python that runs") && !missing.can_be_made, "{missing:?}");
}

#[test]
fn an_environment_is_made_used_and_made_again() {
    let root = tempfile::tempdir().expect("folder");
    let base = root.path().join("base");
    let program = interpreter(&base, "python3", "3.12.4", None);
    uv(root.path(), "echo Resolved 8 packages");
    let lazy = LazyPython::new(search(root.path(), program.clone()));
    assert!(lazy.get().is_err());
    let mut lines = Vec::new();
    let mut told = |line: &str| {
        if !line.is_empty() {
            lines.push(line.to_owned());
        }
        true
    };
    let made = lazy.make(&mut told).expect("made");
    assert_eq!(lines[0], "Resolved 8 packages");
    assert!(lines[1].starts_with("Installed pip ipykernel numpy"), "{lines:?}");
    assert_eq!(lazy.get().expect("found"), made, "it is used at once");
    let own = root.path().join("data/python");
    assert_eq!(made.program(true), Path::new("/opt/okcvm/python/bin/python3"));
    assert_eq!(made.program(false), own.join("bin/python3"));
    let mounted = made.mounted();
    assert!(mounted.iter().any(|mounted| mounted.source == own && mounted.trusted && mounted.programs));
    assert!(mounted.iter().any(|mounted| mounted.source == base && !mounted.trusted && !mounted.programs));
    let rights = fs::metadata(own.join("lib/ipykernel")).expect("package").permissions().mode();
    assert_eq!(rights & 0o777, 0o755, "other accounts can read it");
    let text = fs::read_to_string(own.join("bin/python3")).expect("program");
    assert!(text.contains(&format!("exec '{}'", program.display())), "{text}");
    assert!(!own.join("lib/bin").exists());

    fs::remove_dir_all(own.join("lib")).expect("broken");
    let broken = LazyPython::new(search(root.path(), program.clone()));
    let missing = broken.get().expect_err("broken");
    assert!(missing.reason.contains("has no ipykernel") && missing.can_be_made, "{missing:?}");
    broken.make(&mut |_| true).expect("made again");
    assert!(broken.get().is_ok());
    let left: Vec<_> = fs::read_dir(root.path().join("data")).expect("data").flatten().collect();
    assert_eq!(left.len(), 1, "nothing half made is left: {left:?}");
}

#[test]
fn an_installer_that_fails_or_is_stopped_leaves_nothing_behind() {
    let root = tempfile::tempdir().expect("folder");
    let program = interpreter(&root.path().join("base"), "python3", "3.12.4", None);
    uv(root.path(), "echo no such index >&2; exit 2");
    let lazy = LazyPython::new(search(root.path(), program));
    let error = lazy.make(&mut |_| true).expect_err("fails");
    assert!(error.to_string().ends_with("could not install the packages: no such index"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("network")));
    // An installer that says nothing for long can be stopped as well; what is left of one that was cut off goes.
    uv(root.path(), "echo one; exec sleep 100");
    fs::create_dir_all(root.path().join("data/python.new-4194999/lib")).expect("left behind");
    let mut heard = Vec::new();
    let error = lazy.make(&mut |line| {
        heard.push(line.to_owned());
        !heard.iter().any(String::is_empty)
    });
    assert!(matches!(error, Err(MakeError::Stopped)) && heard.contains(&"one".to_owned()), "{error:?} {heard:?}");
    assert!(lazy.get().is_err());
    assert_eq!(fs::read_dir(root.path().join("data")).map_or(0, Iterator::count), 0);
}

#[test]
fn what_pip_installs_goes_to_home() {
    let python = |venv| Python {
        interpreter: Interpreter {
            version: "3.12.4".to_owned(),
            executable: PathBuf::from("/usr/bin/python3"),
            base: PathBuf::from("/usr/bin/python3"),
            prefixes: vec![PathBuf::from("/usr")],
            venv,
            ipykernel: None,
        },
        own: None,
    };
    let plain = python(false).environment("/home/okcvm");
    let config = ("PIP_CONFIG_FILE".to_owned(), "/home/okcvm/.config/pip/okcvm.conf".to_owned());
    assert!(plain.contains(&config) && python(false).pip_config().is_some(), "{plain:?}");
    assert!(python(true).pip_config().is_none(), "pip refuses it in a virtual environment");
    let venv = python(true).environment("/home/okcvm");
    assert!(venv.contains(&("PIP_PREFIX".to_owned(), "/home/okcvm/.local".to_owned())), "{venv:?}");
    assert!(venv.iter().any(|(name, path)| name == "PYTHONPATH" && path.ends_with("python3.12/site-packages")));
    assert!(python(false).mounted().is_empty(), "what every sandbox shows is not shown twice");
}
