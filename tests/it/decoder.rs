//! The process that decodes documents and pictures: it can do nothing else, and whatever becomes of it is one error.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use okcvm::config::schema::{SandboxBackend, SandboxSection};
use okcvm::sandbox::{Chooser, Decoder, DecoderError, Encoded, LazySandbox};
use tokio_util::sync::CancellationToken;

use crate::support::machine::{self, processes_with, soon};

fn decoder(program: impl Into<PathBuf>) -> Decoder {
    let section = SandboxSection { backend: SandboxBackend::Off, ..SandboxSection::default() };
    LazySandbox::from_chooser(Chooser::new(&section, Path::new("/nowhere")).program(program)).decoder()
}

fn own() -> Decoder {
    decoder(env!("CARGO_BIN_EXE_okcvm"))
}

/// A program that stands in for a reader which something befalls.
fn stand_in(folder: &Path, script: &str) -> Decoder {
    let path = folder.join("stand-in");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
    decoder(path)
}

async fn fails(decoder: &Decoder, input: &[u8]) -> DecoderError {
    let ran = decoder.run("task", Encoded::Bytes(input.to_vec()), &CancellationToken::new()).await;
    ran.expect_err("it has no answer")
}

#[tokio::test]
async fn a_process_that_decodes_can_neither_open_nor_connect_nor_start_anything() {
    let missing = own().missing_walls().await.expect("it runs");
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_program_that_serves_no_helper_modes_says_so() {
    let section = SandboxSection { backend: SandboxBackend::Off, ..SandboxSection::default() };
    let decoder = LazySandbox::new(&section, Path::new("/nowhere")).decoder();
    let error = fails(&decoder, b"x").await;
    assert!(matches!(error, DecoderError::NoHelper) && error.to_string().contains("okcvm::internal_main"), "{error}");
}

#[tokio::test]
async fn a_reader_that_dies_is_an_error_that_says_how() {
    let folder = machine::folder();
    for (script, expected) in [
        ("kill -9 $$", "short of memory"),
        ("kill -11 $$", "signal 11"),
        ("exit 3", "exit code 3"),
        ("echo what went wrong >&2; exit 1", "what went wrong"),
        ("echo 'memory allocation of 9 bytes failed' >&2; kill -6 $$", "1024 MiB of memory"),
        ("echo 'thread main has overflowed its stack' >&2; kill -6 $$", "nested too deeply"),
        ("echo no answer at all", "crashed"),
        // A frame that promises more than it holds.
        ("printf '+\\377\\0\\0\\0\\0\\0\\0\\0abc'", "crashed"),
    ] {
        let error = fails(&stand_in(folder.path(), script), b"x").await;
        assert!(error.to_string().contains(expected), "{script}: {error}");
    }
    let refused = fails(&stand_in(folder.path(), "printf -- '-\\003\\0\\0\\0\\0\\0\\0\\0why'"), b"x").await;
    assert!(matches!(&refused, DecoderError::Refused(why) if why == "why"), "{refused}");
}

#[tokio::test]
async fn a_reader_that_computes_without_end_is_ended_and_told_as_one_that_took_too_long() {
    let error = own().with_cpu_limit(1).spin().await.expect_err("it is ended");
    assert!(matches!(error, DecoderError::TimedOut(limit) if limit == Duration::from_secs(1)), "{error}");
}

#[tokio::test]
async fn two_readers_run_at_once_and_the_others_wait_for_their_turn() {
    let folder = machine::folder();
    let log = folder.path().join("log");
    let script = "printf s >> LOG; sleep 0.2; printf e >> LOG; printf '+\\0\\0\\0\\0\\0\\0\\0\\0'";
    let reader = stand_in(folder.path(), &script.replace("LOG", log.to_str().expect("path")));
    let never = CancellationToken::new();
    let runs = (0..6).map(|_| reader.run("task", Encoded::Bytes(Vec::new()), &never));
    for ran in futures::future::join_all(runs).await {
        assert_eq!(ran.expect("answer"), b"");
    }
    let log = std::fs::read_to_string(&log).expect("log");
    let (mut running, mut most) = (0, 0);
    for mark in log.chars() {
        running += if mark == 's' { 1 } else { -1 };
        most = most.max(running);
    }
    assert!(log.len() == 12 && running == 0 && most == 2, "{log}");
}

#[tokio::test]
async fn a_reader_that_waits_for_its_turn_can_be_cancelled() {
    let folder = machine::folder();
    let mark = format!("78{}", std::process::id());
    let hangs = stand_in(folder.path(), &format!("exec sleep {mark}"));
    let run = |cancel: CancellationToken| {
        let hangs = hangs.clone();
        tokio::spawn(async move { hangs.run("task", Encoded::Bytes(Vec::new()), &cancel).await })
    };
    let _running = [run(CancellationToken::new()), run(CancellationToken::new())];
    let of = mark.clone();
    let both = tokio::task::spawn_blocking(move || soon(|| processes_with(&of).len() == 2));
    assert!(both.await.expect("looked"), "they never ran");
    let (cancel, since) = (CancellationToken::new(), Instant::now());
    let waiting = run(cancel.clone());
    cancel.cancel();
    let error = waiting.await.expect("task").expect_err("cancelled");
    assert!(matches!(error, DecoderError::Cancelled) && since.elapsed() < Duration::from_secs(5), "{error}");
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let folder = machine::folder();
    let error = fails(&stand_in(folder.path(), "exec cat /dev/zero"), b"x").await;
    assert!(matches!(error, DecoderError::TooLarge), "{error}");
}

#[tokio::test]
async fn a_reader_that_hangs_ends_at_its_limit_and_at_once_when_it_is_cancelled() {
    let folder = machine::folder();
    let mark = format!("77{}", std::process::id());
    let hangs = stand_in(folder.path(), &format!("exec sleep {mark}"));
    let error = fails(&hangs.clone().with_time_limit(Duration::from_millis(200)), b"x").await;
    assert!(matches!(error, DecoderError::TimedOut(_)), "{error}");
    assert!(soon(|| processes_with(&mark).is_empty()), "it still runs");

    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let sleeping = mark.clone();
    let stopper = tokio::task::spawn_blocking(move || {
        assert!(soon(|| !processes_with(&sleeping).is_empty()), "it never ran");
        stop.cancel();
        Instant::now()
    });
    let error = hangs.run("task", Encoded::Bytes(Vec::new()), &cancel).await.expect_err("cancelled");
    let since = stopper.await.expect("stopped").elapsed();
    assert!(matches!(error, DecoderError::Cancelled) && since < Duration::from_secs(5), "{error}, {since:?}");
    assert!(soon(|| processes_with(&mark).is_empty()), "it still runs");
}

#[tokio::test]
async fn what_is_read_is_the_open_file_and_not_its_path() {
    let folder = machine::folder();
    let path = folder.path().join("secret-name");
    std::fs::write(&path, "the content").expect("file");
    let file = std::fs::File::open(&path).expect("open");
    std::fs::remove_file(&path).expect("removed");
    let echo = stand_in(
        folder.path(),
        "test -z \"$*\" || case \"$*\" in *secret-name*) exit 9;; esac\nprintf '+\\013\\0\\0\\0\\0\\0\\0\\0'; exec cat",
    );
    let answer = echo.run("task", Encoded::File(file), &CancellationToken::new()).await.expect("answer");
    assert_eq!(answer, b"the content");
}
