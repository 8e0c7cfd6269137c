//! What goes on when no cell runs: threads that write, and pip's packages in the cell after.

use okcvm::protocol::ToolStatus;

use super::machine;
use crate::support::{machine as support, skip_or_fail};

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

#[tokio::test(flavor = "multi_thread")]
async fn pip_lists_every_package_and_installs_into_home() {
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let listed = machine.says("!{__import__('sys').executable} -m pip list --format=freeze").await;
    if listed.contains("No module named pip") {
        return skip_or_fail("this Python has no pip");
    }
    assert!(listed.contains("ipykernel=="), "{listed}");
    let wheel = "import zipfile\nfacts = 'Metadata-Version: 2.1\\nName: tinyone\\nVersion: 1.0\\n'\n\
                 with zipfile.ZipFile('tinyone-1.0-py3-none-any.whl', 'w') as z:\n    \
                 z.writestr('tinyone.py', 'x = 41')\n    \
                 z.writestr('tinyone-1.0.dist-info/METADATA', facts)\n    \
                 z.writestr('tinyone-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n    \
                 z.writestr('tinyone-1.0.dist-info/RECORD', '')";
    machine.says(wheel).await;
    let said = machine.says("%pip install --no-index ./tinyone-1.0-py3-none-any.whl").await;
    assert!(said.contains("Successfully installed tinyone"), "{said}");
    let place =
        machine.says("import os, tinyone\nprint(tinyone.__file__.startswith(os.environ['HOME']), tinyone.x)").await;
    assert!(place.contains("True 41"), "{place}");
    machine.toolbox.close().await;
}
