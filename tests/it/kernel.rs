//! The notebook tool against a real kernel: cells, pictures, interrupts, crashes, and a kernel that means harm.

mod background;
mod hostile;
mod journey;
mod pictures;
mod rollback;

use std::path::Path;
use std::time::{Duration, Instant};

use okcvm::config::schema::{NetworkMode, NetworkSection, SandboxBackend, SandboxScope, SandboxSection};
use okcvm::protocol::{CallId, Event, KernelState, NetworkChange, ToolCall, ToolStatus};
use okcvm::tools::{CallContext, Finished};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::machine::{self, Machine};
use crate::support::skip_or_fail;

/// A machine whose Python has ipykernel and whose sandbox is of this configuration; says SKIPPED otherwise.
fn machine_of(section: &SandboxSection, folder: &Path) -> Option<Machine> {
    if let Err(missing) = machine::python().get() {
        skip_or_fail(&format!("ipykernel for /usr/bin/python3: {}", missing.reason));
        return None;
    }
    match machine::choose(section, &folder.join("state")) {
        Ok(sandbox) => Some(Machine::create(folder, 1, &sandbox)),
        Err(why) => {
            skip_or_fail(&why.reason);
            None
        }
    }
}

fn machine(folder: &Path) -> Option<Machine> {
    machine_of(&SandboxSection::default(), folder)
}

/// Whether the system's Python can import a module; says SKIPPED otherwise.
fn has_module(name: &str) -> bool {
    let ran = std::process::Command::new("/usr/bin/python3").args(["-c", &format!("import {name}")]).output();
    let found = ran.is_ok_and(|ran| ran.status.success());
    if !found {
        skip_or_fail(&format!("Python's {name} is not installed"));
    }
    found
}

impl Machine {
    async fn cell(&self, code: &str) -> Finished {
        self.call("ipython", json!({ "code": code })).await
    }

    /// The output of a cell that must succeed.
    async fn says(&self, code: &str) -> String {
        let ran = self.cell(code).await;
        assert_eq!(ran.status, ToolStatus::Ok, "{code}: {}", ran.output);
        ran.output
    }

    /// Starts a cell and waits until it has written a word; what ends it, and its end.
    async fn begun(
        &self,
        code: &str,
        word: &str,
    ) -> (CancellationToken, tokio::task::JoinHandle<Finished>, mpsc::UnboundedReceiver<String>) {
        let (output, mut shown) = mpsc::unbounded_channel();
        let cancel = CancellationToken::new();
        let arguments = json!({ "code": code }).to_string();
        let call = ToolCall { id: CallId("1".to_owned()), name: "mshtools-ipython".to_owned(), arguments };
        let (toolbox, context) = (self.toolbox.clone(), CallContext { cancel: cancel.clone(), output });
        let running = tokio::spawn(async move { toolbox.call(&call, context).await });
        let said = async {
            let mut all = String::new();
            while !all.contains(word) {
                all.push_str(&shown.recv().await.expect("output"));
            }
        };
        tokio::time::timeout(Duration::from_secs(60), said).await.expect("the cell began");
        (cancel, running, shown)
    }
}

