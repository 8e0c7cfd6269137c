//! The network as commands in a real sandbox find it: servers of the test on this machine's loopback, reached through
//! the proxy or not at all.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use okcvm::config::schema::{NetworkSection, SandboxSection};
use okcvm::protocol::{Event, NetworkChange, ToolStatus};
use serde_json::json;

use crate::support::machine::{self, Machine};
use crate::support::skip_or_fail;

/// Serves the files of a folder on loopback, as plain http.
struct Files {
    port: u16,
    served: Arc<AtomicUsize>,
}

impl Files {
    fn of(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
        let port = listener.local_addr().expect("address").port();
        let served = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                count.fetch_add(1, Ordering::SeqCst);
                let mut reader = BufReader::new(stream.try_clone().expect("stream"));
                let mut first = String::new();
                let mut line = String::from("x");
                while !line.trim_end().is_empty() {
                    line.clear();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        break;
                    }
                    if first.is_empty() {
                        first.clone_from(&line);
                    }
                }
                let path = first.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap_or("/").to_owned();
                let mut file = folder.join(path.trim_start_matches('/'));
                if file.is_dir() {
                    file = file.join("index.html");
                }
                let mut body = Vec::new();
                let found = std::fs::File::open(&file).and_then(|mut file| file.read_to_end(&mut body)).is_ok();
                let status = if found { "200 OK" } else { "404 Not Found" };
                let kind = if file.extension().is_some_and(|end| end == "html") { "text/html" } else { "text/plain" };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                // A client may have gone.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { port, served }
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

fn machine(folder: &Path, network: NetworkSection) -> Option<Machine> {
    let section = SandboxSection { network, ..SandboxSection::default() };
    match machine::choose(&section, &folder.join("state")) {
        Ok(sandbox) => Some(Machine::create(folder, 1, &sandbox)),
        Err(why) => {
            skip_or_fail(&why.reason);
            None
        }
    }
}

fn admitting(port: u16) -> NetworkSection {
    NetworkSection { allow_private: vec![format!("127.0.0.1:{port}")], ..NetworkSection::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_what_is_admitted_through_the_proxy_and_nothing_else() {
    let folder = machine::folder();
    let web = folder.path().join("web");
    std::fs::create_dir(&web).expect("folder");
    std::fs::write(web.join("hello.txt"), "hello from outside\n").expect("file");
    let (open, closed) = (Files::of(web.clone()), Files::of(web));
    let Some(machine) = machine(folder.path(), admitting(open.port)) else { return };
    let mut facts = machine.toolbox.listen();

    let ran = machine.shell(&format!("curl -sS http://host.okcvm.internal:{}/hello.txt", open.port)).await;
    assert_eq!(ran.output, "hello from outside\n");
    // Around the proxy there is nothing: not the host's loopback, not a route.
    let direct = format!("curl -sS --noproxy '*' --max-time 5 http://127.0.0.1:{}/hello.txt", open.port);
    assert_eq!(machine.shell(&direct).await.status, ToolStatus::Error);
    let ran = machine.shell("curl -sS --noproxy '*' --max-time 5 http://192.0.2.1/").await;
    assert_eq!(ran.status, ToolStatus::Error, "{}", ran.output);
    assert_eq!(open.served(), 1);

    let port = closed.port;
    let mut script = String::from("export no_proxy= NO_PROXY=;");
    for host in
        ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433", "0177.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]"]
    {
        let _ = write!(script, "curl -s -o answer -w '%{{http_code}} ' --max-time 5 'http://{host}:{port}/hello.txt';");
    }
    for host in ["169.254.169.254", "metadata.google.internal", "10.0.0.1"] {
        let _ = write!(script, "curl -s -o answer -w '%{{http_code}} ' --max-time 5 'http://{host}/';");
    }
    let ran = machine.shell(&script).await;
    assert_eq!(ran.output.lines().next().map(str::trim), Some("403 403 403 403 403 403 403 403 403 403 403"));
    assert!(ran.output.contains("[network: ") && ran.output.contains("refused: "), "{}", ran.output);
    assert_eq!(closed.served(), 0);

    let told: Vec<_> = std::iter::from_fn(|| facts.try_recv().ok())
        .filter_map(|event| match event {
            Event::NetworkRequest { host, port, allowed, .. } => Some((host, port, allowed)),
            _ => None,
        })
        .collect();
    assert!(told.contains(&("host.okcvm.internal".to_owned(), open.port, true)), "{told:?}");
    assert!(told.contains(&("10.0.0.1".to_owned(), 80, false)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_opens_and_closes_the_network_while_the_session_runs() {
    let folder = machine::folder();
    let web = folder.path().join("web");
    std::fs::create_dir(&web).expect("folder");
    std::fs::write(web.join("hello.txt"), "hello\n").expect("file");
    let files = Files::of(web);
    let Some(machine) = machine(folder.path(), NetworkSection::default()) else { return };
    let fetch = format!("curl -sS --max-time 5 http://host.okcvm.internal:{}/hello.txt", files.port);
    let ran = machine.shell(&fetch).await;
    assert!(ran.output.contains("blocked by the okcvm network policy"), "{}", ran.output);
    let allow = NetworkChange::Allow(format!("127.0.0.1:{}", files.port));
    machine.toolbox.network(&allow).expect("allowed");
    assert_eq!(machine.shell(&fetch).await.output, "hello\n");

    let state = machine.toolbox.network(&NetworkChange::Mode("off".to_owned())).expect("off");
    assert_eq!(state.mode, "off");
    let ran = machine.shell(&format!("env | grep -ci _proxy; {fetch}")).await;
    assert!(ran.output.starts_with("0\n") && ran.output.contains("/net proxy"), "{}", ran.output);
    machine.toolbox.network(&NetworkChange::Mode("proxy".to_owned())).expect("proxy");
    assert_eq!(machine.shell(&fetch).await.output, "hello\n");
}

/// Puts a package into the index in this folder.
async fn wheel(machine: &Machine, web: &Path) {
    // A wheel is a zip file; Python makes it, inside.
    let make = "python3 - <<'END'\nimport zipfile\nname = 'okhello-1.0'\nz = zipfile.ZipFile('okhello-1.0-py3-none-any.whl', 'w')\n\
        z.writestr('okhello.py', 'print(\"hello from a wheel\")')\n\
        z.writestr(name + '.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: okhello\\nVersion: 1.0\\n')\n\
        z.writestr(name + '.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
        z.writestr(name + '.dist-info/RECORD', '')\nz.close()\nEND\n";
    let ran = machine.shell(make).await;
    assert_eq!(ran.status, ToolStatus::Ok, "{}", ran.output);
    let wheel = "okhello-1.0-py3-none-any.whl";
    std::fs::copy(machine.work().join(wheel), web.join("simple/okhello").join(wheel)).expect("wheel");
    let page = format!("<a href=\"{wheel}\">{wheel}</a>");
    std::fs::write(web.join("simple/okhello/index.html"), page).expect("index");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cell_installs_through_the_proxy_is_there_in_the_next() {
    if let Err(missing) = machine::python().get() {
        return skip_or_fail(&format!("ipykernel for /usr/bin/python3: {}", missing.reason));
    }
    let folder = machine::folder();
    let web = folder.path().join("web");
    std::fs::create_dir_all(web.join("simple/okhello")).expect("folders");
    let files = Files::of(web.clone());
    let Some(machine) = machine(folder.path(), admitting(files.port)) else { return };
    if machine.shell("/usr/bin/python3 -m pip --version").await.status != ToolStatus::Ok {
        return skip_or_fail("pip is not installed");
    }
    wheel(&machine, &web).await;
    let host = format!("host.okcvm.internal:{}", files.port);
    let install = format!(
        "%pip install -q --no-cache-dir --disable-pip-version-check --trusted-host {host} --index-url http://{host}/simple/ okhello"
    );
    let ran = machine.call("ipython", json!({ "code": install })).await;
    assert_eq!(ran.status, ToolStatus::Ok, "{}", ran.output);
    let ran = machine.call("ipython", json!({ "code": "import okhello\nokhello.__file__" })).await;
    assert_eq!(ran.status, ToolStatus::Ok, "{}", ran.output);
    assert!(ran.output.starts_with("hello from a wheel\n'/home/okcvm/.local/"), "{}", ran.output);
    machine.toolbox.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn git_and_pip_find_their_way_by_themselves() {
    let folder = machine::folder();
    let web = folder.path().join("web");
    std::fs::create_dir_all(web.join("simple/okhello")).expect("folders");
    let files = Files::of(web.clone());
    let Some(machine) = machine(folder.path(), admitting(files.port)) else { return };
    let git = |words: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        let identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"];
        command.args(identity).args(words).output().is_ok_and(|ran| ran.status.success())
    };
    let (source, bare) = (folder.path().join("source"), web.join("project.git"));
    let paths = (source.display().to_string(), bare.display().to_string());
    let made = git(&["init", "-q", &paths.0])
        && git(&["-C", &paths.0, "commit", "-q", "--allow-empty", "-m", "the first"])
        && git(&["clone", "-q", "--bare", &paths.0, &paths.1])
        && git(&["-C", &paths.1, "update-server-info"]);
    if made {
        let url = format!("http://host.okcvm.internal:{}/project.git", files.port);
        let ran = machine.shell(&format!("git clone -q {url} && git -C project log --format=%s")).await;
        assert_eq!((ran.status, ran.output.trim()), (ToolStatus::Ok, "the first"), "{}", ran.output);
    } else {
        skip_or_fail("git is not installed");
    }
    if machine.shell("python3 -m pip --version").await.status != ToolStatus::Ok {
        return skip_or_fail("pip is not installed");
    }
    wheel(&machine, &web).await;
    let host = format!("host.okcvm.internal:{}", files.port);
    let ran = machine
        .shell(&format!(
            "python3 -m pip install -q --target lib --no-cache-dir --disable-pip-version-check --trusted-host {host} \
             --index-url http://{host}/simple/ okhello && PYTHONPATH=lib python3 -m okhello"
        ))
        .await;
    assert!(ran.output.contains("hello from a wheel"), "{}", ran.output);
    // Without a folder it goes into HOME, also where the system's Python is managed by the system.
    let install = format!(
        "python3 -m pip install -q --no-cache-dir --disable-pip-version-check --trusted-host {host} \
         --index-url http://{host}/simple/ okhello"
    );
    let ran = machine.shell(&format!("{install} && cd / && python3 -m okhello && ls -d ~/.local/lib/python3*")).await;
    assert_eq!(ran.status, ToolStatus::Ok, "{}", ran.output);
    assert!(ran.output.contains("hello from a wheel"), "{}", ran.output);
}
