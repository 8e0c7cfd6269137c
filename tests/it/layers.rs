//! Holds every `use crate::` to the table of who may import whom, so that a new arrow is a reviewed edit of one line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Open to all, importing nothing of ours but each other's plain words.
const SHARED: [&str; 2] = ["protocol", "support"];

/// Module, and what it may import beyond the shared ones.
const TABLE: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("support", &[]),
    ("config", &[]),
    ("spec", &[]),
    ("session", &[]),
    ("document", &[]),
    ("preview", &["config", "workspace", "browser"]),
    ("slides", &["config", "workspace", "browser", "document"]),
    ("logging", &["config"]),
    ("sandbox", &["config"]),
    ("workspace", &["config"]),
    ("model", &["config"]),
    ("snapshot", &["config", "workspace"]),
    ("project", &["config", "workspace", "snapshot"]),
    ("kernel", &["config", "sandbox", "workspace"]),
    ("search", &["config", "document"]),
    ("data_source", &["config"]),
    ("browser", &["config", "sandbox", "workspace", "document"]),
    (
        "tools",
        &[
            "config",
            "spec",
            "sandbox",
            "workspace",
            "model",
            "kernel",
            "browser",
            "search",
            "data_source",
            "document",
            "slides",
            "preview",
        ],
    ),
    ("vm", &["config", "spec", "model", "tools", "workspace", "snapshot", "session", "project", "preview"]),
    ("demo", &["model"]),
    ("headless", &["vm", "tools"]),
    ("tui", &["config", "vm"]),
];

/// May import everything: the composition root.
const ROOT: &str = "cli";

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("source folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The modules that a file names after `crate::`, comments and strings left out as far as lines tell.
fn imports(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let code: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).fold(String::new(), |mut all, line| {
            all.push_str(line);
            all.push('\n');
            all
        });
    let mut rest = code.as_str();
    while let Some(at) = rest.find("crate::") {
        // `$crate::` and `mycrate::` are other things.
        let own = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        rest = &rest[at + "crate::".len()..];
        if !own {
            continue;
        }
        if let Some(group) = rest.strip_prefix('{') {
            // Names at the first level of `use crate::{a::B, c::{d, e}};`.
            let mut depth = 0usize;
            let mut name = String::new();
            let mut at_name = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert(std::mem::take(&mut name));
                        at_name = true;
                    }
                    ':' => at_name = false,
                    c if at_name && depth == 0 && !c.is_whitespace() => name.push(c),
                    _ => {}
                }
            }
            found.insert(name);
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found.remove("");
    found
}

fn module_of(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).expect("under src");
    let first = inside.components().next().expect("a component").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn every_import_stands_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<&str, &[&str]> = TABLE.iter().copied().collect();
    let mut files = Vec::new();
    source_files(&root, &mut files);
    assert!(files.len() > 20, "the walk found only {} files", files.len());

    let mut wrong = Vec::new();
    for file in &files {
        let module = module_of(file, &root);
        if module == ROOT || module == "lib" || module == "main" {
            continue;
        }
        let Some(may) = allowed.get(module.as_str()) else {
            wrong.push(format!("{}: module `{module}` has no row in the table", file.display()));
            continue;
        };
        for import in imports(&std::fs::read_to_string(file).expect("source")) {
            let shared = SHARED.contains(&import.as_str()) && (module != "protocol" || import != "support");
            let known = import == ROOT || allowed.contains_key(import.as_str());
            if known && import != module && !shared && !may.contains(&import.as_str()) {
                wrong.push(format!("{}: `{module}` may not import `{import}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_ring() {
    // Kahn's algorithm: take away modules that import nothing that is left, until none is left.
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        TABLE.iter().map(|(module, imports)| (*module, imports.iter().copied().collect())).collect();
    while !left.is_empty() {
        let free: Vec<&str> = left
            .iter()
            .filter(|(_, imports)| imports.iter().all(|import| !left.contains_key(import)))
            .map(|(module, _)| *module)
            .collect();
        assert!(!free.is_empty(), "a ring among {:?}", left.keys());
        for module in free {
            left.remove(module);
        }
    }
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let source =
        "use crate::{config::Paths, vm::{handle, Engine}};\n// use crate::tui;\nfn f() -> crate::session::Log {}\n";
    let found: Vec<String> = imports(source).into_iter().collect();
    assert_eq!(found, ["config", "session", "vm"]);
}

#[test]
fn no_source_file_is_longer_than_600_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let long: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let lines = std::fs::read_to_string(file).expect("source").lines().count();
            (lines > 600).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "split by noun:\n{}", long.join("\n"));
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let silent: Vec<_> =
        files.iter().filter(|file| !std::fs::read_to_string(file).expect("source").starts_with("//!")).collect();
    assert!(silent.is_empty(), "no module doc at the top: {silent:?}");
}

/// Where processes may be started: what runs for the model in the one, what runs for the user in the other.
const STARTERS: [&str; 2] = ["sandbox/", "support/host_command.rs"];

#[test]
fn processes_are_started_in_two_places_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let starts = |source: &str| source.contains("process::Command") || source.contains("process::{");
    let mut found = BTreeSet::new();
    for file in files {
        let inside = file.strip_prefix(&root).expect("under src").to_string_lossy().into_owned();
        if starts(&std::fs::read_to_string(&file).expect("source")) {
            let place = STARTERS.iter().find(|place| inside.starts_with(*place));
            found.insert(place.map_or(inside, |place| (*place).to_owned()));
        }
    }
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), STARTERS);
}