/// Waits for a state of the kernel.
async fn until_kernel(facts: &mut mpsc::UnboundedReceiver<Event>, wanted: KernelState) {
    let heard = async {
        loop {
            match facts.recv().await {
                Some(Event::KernelChanged(info)) if info.state == wanted => return,
                Some(_) => {}
                None => panic!("nobody tells anything"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), heard).await.expect("the state came");
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_share_their_variables_and_show_what_they_write_and_their_last_value() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    assert_eq!(machine.says("x = 40").await, "[no output]");
    assert_eq!(machine.says("import sys\nprint('out')\nprint('err', file=sys.stderr)\nx + 2").await, "out\nerr\n42\n");
    assert_eq!(machine.says("import os\nos.getcwd()").await, format!("'{}'\n", machine.inside));
    assert_eq!(machine.says("!echo $HOME; exit 3\n_exit_code").await, "/home/okcvm\n3\n");
    assert_eq!(machine.says("y = !echo one; echo two\ny").await, "['one', 'two']\n");
    assert_eq!(machine.says("!echo {x}").await, "40\n");
    assert_eq!(
        machine
            .says("import subprocess\nprint('a')\nsubprocess.run(['echo', '世界'])\nprint('b')")
            .await
            .lines()
            .collect::<Vec<_>>(),
        ["a", "世界", "b"]
    );
    assert!(machine.says("%timeit -n1 -r1 pass").await.contains("per loop"));
    assert!(machine.says("len?").await.contains("Return the number of items"));
    let file = machine.says("open('made.txt', 'w').write('text')").await;
    assert_eq!(
        (file.as_str(), std::fs::read_to_string(machine.work().join("made.txt")).expect("file").as_str()),
        ("4\n", "text")
    );
    let copies = "import multiprocessing as m\ndef f(i):\n    print('child\\n', end='')\n    return i * i\nwith m.Pool(2) as p: r = p.map(f, [1, 2, 3])\nr";
    assert_eq!(machine.says(copies).await, "child\nchild\nchild\n[1, 4, 9]\n");
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_told_without_colours_to_the_model_and_with_them_to_whoever_watches() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let (_, running, mut shown) = machine.begun("def f():\n    return 1 / 0\nprint('before')\nf()", "before").await;
    let ran = running.await.expect("ran");
    assert_eq!(ran.status, ToolStatus::Error);
    for part in ["before", "ZeroDivisionError", "line 4", "----> 2", "division by zero"] {
        assert!(ran.output.contains(part), "{part}: {}", ran.output);
    }
    assert!(!ran.output.contains('\u{1b}') && !ran.output.contains("----------------"), "{}", ran.output);
    let mut live = String::new();
    while let Ok(piece) = shown.try_recv() {
        live.push_str(&piece);
    }
    assert!(live.contains("\u{1b}["), "{live:?}");
    let ran = machine.cell("input('name? ')").await;
    assert!(ran.status == ToolStatus::Error && ran.output.contains("nobody can type here"), "{}", ran.output);
    assert!(!ran.output.contains("no_input"), "{}", ran.output);
    let ran = machine.cell("this is no Python").await;
    assert!(ran.status == ToolStatus::Error && ran.output.contains("SyntaxError"), "{}", ran.output);
    assert!(machine.says("exit()").await.contains("The kernel goes on"));
    let ran = machine.cell("import sys\nsys.exit(3)").await;
    assert_eq!(ran.status, ToolStatus::Error);
    assert!(ran.output.contains("SystemExit: 3") && ran.output.contains("The kernel goes on"), "{}", ran.output);
    assert!(!ran.output.contains("To exit") && !ran.output.contains("/IPython/"), "{}", ran.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn halves_of_characters_and_sequences_without_an_end_hide_nothing() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let said = machine.says("print('a name \\udcff here \\ud800')\nprint('after')").await;
    assert_eq!(said, "a name \u{fffd} here \u{fffd}\nafter\n");
    let ran = machine.cell("raise ValueError('bad \\ud800 name')").await;
    assert_eq!(ran.status, ToolStatus::Error);
    assert!(ran.output.contains("ValueError") && ran.output.contains("bad"), "{}", ran.output);
    let ran = machine.cell("print('first\\x1b]0;title')\nprint('second')\n1 / 0").await;
    assert!(ran.output.contains("second\n") && ran.output.contains("ZeroDivisionError"), "{}", ran.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_running_in_the_background_does_not_hold_the_cell() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let said = machine.says("!echo one; sleep 1000 & echo $! > pid\nprint('two')").await;
    assert_eq!(said, "one\ntwo\n");
    assert_eq!(machine.says("!kill -0 $(cat pid) && echo alive").await, "alive\n");
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_and_errors_keep_their_order() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let said =
        machine.says("import sys\nfor i in range(5):\n    print('out', i)\n    print('err', i, file=sys.stderr)").await;
    let wanted: String = (0..5).map(|i| format!("out {i}\nerr {i}\n")).collect();
    assert_eq!(said, wanted);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_written_over_are_one_line_and_what_is_cleared_is_gone() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let bar =
        "import sys\nfor i in range(5001): sys.stdout.write(f'\\r{i} of 5000 {\"#\" * 20}')\nprint()\nprint('done')";
    assert_eq!(machine.says(bar).await, format!("5000 of 5000 {}\ndone\n", "#".repeat(20)));
    let cleared = "from IPython.display import clear_output\nfor i in range(3):\n    print('old', i)\n    clear_output(wait=True)\nprint('new')";
    assert_eq!(machine.says(cleared).await, "new\n");
    assert_eq!(machine.says("print('kept')\nclear_output(wait=True)").await, "kept\n", "nothing came in its place");
    let updated = "h = display(0, display_id=True)\nfor i in range(300): h.update(i)\nprint('done')";
    assert_eq!(machine.says(updated).await, "299\ndone\n");
    let between = "h = display(0, display_id=True)\nprint('on')\nfor i in range(300): h.update(i)\nprint('end')";
    assert_eq!(machine.says(between).await, "0\non\nend\n299\n", "the last state where it is no line any more");
    let lines = "h = display([0], display_id=True)\nclass Two:\n    def __repr__(self): return 'a\\nb'\nh.update(Two())\nh.update(Two())";
    assert_eq!(machine.says(lines).await, "[0]\na\nb\n");
    assert_eq!(machine.says("h.update('of an earlier cell')\n3").await, "'of an earlier cell'\n3\n");
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cells_run_in_a_row() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    machine.says("total = 0").await;
    for number in 1..=1000 {
        let said = machine.says(&format!("total += {number}\nprint(total)")).await;
        assert_eq!(said, format!("{}\n", number * (number + 1) / 2));
    }
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn esc_gives_the_prompt_back_at_once_and_the_kernel_keeps_its_variables() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    machine.says("x = 7").await;
    for code in [
        "print('begun')\nwhile True: pass",
        "print('begun')\nimport time\ntime.sleep(1000)",
        "print('begun', flush=True)\n!sleep 1000",
    ] {
        let (cancel, running, _) = machine.begun(code, "begun").await;
        let pressed = Instant::now();
        cancel.cancel();
        let ran = running.await.expect("ran");
        assert!(pressed.elapsed() < Duration::from_millis(200), "{code}: {:?}", pressed.elapsed());
        assert_eq!(ran.status, ToolStatus::Cancelled);
        assert!(ran.output.starts_with("begun\n[cancelled by the user after"), "{}", ran.output);
        assert_eq!(machine.says("x").await, "7\n", "{code}");
    }
    assert!(machine::processes_with("sleep 1000").is_empty());
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_that_gets_lost_is_sent_again() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    machine.says("x = 7").await;
    // As when it comes just before a call into the system: whoever sends it believes that it went.
    let code = "import os, time\ndef lost(name):\n    real = getattr(os, name)\n    def once(*of):\n        setattr(os, name, real)\n    \
                setattr(os, name, once)\nlost('kill')\nlost('killpg')\nprint('begun')\ntime.sleep(1000)";
    let (cancel, running, _) = machine.begun(code, "begun").await;
    cancel.cancel();
    assert_eq!(running.await.expect("ran").status, ToolStatus::Cancelled);
    assert_eq!(machine.says("x").await, "7\n");
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_takes_no_interrupt_costs_the_kernel_and_the_model_is_told() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    let code = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nx = 7\nprint('begun')\n\
                while True: time.sleep(1)";
    let (cancel, running, _) = machine.begun(code, "begun").await;
    cancel.cancel();
    assert_eq!(running.await.expect("ran").status, ToolStatus::Cancelled);
    let said = machine.says("'x' in globals()").await;
    let told = "[the kernel before has ended: it did not take the interrupt; this is a fresh kernel: all variables of \
                earlier cells are gone]";
    assert_eq!(said, format!("False\n{told}"));
    assert_eq!(machine.says("1").await, "1\n", "told once");
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_that_is_killed_or_crashes_is_told_and_the_next_cell_gets_a_fresh_one() {
    let folder = machine::folder();
    let Some(machine) = machine(folder.path()) else { return };
    machine.says("x = 1").await;
    let ran = machine
        .cell(
            "import os, signal, time\nprint('so far', flush=True)\ntime.sleep(1)\nos.kill(os.getpid(), signal.SIGKILL)",
        )
        .await;
    assert_eq!(ran.status, ToolStatus::Error);
    assert_eq!(
        ran.output,
        "so far\n[the kernel has ended: it was killed (SIGKILL). All variables are gone; the next call gets a fresh kernel.]"
    );
    let said = machine.says("'x' in globals()").await;
    assert!(
        said.starts_with("False\n[the kernel before has ended: it was killed (SIGKILL); this is a fresh kernel"),
        "{said}"
    );

    let ran = machine.cell("def crash():\n    import ctypes\n    ctypes.string_at(0)\ncrash()").await;
    assert_eq!(ran.status, ToolStatus::Error);
    for part in ["Segmentation fault", "in crash", "it crashed (SIGSEGV)"] {
        assert!(ran.output.contains(part), "{part}: {}", ran.output);
    }
    assert!(!ran.output.contains("in carry"), "no threads of the kernel's own: {}", ran.output);
    assert!(ran.unfinished);

    // From outside, between two cells.
    let mut facts = machine.toolbox.listen();
    machine.says("import os\npid = os.getpid()\nopen('pid', 'w').write(str(pid))").await;
    let ran = machine.shell("kill -9 $(cat pid)").await;
    assert_eq!(ran.status, ToolStatus::Ok, "{}", ran.output);
    until_kernel(&mut facts, KernelState::Ended).await;
    assert!(machine.says("1").await.contains("it was killed (SIGKILL); this is a fresh kernel"));

    let ran = machine.call("ipython", json!({"code": "'pid' in globals()", "restart": true})).await;
    assert_eq!(ran.output, "False\n[the kernel was restarted: all variables are gone]");
    let ran = machine.call("ipython", json!({"code": "", "restart": true})).await;
    assert_eq!(ran.output, "[the kernel was restarted: all variables are gone]");
    machine.toolbox.close().await;
    assert!(machine::soon(|| machine::processes_with(&machine.mount).is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_limited_and_the_limit_is_told() {
    let folder = machine::folder();
    let mut section = SandboxSection::default();
    section.limits.memory_mb = 600;
    let Some(machine) = machine_of(&section, folder.path()) else { return };
    let ran = machine.cell("x = bytearray(2 << 30)").await;
    assert_eq!(ran.status, ToolStatus::Error);
    assert!(ran.output.contains("MemoryError"), "{}", ran.output);
    assert!(
        ran.output.ends_with("[a process may have at most 600 MiB of memory (sandbox.limits.memory_mb)]"),
        "{}",
        ran.output
    );
    assert_eq!(machine.says("1").await, "1\n", "it goes on");
    // Shared memory is not held by the limit of a process; who has the most of it ends.
    let code =
        "import mmap, time\nm = mmap.mmap(-1, 1 << 30)\nfor at in range(0, 1 << 30, 4096): m[at] = 1\ntime.sleep(60)";
    let ran = machine.cell(code).await;
    assert_eq!(ran.status, ToolStatus::Error);
    assert!(
        ran.output.contains("[the kernel has ended: a process may have at most 600 MiB of memory"),
        "{}",
        ran.output
    );
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_run_behind_every_wall() {
    for (backend, scope) in [
        (SandboxBackend::Landlock, SandboxScope::Session),
        (SandboxBackend::Off, SandboxScope::Session),
        (SandboxBackend::External, SandboxScope::Session),
        (SandboxBackend::Bubblewrap, SandboxScope::Command),
    ] {
        let folder = machine::folder();
        let section = SandboxSection { backend, scope, ..SandboxSection::default() };
        let Some(machine) = machine_of(&section, folder.path()) else { continue };
        let code = "import os\nx = 1\nprint(os.getcwd())\nopen('made', 'w').write('x')\n!echo shell";
        assert_eq!(machine.says(code).await, format!("{}\nshell\n", machine.inside), "{backend:?}");
        assert!(machine.work().join("made").is_file(), "{backend:?}");
        let (cancel, running, _) = machine.begun("print('begun')\nwhile True: pass", "begun").await;
        cancel.cancel();
        running.await.expect("ran");
        assert_eq!(machine.says("x").await, "1\n", "{backend:?}");
        // It stands still while files are read.
        let write = "import threading, time\ndef write():\n    while True:\n        open('tick', 'a').write('x')\n        time.sleep(0.001)\nthreading.Thread(target=write, daemon=True).start()";
        machine.says(write).await;
        let ticks = || std::fs::read(machine.work().join("tick")).map_or(0, |bytes| bytes.len());
        assert!(machine::soon(|| ticks() > 3));
        let toolbox = machine.toolbox.clone();
        let frozen = tokio::task::spawn_blocking(move || toolbox.freeze()).await.expect("frozen");
        let before = ticks();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(ticks(), before, "{backend:?}: it stands still");
        drop(frozen);
        assert!(machine::soon(|| ticks() > before), "{backend:?}: it goes on");
        machine.toolbox.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_whose_walls_are_no_longer_right_ends() {
    for scope in [SandboxScope::Session, SandboxScope::Command] {
        let folder = machine::folder();
        let network = NetworkSection { mode: NetworkMode::Off, ..NetworkSection::default() };
        let section = SandboxSection { scope, network, ..SandboxSection::default() };
        let Some(machine) = machine_of(&section, folder.path()) else { return };
        machine.says("x = 1").await;
        let mut facts = machine.toolbox.listen();
        machine.toolbox.network(&NetworkChange::Mode("host".to_owned())).expect("changed");
        until_kernel(&mut facts, KernelState::Ended).await;
        let said = machine.says("'x' in globals()").await;
        assert!(said.starts_with("False\n[the kernel before has ended: "), "{said}");
        // The walls of these are the same, and the kernel has to know the proxy.
        let proxy = "import os\nprint(bool(os.environ.get('https_proxy')))";
        machine.toolbox.network(&NetworkChange::Mode("off".to_owned())).expect("changed");
        assert!(machine.says(proxy).await.starts_with("False\n"));
        machine.toolbox.network(&NetworkChange::Mode("proxy".to_owned())).expect("changed");
        let said = machine.says(proxy).await;
        assert!(said.starts_with("True\n[the kernel before has ended: the network of the tools was changed"), "{said}");
        machine.toolbox.close().await;
    }
}
