//! Deployed websites: from the tool to the browser, over rollbacks, restarts, kills and the command line.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use okcvm::config::schema::SandboxSection;
use okcvm::protocol::{ArtifactKind, Event, NodeId, Op, RestoreScope, ToolStatus};
use serde_json::{Value, json};

use crate::support::endpoint::Answer;
use crate::support::session::output;
use crate::support::{TestHome, TestSession, machine, needs_browser, skip_or_fail};

/// Status and body of an address, as a browser of this machine would ask for it.
fn get(url: &str) -> Option<(u16, String)> {
    let url = reqwest::Url::parse(url).expect("an address");
    let mut stream = TcpStream::connect(("127.0.0.1", url.port().expect("a port"))).ok()?;
    let asked = format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", url.path());
    stream.write_all(asked.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Waits until an address says something; a server begins beside its session.
#[track_caller]
fn shows(url: &str, wanted: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let found = get(url);
        if found.as_ref().is_some_and(|(_, body)| body == wanted) {
            return;
        }
        assert!(Instant::now() < end, "{url} says {found:?} and not {wanted:?}");
        std::thread::yield_now();
    }
}

fn write(id: &str, text: &str) -> Answer {
    Answer::calls(&[(id, "mshtools-write_file", json!({"file_path": "output/site/index.html", "content": text}))])
}

fn deploy(id: &str) -> Answer {
    Answer::calls(&[(id, "mshtools-deploy_website", json!({"type": "static", "local_dir": "output/site"}))])
}

fn url(events: &[Event]) -> String {
    let found = events.iter().find_map(|event| match event {
        Event::Artifact(artifact) if artifact.kind == ArtifactKind::Url => artifact.url.clone(),
        _ => None,
    });
    found.expect("an address")
}

fn snapshot(events: &[Event]) -> NodeId {
    let found = events.iter().find_map(|event| match event {
        Event::SnapshotTaken { snapshot, .. } => Some(snapshot.clone()),
        _ => None,
    });
    found.expect("a snapshot")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_serves_the_old_site_again_and_an_undo_the_new_one() {
    let mut session = TestSession::start([
        write("w1", "<title>One</title>one"),
        deploy("d1"),
        Answer::text("It is there."),
        Answer::calls(&[
            ("r", "mshtools-read_file", json!({"file_path": "output/site/index.html"})),
            ("w2", "mshtools-write_file", json!({"file_path": "output/site/index.html", "content": "two"})),
        ]),
        deploy("d2"),
        Answer::text("Changed."),
    ]);
    session.send(Op::Snapshot { label: "nothing yet".to_owned() });
    let nothing = snapshot(&session.until(|event| matches!(event, Event::SnapshotTaken { .. })).await);
    let first = session.turn("make a site").await;
    let address = url(&first);
    assert!(output(&first, "d1").starts_with(&address), "{}", output(&first, "d1"));
    assert!(output(&first, "d1").contains("okcvm deploy serve"), "{}", output(&first, "d1"));
    shows(&address, "<title>One</title>one");
    let second = session.turn("change it").await;
    assert_eq!(url(&second), address, "a folder keeps its address");
    shows(&address, "two");

    let before = snapshot(&first);
    session.send(Op::Restore { target: before.to_string(), scope: RestoreScope::All });
    session.until(|event| matches!(event, Event::Restored(_))).await;
    session.until_idle().await;
    shows(&address, "<title>One</title>one");
    session.send(Op::Undo);
    session.until(|event| matches!(event, Event::Restored(_))).await;
    session.until_idle().await;
    shows(&address, "two");

    // Files only: the site is one of the files' side.
    session.send(Op::Restore { target: before.to_string(), scope: RestoreScope::FilesOnly });
    session.until(|event| matches!(event, Event::Restored(_))).await;
    session.until_idle().await;
    shows(&address, "<title>One</title>one");

    // Another process, without the copy: the snapshot has it, and the address is the same.
    let closed = session.close().await;
    assert_eq!(get(&address), None, "the server ends with the session");
    let copies = closed.root.parent().expect("sessions").join("deployments");
    std::fs::remove_dir_all(&copies).expect("removed");
    let mut session = closed.reopen();
    session.until_idle().await;
    shows(&address, "<title>One</title>one");
    // A rollback to a time before it takes it off the net.
    session.send(Op::Restore { target: nothing.to_string(), scope: RestoreScope::All });
    session.until(|event| matches!(event, Event::Restored(_))).await;
    session.until_idle().await;
    let end = Instant::now() + Duration::from_secs(20);
    while get(&address).is_some_and(|(status, _)| status != 404) {
        assert!(Instant::now() < end, "it is still served");
        std::thread::yield_now();
    }
    let left = std::fs::read_dir(&copies)
        .expect("list")
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_dir()));
    assert_eq!(left.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_outlives_a_process_that_is_killed_in_its_turn() {
    let script = [write("w1", "one"), deploy("d1"), Answer::frames([]).stall(), deploy("d2"), Answer::text("Again.")];
    let mut session = TestSession::start(script);
    session.submit("make a site");
    let events = session.until(|event| matches!(event, Event::Artifact(artifact) if artifact.url.is_some())).await;
    let address = url(&events);
    session.endpoint.requests_at_least(3).await;
    let mut session = session.kill().await.reopen();
    session.until_idle().await;
    // The port of a killed process may be held for a moment: the session then has the next one for this run.
    let path = |address: &str| reqwest::Url::parse(address).expect("an address").path().to_owned();
    let again = session.turn("deploy it again").await;
    assert_eq!(path(&url(&again)), path(&address), "{}", output(&again, "d2"));
    assert!(output(&again, "d2").contains("without a change"), "{}", output(&again, "d2"));
    shows(&url(&again), "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn references_that_will_not_work_are_told() {
    let page = r#"<title>R</title><link rel=stylesheet href="a.css"><script src="/root.js"></script>
        <img src="../up.png"><img src="gone.png?x=1"><a href="about.html#top">a</a><a href="sub/">s</a>
        <a href="https://example.com">e</a><script src="https://cdn.example.net/x.js"></script>
        <img src="file:///etc/passwd"><img src="data:image/png;base64,AAAA"><a href="mailto:a@b.c">m</a>
        <img srcset="g1.png 1x,a.css 2x"><img src="C:\x.png"><img src="//LOCALHOST:3000/x">
        <link rel="alternate stylesheet" href="dark.css"><script type=module>import {a} from "./m.js"; import "vue"</script>"#;
    let css = "/* url(comment.png) */ body { background: url('back.png') } @import \"more.css\";";
    let mut session = TestSession::start([
        Answer::calls(&[
            ("w1", "mshtools-write_file", json!({"file_path": "output/site/index.html", "content": page})),
            ("w2", "mshtools-write_file", json!({"file_path": "output/site/a.css", "content": css})),
            ("w3", "mshtools-write_file", json!({"file_path": "output/site/sub/index.html", "content": "sub"})),
            ("w4", "mshtools-write_file", json!({"file_path": "output/site/.secret", "content": "x"})),
            (
                "w5",
                "mshtools-write_file",
                json!({"file_path": "output/site/sub/b.html", "content": "<base href='../'><img src=a.css><img src=no.css>"}),
            ),
            (
                "w6",
                "mshtools-write_file",
                json!({"file_path": "output/site/sub/r.html", "content": "<base href=/><img src=a.css>"}),
            ),
        ]),
        deploy("d1"),
        Answer::calls(&[("d2", "mshtools-deploy_website", json!({"type": "static", "local_dir": "output"}))]),
        Answer::calls(&[("d3", "mshtools-deploy_website", json!({"type": "static", "local_dir": "/etc"}))]),
        Answer::calls(&[(
            "d4",
            "mshtools-deploy_website",
            json!({"type": "static", "local_dir": "output/site/a.css"}),
        )]),
        Answer::text("Done."),
    ]);
    let events = session.turn("make a site").await;
    let told = output(&events, "d1");
    let (outside, missing) = told.split_once("that are not in the folder").expect("both are told");
    for reference in ["/root.js", "../up.png", "file:///etc/passwd", "C:\\x.png", "//LOCALHOST:3000/x"] {
        assert!(outside.contains(reference), "{reference}: {told}");
    }
    for reference in ["gone.png?x=1", "about.html#top", "a.css: back.png", "more.css", "g1.png", "dark.css", "./m.js"] {
        assert!(missing.contains(reference), "{reference}: {told}");
    }
    assert!(told.contains("cdn.example.net") && !told.contains("comment.png") && !told.contains("sub/\n"), "{told}");
    assert!(!told.contains("vue"), "{told}");
    assert!(outside.contains("sub/r.html: <base href=\"/\">"), "{told}");
    assert!(missing.contains("sub/b.html: no.css") && !told.contains("sub/b.html: a.css"), "{told}");
    assert!(told.contains(".secret: names that begin with a dot"), "{told}");
    assert!(output(&events, "d2").contains("no index.html directly in it"), "{}", output(&events, "d2"));
    assert!(output(&events, "d3").contains("outside"), "{}", output(&events, "d3"));
    assert!(output(&events, "d4").contains("is a file"), "{}", output(&events, "d4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_the_browser_of_the_session_open_the_address() {
    if !needs_browser() {
        return;
    }
    let folder = machine::folder();
    let sandbox = match machine::choose(&SandboxSection::default(), &folder.path().join("state")) {
        Ok(sandbox) => sandbox,
        Err(why) => return skip_or_fail(&why.reason),
    };
    let machine = machine::Machine::create(folder.path(), 0xde91, &sandbox);
    // The network of the session may be there before the site.
    assert_eq!(machine.shell("true").await.status, ToolStatus::Ok);
    std::fs::create_dir(machine.work().join("page")).expect("folder");
    std::fs::write(machine.work().join("page/index.html"), "<title>Mine</title><h1>Hello there</h1>").expect("page");
    let done = machine.call("deploy_website", json!({"type": "static", "local_dir": "page"})).await;
    assert_eq!(done.status, ToolStatus::Ok, "{}", done.output);
    let address = done.artifacts[0].url.clone().expect("an address");
    let fetched = machine.shell(&format!("curl -sS -D - {address}")).await;
    assert!(fetched.output.contains("200 OK") && fetched.output.contains("Hello there"), "{}", fetched.output);
    let seen = machine.call("browser_visit", json!({"url": address, "citation_id": 0})).await;
    assert!(seen.output.contains("Hello there"), "{}", seen.output);
    machine.toolbox.close().await;
}

#[test]
fn sites_are_listed_served_and_removed_by_command() {
    let home = TestHome::new();
    let call = |tool: &str, arguments: Value| {
        let ran = home.run(&[
            "--sandbox",
            "off",
            "--network",
            "host",
            "tool",
            "call",
            tool,
            &arguments.to_string(),
            "--json",
        ]);
        ran.assert_code(0).json()
    };
    let nothing = home.run(&["deploy", "list"]).assert_code(0);
    assert!(nothing.out.contains("Nothing is deployed"), "{}", nothing.out);
    call("write_file", json!({"file_path": "page/index.html", "content": "<title>A page</title>page"}));
    let made = call("deploy_website", json!({"type": "static", "local_dir": "page"}));
    let address = made["artifacts"][0]["url"].as_str().expect("an address").to_owned();
    assert_eq!(get(&address), None, "a single command ends its server");

    let rows = home.run(&["deploy", "list", "--json"]).assert_code(0).json();
    let row = &rows.as_array().expect("rows")[0];
    let id = row["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        (row["title"].as_str(), row["folder"].as_str(), row["files"].as_u64()),
        (Some("A page"), Some("page"), Some(1))
    );
    let session = row["session"].as_str().expect("a session").to_owned();
    assert!(home.run(&["deploy", "list"]).out.contains(&id));

    let mut server =
        home.command(&["deploy", "serve", &id]).stdout(std::process::Stdio::piped()).spawn().expect("serves");
    shows(&address, "<title>A page</title>page");
    // What is deployed again is shown by a server that runs.
    call("read_file", json!({"file_path": "page/index.html"}));
    call("write_file", json!({"file_path": "page/index.html", "content": "second"}));
    call("deploy_website", json!({"type": "static", "local_dir": "page"}));
    shows(&address, "second");
    server.kill().expect("ended");
    server.wait().expect("reaped");

    let wrong = home.run(&["deploy", "serve", "12"]).assert_code(1);
    assert!(wrong.err.contains("there is no website"), "{}", wrong.err);
    home.run(&["deploy", "remove", "999"]).assert_code(1);
    home.run(&["deploy", "remove", &id]).assert_code(0);
    assert_eq!(home.run(&["deploy", "list", "--json"]).json(), json!([]));
    // The session does not bring it back.
    home.run(&["--sandbox", "off", "--network", "host", "snapshot", "create", "later"]).assert_code(0);
    assert_eq!(home.run(&["deploy", "list", "--json"]).json(), json!([]));

    call("deploy_website", json!({"type": "static", "local_dir": "page"}));
    assert_eq!(home.run(&["deploy", "list", "--json"]).json().as_array().map(Vec::len), Some(1));
    home.run(&["session", "fsck", &session]).assert_code(0);
    home.run(&["session", "delete", &session, "--yes"]).assert_code(0);
    assert_eq!(home.run(&["deploy", "list", "--json"]).json(), json!([]), "sites go with their session");
}
