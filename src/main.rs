//! Parse, run, exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The sandbox's helper modes come before everything: they own the descriptors that they inherit.
    if let Some(code) = okcvm::internal_main() {
        return code;
    }
    okcvm::cli::run()
}
