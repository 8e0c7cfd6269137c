//! What goes on when no cell runs: threads that write, and pip's packages in the cell after.

use okcvm::protocol::ToolStatus;

use super::machine;
use crate::support::machine as support;

#[tokio::test(flavor = "multi_thread")]
async fn what_threads_write_between_cells_is_told_by_the_next() {
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let code = "import os, threading, time\ndef tick():\n    n = 0\n    while not os.path.exists('stop'):\n        \
                n += 1\n        print('tick', n, flush=True)\n        open('ticks', 'w').write(str(n))\n        time.sleep(0.01)\n\
                thread = threading.Thread(target=tick, daemon=True)\nthread.start()\nNone";
    assert_eq!(machine.cell(code).await.status, ToolStatus::Ok);
    let ticks = || std::fs::read_to_string(machine.work().join("ticks")).map_or(0, |text| text.parse().unwrap_or(0));
    let seen: u32 = ticks();
    assert!(support::soon(|| ticks() > seen + 20));
    let said = machine.says("open('stop', 'w')\nthread.join()\nprint('now')").await;
    let rest = said.strip_prefix("[written between the cells:]\n").unwrap_or_else(|| panic!("{said}"));
    let (between, own) = rest.split_once("\n[this cell:]\n").unwrap_or_else(|| panic!("{said}"));
    assert!(between.lines().count() >= 10 && between.lines().all(|line| line.starts_with("tick ")), "{said}");
    assert!(own.ends_with("now\n"), "{said}");
    // A program that was left running writes on, too; only the end of much is kept.
    machine.says("!(until [ -e go ]; do sleep 0.01; done; seq 100000; touch gone) &").await;
    std::fs::write(machine.work().join("go"), "").expect("file");
    let gone = machine.work().join("gone");
    assert!(support::soon(|| gone.exists()));
    let told = "import time\nprint('now')";
    let said = machine.says(told).await;
    assert!(said.contains("left out ...]\n") && said.contains("\n100000\n"), "{said}");
    assert!(said.len() < 10_000, "{}", said.len());
    machine.toolbox.close().await;
}
