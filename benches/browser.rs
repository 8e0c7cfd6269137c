//! What a visit of a page costs, beside Playwright doing the same with the same browser: taken in turns, in one run.
//!
//! A plain program and not criterion, as with cells: both have to be measured under the same load. Needs node, and a
//! folder with `playwright-core` in `OKCVM_BENCH_PLAYWRIGHT` (or `NODE_PATH`):
//! `npm install --prefix FOLDER playwright-core`, and then `OKCVM_BENCH_PLAYWRIGHT=FOLDER/node_modules`.

#![allow(clippy::print_stdout, reason = "a measurement prints its figures")]
#![allow(clippy::format_collect, reason = "small texts of tests")]

#[allow(dead_code, unreachable_pub, reason = "tests need more of it")]
#[path = "../tests/it/support/machine.rs"]
mod machine;
#[allow(dead_code, unreachable_pub, reason = "tests need more of it")]
#[path = "../tests/it/support/site.rs"]
mod site;

use std::env;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use okcvm::config::schema::{NetworkSection, SandboxSection};
use okcvm::protocol::ToolStatus;
use okcvm::tools::LazyProgram;
use serde_json::json;

use machine::Machine;
use site::{Answer, Asked, Site};

const ROUNDS: usize = 20;
/// Visits the address of each line and gets what a model needs of the page, and tells how long that took. The first word
/// of a line says what counts as loaded.
const CLIENT: &str = "const {chromium} = require('playwright-core');
const lines = require('readline').createInterface({input: process.stdin});
(async () => {
    const browser = await chromium.launch({executablePath: process.argv[1], args: ['--no-sandbox']});
    const page = await browser.newPage({viewport: {width: 1280, height: 1200}});
    console.log('ready ' + browser.version());
    for await (const line of lines) {
        const [waitUntil, url] = line.split(' ');
        const start = performance.now();
        await page.goto(url, {waitUntil});
        const seen = [page.content(), page.locator('body').ariaSnapshot()];
        await Promise.all([...seen, page.screenshot({type: 'jpeg', quality: 75})]);
        console.log((performance.now() - start) / 1000);
    }
    await browser.close();
})();
";
const SMALL: &str = "<!doctype html><title>Small</title><h1>Hello</h1><p>Some words and <a href=/table>a link</a>.
<form><label>Name <input name=name></label><button>Send</button></form>";
const SCRIPTS: &str = "<!doctype html><title>Scripts</title><h1>Orders</h1><p id=first>loading</p><ul id=second></ul>
<script>
const get = path => fetch(path).then(answer => answer.json());
(async () => {
    const {count} = await get('/count.json');
    first.textContent = count + ' orders';
    for (const name of await get('/names.json')) {
        second.append(Object.assign(document.createElement('li'), {textContent: name}));
    }
})();
</script>";

fn main() {
    // Benches are also built and started by `cargo test --benches`, which wants to know only that they start.
    let rounds = if env::args().any(|arg| arg == "--bench") { ROUNDS } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    if let Err(why) = runtime.block_on(measure(rounds)) {
        println!("SKIPPED: {why}");
    }
}

