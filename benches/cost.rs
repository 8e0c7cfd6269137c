//! What the program costs as a whole: start to first frame, idle, memory, a streamed reply.
//!
//! `cargo bench --bench cost` starts the release binary in a pseudo terminal of 80x24 against an endpoint on loopback that
//! streams 5,000 tokens at 200 tokens a second, and prints CPU times of the process (`/proc/PID/stat`), its memory and
//! the bytes that reached the terminal, each as a figure and, where it applies, as a ratio. Linux only.

#![allow(clippy::print_stdout, clippy::expect_used, missing_docs, reason = "a measuring program")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

const TOKENS: usize = 5_000;
const TOKENS_PER_SECOND: u64 = 200;
const IDLE_SECONDS: u64 = 5;

/// Prose, lists and code as a model writes them, cut into tokens of about four bytes.
fn tokens() -> Vec<String> {
    let block = "## A part of the answer\n\nThe quick brown fox jumps over the lazy dog, and *then* it **rests** for a while \
                 under a tree that nobody had seen before.\n\n- a first point with `code`\n- a second point\n\n```rust\nfn \
                 main() {\n    let answer = 6 * 7;\n    println!(\"{answer}\");\n}\n```\n\n";
    let mut tokens = Vec::with_capacity(TOKENS);
    let mut chars = block.chars().cycle();
    while tokens.len() < TOKENS {
        tokens.push(chars.by_ref().take(4).collect());
    }
    tokens
}

/// An endpoint that answers every request with the tokens at their pace.
fn endpoint(tokens: Vec<String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.expect("connection");
            let mut reader = BufReader::new(connection.try_clone().expect("clone"));
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("body");
            connection.set_nodelay(true).expect("no delay");
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
            if connection.write_all(head.as_bytes()).is_err() {
                continue;
            }
            let begun = Instant::now();
            for (token, n) in tokens.iter().zip(1u64..) {
                let delta = serde_json::json!({"choices": [{"index": 0, "delta": {"content": token}}]});
                if connection.write_all(format!("data: {delta}\n\n").as_bytes()).is_err() {
                    break;
                }
                let due = begun + Duration::from_millis(n * 1000 / TOKENS_PER_SECOND);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let _ = connection.write_all(b"data: [DONE]\n\n");
        }
    });
    port
}

/// User and system time of a process so far.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let after_name = stat.rsplit(") ").next().expect("fields");
    let fields: Vec<u64> = after_name.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    // Fields 14 and 15 of proc(5), counted from the third; in ticks of 10 ms.
    Duration::from_millis((fields[11] + fields[12]) * 10)
}

/// The same from the scheduler's own clock, in nanoseconds, summed over the threads.
fn cpu_fine(pid: u32) -> Duration {
    let mut total = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads").flatten() {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        total += text.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    }
    if total == 0 { cpu(pid) } else { Duration::from_nanos(total) }
}

/// Memory in MiB: resident, and the part that is the process's own.
fn memory(pid: u32) -> (f64, f64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
            .sum::<f64>()
            / 1024.0
    };
    (field("Rss:"), field("Private_Dirty:") + field("Private_Clean:"))
}

struct Run {
    pid: u32,
    bytes: mpsc::Receiver<Vec<u8>>,
    keys: Box<dyn std::io::Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    _master: Box<dyn portable_pty::MasterPty + Send>,
    begun: Instant,
}

fn start(home: &std::path::Path) -> Run {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("pseudo terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_okcvm"));
    command.env_clear();
    command.env("HOME", home);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command.cwd(home);
    let begun = Instant::now();
    let child = pair.slave.spawn_command(command).expect("start");
    let pid = child.process_id().expect("pid");
    let mut reader = pair.master.try_clone_reader().expect("reader");
    let keys = pair.master.take_writer().expect("writer");
    let (send, bytes) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count) = reader.read(&mut buffer) {
            if count == 0 || send.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    Run { pid, bytes, keys, child, _master: pair.master, begun }
}

impl Run {
    /// Reads until nothing comes for `quiet`; gives the bytes and when the last ones came.
    fn read_until_quiet(&self, quiet: Duration) -> (Vec<u8>, Instant) {
        let (mut all, mut last) = (Vec::new(), Instant::now());
        while let Ok(chunk) = self.bytes.recv_timeout(quiet) {
            all.extend(chunk);
            last = Instant::now();
        }
        (all, last)
    }

    fn quit(mut self) {
        self.keys.write_all(b"\x03\x03").expect("keys");
        self.read_until_quiet(Duration::from_millis(500));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() {
    let text = tokens();
    let text_bytes: usize = text.iter().map(String::len).sum();
    let port = endpoint(text);
    let home = tempfile::tempdir().expect("home");
    let config = home.path().join(".config/okcvm");
    std::fs::create_dir_all(&config).expect("folder");
    let file = config.join("config.yaml");
    std::fs::write(
        &file,
        format!("chat:\n  model: bench\n  base_url: http://127.0.0.1:{port}/v1\n  api_key: sk-bench-key\n"),
    )
    .expect("config");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("mode");

    // The first start of a boot probes the sandbox; what is measured are the ones after it.
    let warm = start(home.path());
    warm.read_until_quiet(Duration::from_secs(2));
    warm.quit();

    let mut frames = Vec::new();
    for _ in 0..9 {
        let run = start(home.path());
        let first = run.bytes.recv_timeout(Duration::from_secs(10)).expect("a first frame");
        frames.push((cpu_fine(run.pid), run.begun.elapsed(), first.len()));
        run.read_until_quiet(Duration::from_millis(300));
        run.quit();
    }
    frames.sort();
    let (frame_cpu, _, _) = frames[frames.len() / 2];
    frames.sort_by_key(|frame| frame.1);
    let (_, frame_wall, _) = frames[frames.len() / 2];
    println!("first frame      {frame_cpu:>10.1?} CPU (median of 9)   {frame_wall:>10.1?} wall");

    let mut run = start(home.path());
    run.read_until_quiet(Duration::from_secs(2));
    println!("start, complete  {:>10.1?} CPU", cpu_fine(run.pid));
    let before = cpu_fine(run.pid);
    let (idle_bytes, _) = run.read_until_quiet(Duration::from_secs(IDLE_SECONDS));
    let idle = cpu_fine(run.pid).saturating_sub(before);
    println!(
        "idle             {:>10.3} % CPU over {IDLE_SECONDS} s, {} bytes",
        idle.as_secs_f64() * 100.0 / IDLE_SECONDS as f64,
        idle_bytes.len()
    );
    let (resident, own) = memory(run.pid);
    println!("memory, idle     {resident:>10.1} MiB resident, {own:.1} MiB its own");

    let before = cpu_fine(run.pid);
    let begun = Instant::now();
    run.keys.write_all(b"go\r").expect("keys");
    let (drawn, last) = run.read_until_quiet(Duration::from_secs(4));
    let used = cpu_fine(run.pid).saturating_sub(before);
    println!(
        "stream           {used:>10.1?} CPU for {TOKENS} tokens ({text_bytes} bytes) in {:.1} s",
        (last - begun).as_secs_f64()
    );
    println!(
        "terminal         {:>10} bytes, {:.2} times the text",
        drawn.len(),
        drawn.len() as f64 / text_bytes as f64
    );
    let (resident, own) = memory(run.pid);
    println!("memory, after    {resident:>10.1} MiB resident, {own:.1} MiB its own");
    run.quit();
}
