//! What a cell costs, beside the same cell through Python's own client of Jupyter: taken in turns, in one run.
//!
//! A plain program and not criterion: both have to be measured under the same load, so they alternate. Needs
//! `/usr/bin/python3` with ipykernel and `jupyter_client`.

#![allow(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use okcvm::config::schema::{NetworkMode, NetworkSection, SandboxSection};
use okcvm::kernel::python::{LazyPython, PythonSearch};
use okcvm::kernel::{Kernel, Output};
use okcvm::sandbox::network::Network;
use okcvm::sandbox::{Chooser, Notices, SandboxFolders, SandboxSession};
use okcvm::support::secret::Redactor;

const ROUNDS: usize = 1_000;
const PYTHON: &str = "/usr/bin/python3";
const CELL: &str = "x = 1\nprint(x)";
/// Runs a cell for each line that comes in, and tells how long it took.
const CLIENT: &str = "import sys, time
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel()
print('ready', flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    client.execute_interactive('x = 1\\nprint(x)', allow_stdin=False, output_hook=lambda message: None)
    print(time.perf_counter() - start, flush=True)
client.stop_channels()
manager.shutdown_kernel(now=True)
";

fn main() {
    // Benches are also built and started by `cargo test --benches`, which wants to know only that they start.
    let rounds = if std::env::args().any(|arg| arg == "--bench") { ROUNDS } else { 1 };
    let has_both = Command::new(PYTHON).args(["-c", "import ipykernel, jupyter_client"]).status();
    if !has_both.is_ok_and(|status| status.success()) {
        println!("SKIPPED: {PYTHON} has no ipykernel or no jupyter_client");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    runtime.block_on(measure(rounds));
}

async fn measure(rounds: usize) {
    let root = tempfile::tempdir().expect("folder");
    let section = SandboxSection { network: NetworkSection::of_mode(NetworkMode::Off), ..SandboxSection::default() };
    let chooser = Chooser::new(&section, &root.path().join("cache")).program(env!("CARGO_BIN_EXE_okcvm"));
    let sandbox = chooser.choose().expect("a sandbox");
    let at = |name: &str| root.path().join("okcvm-1").join(name);
    let folders = SandboxFolders {
        id: "okcvm-1".to_owned(),
        work: at("work"),
        home: at("home"),
        tmp: at("tmp"),
        mount: "/mnt/okcvm-1".to_owned(),
        mounted: Vec::new(),
    };
    sandbox.prepare(&folders).expect("folders");
    let network = Network::new(&section.network, Notices::default(), |_| None);
    let session = SandboxSession::new(sandbox, Arc::new(folders), network, Notices::default(), Redactor::default());
    let search = PythonSearch { configured: Some(PYTHON.into()), ..PythonSearch::default() };
    let python = LazyPython::new(search).get().expect("Python");
    let kernel = Kernel::new(Notices::default());
    let begun = Instant::now();
    let cell = || async {
        let start = Instant::now();
        let mut cell = kernel.run(&session, &python, CELL, false).await.expect("cell");
        while !matches!(cell.next().await, Output::Done { ok: true }) {}
        start.elapsed()
    };
    cell().await;
    let first = begun.elapsed();

    let mut client = Command::new(PYTHON)
        .args(["-c", CLIENT])
        .env("HOME", root.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python's client");
    let mut ask = client.stdin.take().expect("stdin");
    let mut answers = BufReader::new(client.stdout.take().expect("stdout")).lines();
    let mut answer = || answers.next().expect("an answer").expect("text");
    assert_eq!(answer(), "ready");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(cell().await);
        writeln!(ask, "go").expect("ask");
        theirs.push(Duration::from_secs_f64(answer().parse().expect("seconds")));
    }
    drop(ask);
    client.wait().expect("ended");
    kernel.close().await;
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    println!("one cell that prints, {rounds} rounds in turns, median wall time");
    println!("  okcvm, in the sandbox         {ours:>10.2?}");
    println!("  Python's jupyter_client       {theirs:>10.2?}");
    println!("  ratio                         {:>10.2}", ours.as_secs_f64() / theirs.as_secs_f64());
    println!("the first cell, with the start of sandbox and kernel: {first:.2?}");
    println!("memory of okcvm's side (RSS): {}", resident());
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// What this process has in memory, as the system tells it.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or_else(|| "not known".to_owned(), |line| line.trim().to_owned())
}