/// `Err` says what this machine lacks.
async fn measure(rounds: usize) -> Result<(), String> {
    let modules = modules().ok_or("OKCVM_BENCH_PLAYWRIGHT names no folder with playwright-core")?;
    let browser = LazyProgram::new(None);
    let program = &browser.get().map_err(|missing| missing.reason.clone())?.path;
    let site = Site::start(answer);
    let folder = machine::folder();
    let network = NetworkSection { allow_private: vec![site.address.to_string()], ..NetworkSection::default() };
    let section = SandboxSection { network, ..SandboxSection::default() };
    let sandbox = machine::choose(&section, &folder.path().join("state")).map_err(|missing| missing.reason)?;
    let machine = Machine::create(folder.path(), 1, &sandbox);
    let mut playwright = Playwright::start(&modules, program, folder.path())?;
    println!("a visit of a page, {rounds} rounds in turns with Playwright ({}), median wall time", playwright.version);
    println!("  {:<22}{:>10}{:>12}{:>8}{:>14}", "", "okcvm", "Playwright", "ratio", "networkidle");
    for (name, path, words) in
        [("a small page", "/", "Some words"), ("1,000 rows", "/table", "cell 3 of 1"), ("scripts", "/scripts", "Zoë")]
    {
        let (mut ours, mut loaded, mut idle) = (Vec::new(), Vec::new(), Vec::new());
        let beside = format!("http://{}{path}", site.address);
        // The first ones start what is started once.
        for round in 0..=rounds {
            let begun = Instant::now();
            let page = machine.call("browser_visit", json!({"url": site.url(path), "citation_id": 0})).await;
            let took = [begun.elapsed(), playwright.visit("load", &beside), playwright.visit("networkidle", &beside)];
            assert!(page.status == ToolStatus::Ok && page.output.contains(words), "{}", page.output);
            if round > 0 {
                ours.push(took[0]);
                loaded.push(took[1]);
                idle.push(took[2]);
            }
        }
        let [ours, loaded, idle] = [ours, loaded, idle].map(median);
        let ratio = ours.as_secs_f64() / loaded.as_secs_f64();
        println!("  {name:<22}{ours:>10.1?}{loaded:>12.1?}{ratio:>8.2}{idle:>14.1?}");
    }
    playwright.end();
    machine.toolbox.close().await;
    Ok(())
}

fn answer(asked: &Asked) -> Answer {
    let json = |text: &str| {
        Answer::Full("200 OK", vec![("Content-Type", "application/json".to_owned())], text.as_bytes().to_vec())
    };
    match asked.path.as_str() {
        "/" => Answer::Html(SMALL.to_owned()),
        "/table" => Answer::Html(table()),
        "/scripts" => Answer::Html(SCRIPTS.to_owned()),
        "/count.json" => json("{\"count\": 3}"),
        "/names.json" => json("[\"Zoë\", \"Yuki\", \"Xaver\"]"),
        _ => Answer::Full("404 Not Found", Vec::new(), Vec::new()),
    }
}

fn table() -> String {
    let mut text = "<!doctype html><title>Table</title><table>".to_owned();
    for row in 1..=1_000 {
        text.push_str("<tr>");
        for cell in 1..=5 {
            let _ = write!(text, "<td>cell {cell} of {row}");
        }
    }
    text
}

/// Where `playwright-core` lies.
fn modules() -> Option<PathBuf> {
    let named = env::var_os("OKCVM_BENCH_PLAYWRIGHT").or_else(|| env::var_os("NODE_PATH"))?;
    env::split_paths(&named).find(|folder| folder.join("playwright-core/package.json").is_file())
}

/// Playwright with a browser of its own.
struct Playwright {
    node: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    version: String,
}

impl Playwright {
    fn start(modules: &Path, program: &Path, home: &Path) -> Result<Self, String> {
        let mut node = Command::new("node")
            .args(["-e", CLIENT])
            .arg(program)
            .env("NODE_PATH", modules)
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("node does not start: {error}"))?;
        let ask = node.stdin.take().expect("stdin");
        let answers = BufReader::new(node.stdout.take().expect("stdout")).lines();
        let mut started = Self { node, ask, answers, version: String::new() };
        let ready = started.answer();
        ready.strip_prefix("ready ").expect("ready").clone_into(&mut started.version);
        Ok(started)
    }

    fn answer(&mut self) -> String {
        self.answers.next().expect("an answer").expect("text")
    }

    fn visit(&mut self, until: &str, url: &str) -> Duration {
        writeln!(self.ask, "{until} {url}").expect("ask");
        Duration::from_secs_f64(self.answer().parse().expect("seconds"))
    }

    fn end(mut self) {
        drop(self.ask);
        self.node.wait().expect("ended");
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
