//! What the integration tests share: homes, endpoints, key drivers, redactions.

pub mod endpoint;
pub mod home;
pub mod machine;
pub mod session;
pub mod site;
pub mod terminal;

pub use home::TestHome;
pub use session::TestSession;
pub use terminal::Terminal;

/// A test lacks a system part: prints why and tells the test to return, or fails it where everything must be there.
pub fn skip_or_fail(why: &str) {
    assert!(std::env::var_os("OKCVM_TEST_STRICT").is_none(), "a part that this run must have is missing: {why}");
    println!("SKIPPED: {why}");
}

/// Whether there is a browser; says SKIPPED (or fails a strict run) otherwise. Ubuntu has none as a package that starts
/// behind walls, so a strict run goes on without one there.
pub fn needs_browser() -> bool {
    let browser = okcvm::tools::LazyProgram::new(None);
    let Err(missing) = browser.get() else { return true };
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if system.lines().any(|line| line == "ID=ubuntu") {
        println!("SKIPPED: {}", missing.reason);
    } else {
        skip_or_fail(&missing.reason);
    }
    false
}

/// Whether the sandbox can be used here; says SKIPPED (or fails a strict run) otherwise.
pub fn needs_bubblewrap() -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("bwrap").is_file()));
    if !found {
        skip_or_fail("bubblewrap is not installed");
    }
    found
}
