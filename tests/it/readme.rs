//! The README's tables are those of the code, and its first screen holds the two commands.

use std::path::Path;

/// The README with every table between markers drawn anew.
fn redrawn(readme: &str) -> String {
    let mut out = String::new();
    let mut rest = readme;
    while let Some(start) = rest.find("<!-- table: ") {
        let name_start = start + "<!-- table: ".len();
        let name_end = name_start + rest[name_start..].find(" -->").expect("a closed marker");
        let name = &rest[name_start..name_end];
        let body_start = name_end + " -->".len();
        let body_end = body_start + rest[body_start..].find("<!-- end -->").expect("an end marker");
        let table = okcvm::cli::reference::table(name).unwrap_or_else(|| panic!("no table is called {name}"));
        out.push_str(&rest[..body_start]);
        out.push('\n');
        out.push_str(&table);
        rest = &rest[body_end..];
    }
    out.push_str(rest);
    out
}

#[test]
fn the_tables_are_those_of_the_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&file).expect("README.md");
    let expected = redrawn(&readme);
    if std::env::var_os("OKCVM_UPDATE").is_some() {
        std::fs::write(&file, expected).expect("README.md");
        return;
    }
    assert!(readme == expected, "README.md is out of date: run `OKCVM_UPDATE=1 cargo test --test it readme`");
}

#[test]
fn the_first_screen_holds_the_two_commands() {
    let readme = include_str!("../../README.md");
    let first: Vec<&str> = readme.lines().take(24).collect();
    for command in [".ci/setup run && cargo run --release -- --demo", ".ci/setup test && cargo test --locked"] {
        assert!(first.iter().any(|line| line.starts_with(command)), "{command} is not on the first screen");
    }
}

#[test]
fn ci_runs_the_same_test_command() {
    let script = include_str!("../../.ci/run");
    assert!(script.contains(".ci/setup test") && script.contains("cargo test --locked"));
}
