//! A kernel that means harm: too much of everything, promises and nonsense on the wire.

use std::time::Duration;

use okcvm::protocol::{Event, KernelState, ToolStatus};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::machine;
use crate::support::machine as support;

/// Python that finds the wire in its own process, as any code of a cell can.
const WIRE: &str = "import threading, struct, json\nbridge = [t for t in threading.enumerate() if t.name == 'okcvm-bridge'][0]\n\
                    wire = bridge.run.__func__.__globals__['WIRE']\n\
                    def frame(channel, *sizes): wire.sendall(struct.pack('>BQQQQ', channel, *sizes))\n\
                    inside = bridge.run.__func__.__globals__\nlock, tell = threading.Lock(), inside['tell']\n\
                    def locked(*message):\n    with lock: tell(*message)\n\
                    inside['tell'] = locked\n";
/// Bytes of memory that okcvm may have in the worst case, more than before.
const BOUND: u64 = 200 << 20;

/// The most memory that this process has had.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_prints_without_end_is_stopped_and_costs_no_memory() {
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    machine.says("x = 5").await;
    let before = peak();
    let ran = machine.cell("for i in range(1 << 10): print('x' * (1 << 20))").await;
    assert_eq!(ran.status, ToolStatus::Error);
    assert!(ran.output.ends_with("[interrupted: it wrote more than 64 MiB. Send long output to a file instead.]"));
    assert!(ran.output.chars().count() <= okcvm::tools::OUTPUT_LIMIT);
    assert!(ran.spill.is_some_and(|spill| spill.bytes == 64 << 20));
    assert_eq!(machine.says("x").await, "5\n");
    // In one piece.
    let ran = machine.cell("print('x' * (200 << 20))").await;
    assert!(ran.output.ends_with("[interrupted: it wrote more than 64 MiB. Send long output to a file instead.]"));
    // From another program.
    let ran = machine.cell("!yes").await;
    assert!(ran.output.ends_with("[interrupted: it wrote more than 64 MiB. Send long output to a file instead.]"));
    // As a value.
    let ran = machine.cell("class Long:\n    def __repr__(self): return 'x' * (50 << 20)\nLong()").await;
    assert!(ran.output.contains("in one piece were left out"), "{}", ran.output);
    assert_eq!(machine.says("x").await, "5\n");
    let more = peak() - before;
    assert!(more < BOUND, "{} MiB more", more >> 20);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promises_and_nonsense_on_the_wire_cost_no_memory() {
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    machine.says(WIRE).await;
    let before = peak();
    // A whole gigabyte in one message.
    let code = "with lock:\n    frame(2, 2, 2, 0, 1 << 30)\n    wire.sendall(b'{}{}')\n    \
                for i in range(1 << 10): wire.sendall(b'x' * (1 << 20))\nprint('sent')";
    assert_eq!(machine.says(code).await, "sent\n");
    // Messages of others, and none at all.
    let code = "def say(channel, header, parent, content):\n    parts = [json.dumps(p).encode() for p in (header, parent, {}, content)]\n    \
                with lock:\n        frame(channel, *map(len, parts))\n        for p in parts: wire.sendall(p)\n\
                for kind in ('stream', 'execute_result', 'status', 'error', 'nothing'):\n    \
                say(2, {'msg_type': kind}, {'msg_id': 'somebody else'}, {'name': 'stdout', 'text': 'forged'})\n    \
                say(2, [], 7, 'x')\nsay(0, {'msg_type': 'execute_reply'}, {'msg_id': 'x'}, {'status': 'ok'})\nprint('real')";
    assert_eq!(machine.says(code).await, "forgedreal\n", "text of whatever thread is text, and nothing else is");
    // More than anybody can send.
    let ran = machine.cell("lock.acquire()\nframe(2, 1 << 60, 0, 0, 0)\nimport time\ntime.sleep(60)").await;
    assert_eq!(ran.status, ToolStatus::Error);
    assert!(ran.output.contains("[the kernel has ended: it could not be heard any more."), "{}", ran.output);
    machine.says(WIRE).await;
    let code = "lock.acquire()\nframe(2, 0, 0, 1 << 60, 1 << 60)\nopen('begun', 'w')\nimport time\ntime.sleep(60)";
    let (cancel, begun) = (CancellationToken::new(), machine.work().join("begun"));
    let ends = async {
        while !begun.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let call = machine.call_until("ipython", json!({ "code": code }), cancel.clone());
    let (ran, ()) = tokio::join!(call, ends);
    assert_eq!(ran.status, ToolStatus::Cancelled);
    assert!(machine.says("1").await.contains("this is a fresh kernel"));
    let more = peak() - before;
    assert!(more < BOUND, "{} MiB more", more >> 20);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_workspace_do_not_stand_in_for_python_and_no_socket_lies_about() {
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    for name in ["json", "socket", "struct", "zmq", "ipykernel", "array"] {
        std::fs::write(machine.work().join(format!("{name}.py")), "raise SystemExit('mine')").expect("file");
    }
    std::fs::write(machine.work().join("mine.py"), "value = 3").expect("file");
    assert_eq!(machine.says("import mine\nmine.value").await, "3\n");
    let mut find = std::process::Command::new("find");
    let found = find.arg(&machine.root).args(["-type", "s", "-o", "-name", "kernel-*.json"]).output().expect("find");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    // Pictures go to where the folder of the workspace is, and nowhere else.
    std::fs::write(machine.work().join("output"), "a file").expect("file");
    let ran = machine.cell("from IPython.display import SVG\nSVG('<svg/>')").await;
    assert!(ran.output.contains("[a picture was lost: "), "{}", ran.output);
    std::fs::remove_file(machine.work().join("output")).expect("removed");
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("folder");
    std::os::unix::fs::symlink(&elsewhere, machine.work().join("output")).expect("link");
    let ran = machine.cell("SVG('<svg/>')").await;
    assert!(ran.output.contains("[a picture was lost: "), "{}", ran.output);
    assert_eq!(std::fs::read_dir(&elsewhere).expect("list").count(), 0);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_home_holds_of_python_speaks_after_the_first_words_and_is_found() {
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let version = "import sys\nprint('%d.%d' % sys.version_info[:2])";
    let minor = machine.says(version).await.trim().to_owned();
    let home = machine.root.join("home");
    let packages = home.join(format!(".local/lib/python{minor}/site-packages"));
    let startup = home.join(".ipython/profile_default/startup");
    for place in [&packages, &startup] {
        std::fs::create_dir_all(place).expect("folder");
    }
    let forged = "import json, os, socket, struct\nwire = socket.socket(fileno=os.dup(0))\n\
                  words = json.dumps({'python': '9' * (15 << 20)}).encode()\n\
                  wire.sendall(struct.pack('>BQQQQ', 3, 0, 0, 0, len(words)) + words)\nopen('spoke', 'w')\n";
    for (name, text) in [
        ("usercustomize.py", forged.to_owned()),
        ("sitecustomize.py", forged.to_owned()),
        ("forged.pth", format!("import os; exec({forged:?})\n")),
    ] {
        std::fs::write(packages.join(name), text).expect("file");
    }
    std::fs::write(startup.join("00.py"), "started = True").expect("file");
    std::fs::write(packages.join("of_home.py"), "value = 7").expect("file");
    // What is in HOME is meant, and not what the system has under that name.
    std::fs::write(packages.join("ipykernel_launcher.py"), "value = 8").expect("file");
    let mut facts = machine.toolbox.listen();
    let code = "import of_home, ipykernel_launcher\nprint(of_home.value, ipykernel_launcher.value, started)";
    let ran = machine.call("ipython", json!({ "code": code, "restart": true })).await;
    assert!(ran.output.starts_with("7 8 True\n"), "{}", ran.output);
    let mut told = 0;
    while let Ok(event) = facts.try_recv() {
        if let Event::KernelChanged(info) = event {
            assert!(info.python.len() < 32 && !info.python.contains('9'), "{}", info.python.len());
            told += usize::from(info.state == KernelState::Idle && info.python.starts_with(&minor));
        }
    }
    assert!(told > 0);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_whose_reply_never_comes_ends_all_the_same() {
    let folder = support::folder();
    let Some(machine) = machine(folder.path()) else { return };
    machine.says(WIRE).await;
    let code = "def silent(channel, parts):\n    if channel != 0: locked(channel, parts)\ninside['tell'] = silent\nprint('done')";
    let ran = tokio::time::timeout(Duration::from_secs(60), machine.cell(code)).await.expect("it ends");
    assert_eq!((ran.status, ran.output.as_str()), (ToolStatus::Error, "done\n"));
    let ran =
        tokio::time::timeout(Duration::from_secs(60), machine.cell("inside['tell'] = tell")).await.expect("again");
    assert_eq!(ran.status, ToolStatus::Ok, "the kernel goes on: {}", ran.output);
    machine.toolbox.close().await;
}
