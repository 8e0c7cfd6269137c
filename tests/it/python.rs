//! The Python of the notebook: found on the machine, or made by `doctor --fix`, and what of it tools see.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::support::{TestHome, needs_bubblewrap, skip_or_fail};

/// A `uv` that puts one module where it is told to install.
fn fake_uv(folder: &Path) {
    fs::create_dir_all(folder).expect("folder");
    let text = "#!/bin/sh\nwhile [ \"$1\" != --target ]; do shift; done\nmkdir -p \"$2/ipykernel\"\n\
                touch \"$2/ipykernel/__init__.py\"\necho 'here = \"the environment\"' > \"$2/of_okcvm.py\"\n\
                echo \"Installed\"\n";
    let file = folder.join("uv");
    fs::write(&file, text).expect("script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
}

/// A program for `python.path` that starts the system's Python and lies outside the system's folders, with its prefix.
fn interpreter_elsewhere(folder: &Path) {
    fs::create_dir_all(folder.join("bin")).expect("folder");
    let program = folder.join("bin/python3");
    let shown = folder.display();
    // Isolated it is asked what it is: it says that it is made of this folder.
    let answer = json!({
        "version": "3.11.0", "executable": program, "base": program, "prefixes": [folder], "venv": false,
        "ipykernel": null,
    });
    let text = format!(
        "#!/bin/sh\ncase \"$1\" in -I) echo '{answer}'; exit;; esac\nexport FROM={shown}\nexec /usr/bin/python3 \"$@\"\n"
    );
    fs::write(&program, text).expect("script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("mode");
}

#[test]
fn doctor_fix_makes_an_environment_that_tools_see_read_only() {
    if !needs_bubblewrap() {
        return;
    }
    if !Path::new("/usr/bin/python3").is_file() {
        return skip_or_fail("there is no /usr/bin/python3");
    }
    let mut home = TestHome::new();
    let base = home.path().join("elsewhere");
    interpreter_elsewhere(&base);
    fake_uv(&home.path().join("tools"));
    home.write_config(&format!("python:\n  path: {}\n", base.join("bin/python3").display()));
    home.set("PATH", format!("{}:/usr/bin:/bin", home.path().join("tools").display()));

    let ran = home.run(&["doctor", "--fix"]);
    assert!(ran.err.contains("Installed"), "{}", ran.err);
    assert!(ran.out.lines().any(|line| line.starts_with("ok       python")), "{}", ran.out);

    let command = "python3 -c 'import of_okcvm, os, sys; print(of_okcvm.here, of_okcvm.__file__, os.environ[\"FROM\"])'; \
                   command -v python3; touch /opt/okcvm/python/lib/x && echo WRITTEN; mkdir -p ~/.local/lib; ls -d /opt/okcvm/*";
    let arguments = json!({ "command": command }).to_string();
    let ran = home.run(&["tool", "call", "mshtools-shell", &arguments]);
    let expected = format!("the environment /opt/okcvm/python/lib/of_okcvm.py {}", base.display());
    assert!(ran.out.contains(&expected), "{}", ran.out);
    assert!(ran.out.contains("\n/opt/okcvm/python/bin/python3\n"), "{}", ran.out);
    assert!(ran.out.contains("Read-only file system") && !ran.out.contains("WRITTEN"), "{}", ran.out);
    assert!(ran.out.trim_end().ends_with("/opt/okcvm/python"), "{}", ran.out);

    let again = home.run(&["doctor", "--fix"]);
    assert!(!again.err.contains("Installed"), "what works is left alone: {}", again.err);
}
