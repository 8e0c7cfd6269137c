//! What is told of a panic: where it was and how the program came there, clean and without keys.

use std::io::Write as _;

use color_eyre::config::{HookBuilder, Theme};

use super::output;

/// Makes panics tell themselves on standard error. What restores a terminal goes before (see `tui::terminal`).
pub(super) fn install() {
    install_with(|report| {
        // Nothing is left to tell it to when this fails.
        let _ = writeln!(output::err(), "{report}");
    });
}

fn install_with(tell: impl Fn(&str) + Send + Sync + 'static) {
    // Without colours: the report is cleaned as a whole.
    let (hook, _) = HookBuilder::default().theme(Theme::new()).into_hooks();
    std::panic::set_hook(Box::new(move |info| tell(&hook.panic_report(info).to_string())));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::logging;
    use crate::support::secret::{Redactor, Secret};

    #[test]
    fn a_panic_is_told_without_escapes_and_without_keys() {
        logging::also_remove(&Redactor::new([Secret::new("sk-panic-test")]));
        let told = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&told);
        let before = std::panic::take_hook();
        install_with(move |report| {
            let mut bytes = keep.lock().expect("bytes");
            let _ = writeln!(output::Clean::new(&mut *bytes, false), "{report}");
        });
        let ended = std::thread::spawn(|| panic!("refused \x1b]0;x\x07 sk-panic-test \x1b[2J")).join();
        std::panic::set_hook(before);
        assert!(ended.is_err());
        let told = String::from_utf8(told.lock().expect("bytes").clone()).expect("text");
        assert!(told.contains("refused  [key removed]") && told.contains("src/cli/panic.rs"), "{told}");
        assert!(!told.contains("sk-panic-test") && !told.contains('\x1b'), "{told}");
    }
}
