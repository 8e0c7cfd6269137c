//! What a command costs inside a running session, beside the same command started directly: taken in turns, in one run.
//!
//! A plain program and not criterion: both have to be measured under the same load, so they alternate.

#![allow(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use okcvm::config::schema::{NetworkMode, NetworkSection, SandboxScope, SandboxSection};
use okcvm::sandbox::network::Network;
use okcvm::sandbox::{Chooser, Notices, Request, SandboxFolders, SandboxSession, Step};
use okcvm::support::secret::Redactor;

const ROUNDS: usize = 200;

fn main() {
    // Benches are also built and started by `cargo test --benches`, which wants to know only that they start.
    let rounds = if std::env::args().any(|arg| arg == "--bench") { ROUNDS } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    runtime.block_on(measure(rounds));
}

async fn measure(rounds: usize) {
    let root = tempfile::tempdir().expect("folder");
    let session = |scope, number: u64| {
        let section =
            SandboxSection { scope, network: NetworkSection::of_mode(NetworkMode::Off), ..SandboxSection::default() };
        let chooser = Chooser::new(&section, &root.path().join("cache")).program(env!("CARGO_BIN_EXE_okcvm"));
        let sandbox = chooser.choose().expect("a sandbox");
        let id = format!("okcvm-{number:016x}");
        let at = |name: &str| root.path().join(&id).join(name);
        let folders = SandboxFolders {
            work: at("work"),
            home: at("home"),
            tmp: at("tmp"),
            mount: format!("/mnt/{id}"),
            mounted: Vec::new(),
            id: id.clone(),
        };
        sandbox.prepare(&folders).expect("folders");
        let network = Network::new(&section.network, Notices::default(), |_| None);
        SandboxSession::new(sandbox, Arc::new(folders), network, Notices::default(), Redactor::default())
    };
    let (running, each) = (session(SandboxScope::Session, 1), session(SandboxScope::Command, 2));
    inside(&running, false).await;
    let (mut direct, mut within, mut typed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        direct.push(directly());
        within.push(inside(&running, false).await);
        typed.push(inside(&running, true).await);
    }
    let mut alone = Vec::new();
    for _ in 0..rounds.div_ceil(10) {
        alone.push(inside(&each, false).await);
    }
    let base = median(&mut direct);
    println!("bash -c true, {rounds} rounds, median wall time");
    println!("  directly                      {base:>10.2?}");
    for (name, mut times) in
        [("in a running session", within), ("there, with a terminal", typed), ("in a sandbox of its own", alone)]
    {
        let time = median(&mut times);
        let more = time.saturating_sub(base);
        let ratio = time.as_secs_f64() / base.as_secs_f64();
        println!("  {name:28}  {time:>10.2?}  {more:>10.2?} more, {ratio:.2} times");
    }
    running.close().await;
}

fn directly() -> Duration {
    let started = Instant::now();
    let output = Command::new("bash").args(["-c", "true"]).stdin(Stdio::null()).output().expect("bash");
    assert!(output.status.success());
    started.elapsed()
}

async fn inside(session: &SandboxSession, terminal: bool) -> Duration {
    let started = Instant::now();
    let argv = ["bash", "-c", "true"].map(ToOwned::to_owned).to_vec();
    let mut child = session.spawn(Request { argv, terminal, merged: true }).await.expect("started");
    loop {
        if let Step::Ended { exit, .. } = child.next().await {
            assert_eq!(exit.code, Some(0));
            return started.elapsed();
        }
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
