//! What snapshots cost: the first one, one with a single change in 10,000 files, nothing changed, and a rollback.
//!
//! `cargo bench --bench snapshot` prints criterion's wall times, and before them one table of CPU times (user and
//! system, children included) beside `git status` on the same tree, because the promise is about CPU: a snapshot with
//! one change costs at most 1.2 times a `git status`.

#![allow(missing_docs, reason = "criterion's macros make functions without them")]
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops where something is wrong")]

use std::fs;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use okcvm::protocol::{NodeId, NodeKind};
use okcvm::snapshot::{Journal, NodeInput, Store, StoreOptions};

const FOLDERS: usize = 100;
const FILES: usize = 100;
const ROUNDS: u32 = 40;

fn input(store: &Store) -> NodeInput {
    NodeInput {
        kind: NodeKind::Turn,
        label: "bench".to_owned(),
        parent: store.head().cloned(),
        turn: None,
        records: b"{}\n".to_vec(),
        state: Vec::new(),
        sites: Vec::new(),
        spill: Vec::new(),
        files_from: None,
        before: None,
        seq: 0,
        time: jiff::Zoned::now(),
    }
}

fn fill(work: &Path) {
    for folder in 0..FOLDERS {
        let path = work.join(format!("d{folder}/src"));
        fs::create_dir_all(&path).unwrap();
        for file in 0..FILES {
            fs::write(path.join(format!("f{file}.txt")), format!("file {folder} {file}\n").repeat(80)).unwrap();
        }
    }
}

fn change(work: &Path, round: u32) {
    fs::write(work.join("d50/src/f50.txt"), format!("round {round}\n")).unwrap();
}

fn open(dir: &Path) -> Store {
    Store::open(&dir.join("state.git"), StoreOptions::default()).unwrap()
}

fn capture(store: &mut Store, work: &fs::File) -> NodeId {
    let input = input(store);
    let captured = store.capture(work.as_fd(), &input).unwrap();
    assert_eq!(captured.failed, None);
    captured.id
}

/// Milliseconds of CPU of this process and its children so far.
fn cpu() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<f64> =
        text.rsplit(')').next().unwrap().split_whitespace().skip(11).take(4).map(|n| n.parse().unwrap()).collect();
    fields.iter().sum::<f64>() * 10.0
}

fn git(dir: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .current_dir(dir)
        .args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

fn measure(name: &str, rounds: u32, mut work: impl FnMut(u32)) -> f64 {
    let before = cpu();
    (0..rounds).for_each(&mut work);
    let each = (cpu() - before) / f64::from(rounds);
    println!("{name:<52} {each:8.1} ms of CPU");
    each
}

fn roll(store: &mut Store, work: &fs::File, from: &NodeId, to: &NodeId) {
    let journal = Journal::new(to.clone(), serde_json::Value::Null);
    let applied = store.restore(work.as_fd(), &journal, from).unwrap();
    assert!(applied.differing.is_empty());
    store.end_restore().unwrap();
}

fn table(dir: &Path) {
    let work = dir.join("work");
    println!("{} files in {} folders", FOLDERS * FILES, FOLDERS);
    let mut store = open(dir);
    let handle = fs::File::open(&work).unwrap();
    measure("first snapshot", 1, |_| drop(capture(&mut store, &handle)));
    measure("git: first add and commit", 1, |_| {
        git(&work, &["init", "-q"]);
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-q", "-m", "one"]);
    });
    let repository = work.join(".git");
    let aside = dir.join("git");
    fs::rename(&repository, &aside).unwrap();
    let status = measure("git status, one change", ROUNDS, |round| {
        change(&work, round);
        git(&work, &["--git-dir", aside.to_str().unwrap(), "--work-tree", ".", "status", "--porcelain"]);
    });
    let same = measure("snapshot, one change, store open", ROUNDS, |round| {
        change(&work, 1000 + round);
        capture(&mut store, &handle);
    });
    let own = measure("snapshot, one change, store opened each time", ROUNDS, |round| {
        change(&work, 2000 + round);
        capture(&mut open(dir), &handle);
    });
    let head = store.head().cloned().unwrap();
    measure("is anything changed? (nothing is)", ROUNDS, |_| {
        store.changed_since(&head, handle.as_fd()).unwrap();
    });
    let full = capture(&mut store, &handle);
    for folder in 0..FOLDERS / 2 {
        fs::rename(work.join(format!("d{folder}")), dir.join(format!("aside{folder}"))).unwrap();
    }
    let half = capture(&mut store, &handle);
    measure("rollback that writes 5,000 files", 1, |_| roll(&mut store, &handle, &half, &full));
    measure("rollback that removes 5,000 files", 1, |_| roll(&mut store, &handle, &full, &half));
    roll(&mut store, &handle, &half, &full);
    println!(
        "one change against git status: {:.2} (store open), {:.2} (opened each time)",
        same / status,
        own / status
    );
    let memory = fs::read_to_string("/proc/self/status").unwrap();
    let peak = memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{}", peak.replace('\t', " "));
}

fn benches(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    fill(&work);
    // Files written in the tick of their capture would be read once more.
    std::thread::sleep(std::time::Duration::from_millis(50));
    table(dir.path());

    let handle = fs::File::open(&work).unwrap();
    let mut group = criterion.benchmark_group("snapshot of 10,000 files");
    group.sample_size(10);
    group.bench_function("first", |bench| {
        bench.iter_batched(
            || tempfile::tempdir().unwrap(),
            |fresh| {
                capture(&mut open(fresh.path()), &handle);
                fresh
            },
            BatchSize::PerIteration,
        );
    });
    let mut store = open(dir.path());
    let mut round = 10_000;
    group.bench_function("one changed", |bench| {
        bench.iter(|| {
            round += 1;
            change(&work, round);
            capture(&mut store, &handle)
        });
    });
    let full = capture(&mut store, &handle);
    fs::remove_dir_all(work.join("d7")).unwrap();
    let less = capture(&mut store, &handle);
    group.bench_function("rollback of 100 files, there and back", |bench| {
        bench.iter(|| {
            roll(&mut store, &handle, &less, &full);
            roll(&mut store, &handle, &full, &less);
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
