//! An analysis in a real terminal: a table goes along, cells plot it, the plot is in the chat, and after a rollback the
//! kernel is rebuilt by a key.

use crate::support::{Terminal, TestHome, machine, needs_bubblewrap, skip_or_fail};

use super::has_module;

#[test]
fn a_table_is_analysed_and_after_a_rollback_the_kernel_is_rebuilt() {
    if !needs_bubblewrap() || !has_module("pandas") || !has_module("matplotlib") {
        return;
    }
    if let Err(missing) = machine::python().get() {
        return skip_or_fail(&format!("ipykernel for /usr/bin/python3: {}", missing.reason));
    }
    let mut home = TestHome::new();
    home.set("OKCVM_DEMO_SPEED", "0");
    home.write_config("python:\n  path: /usr/bin/python3\n");
    let table: String = (1..=12).map(|month| format!("{month},{}\n", month * month)).collect();
    std::fs::write(home.path().join("data.csv"), format!("month,sold\n{table}")).expect("table");

    let mut terminal = Terminal::start(&home, &["--demo"], 100, 50);
    terminal.wait_for("demo model");
    terminal.keys("/attach data.csv\r");
    terminal.wait_for("data.csv");
    terminal.keys("plot this table\r");
    terminal.wait_for("12 rows, 2 columns: month, sold");
    terminal.wait_for("F4 snapshots 2");
    terminal.wait_until("the plot", |screen| screen.matches('\u{2580}').count() > 100);
    let sessions: Vec<_> = std::fs::read_dir(home.sessions()).expect("sessions").flatten().collect();
    let output = sessions[0].path().join("work/output");
    assert!(std::fs::read(output.join("plot-1.png")).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG")));
    let report = std::fs::read_to_string(output.join("report.html")).expect("report");
    assert!(report.contains("data:image/png;base64,") && report.contains("sold"), "{}", report.len());

    terminal.keys("make a small page about otters\r");
    terminal.wait_for("F4 snapshots 3");
    terminal.keys("\x1bOS");
    terminal.wait_for("Start");
    terminal.keys("u");
    terminal.wait_for("undone");
    terminal.keys("\x1bOR");
    terminal.wait_for("stale: the session was rolled back");
    terminal.keys("R");
    terminal.wait_for("once more does it");
    terminal.keys("R");
    terminal.wait_gone("stale: the session was rolled back");
    terminal.wait_until("the kernel at rest", |screen| screen.contains("Kernel  idle") && screen.contains("3 cells"));
    terminal.keys("\x1bOQ");
    terminal.wait_for("the kernel was rebuilt: 3 of 3 cells were run again");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
}
