//! `CONNECT`, directly and through the user's own proxy, and what a change of the policy does to it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::world::{Plan, Server, Table, World, head, rest};
use crate::config::schema::NetworkMode;
use crate::protocol::NetworkChange;
use crate::sandbox::network::Family;

async fn exchange(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).await.expect("received");
    String::from_utf8(back).expect("text")
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_half_of_it_may_end() {
    let server = Server::echo().await;
    let mut world = Plan::private(&[server.place()]).start();
    let (mut stream, head) = world.tunnel(&server.place()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(exchange(&mut stream, "\0raw\r\n\r\nbytes").await, "\0raw\r\n\r\nbytes");
    stream.write_all(b"last words").await.expect("sent");
    stream.shutdown().await.expect("half closed");
    assert_eq!(rest(&mut stream).await, "last words");
    assert_eq!(world.told(), [format!("{} yes", server.place())]);
}

#[tokio::test]
async fn bytes_that_come_with_the_request_are_not_lost() {
    let server = Server::echo().await;
    let world = Plan::private(&[server.place()]).start();
    let mut stream = world.connect().await;
    let text = format!("CONNECT {} HTTP/1.1\r\n\r\nearly", server.place());
    stream.write_all(text.as_bytes()).await.expect("sent");
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 "));
    let mut early = [0; 5];
    stream.read_exact(&mut early).await.expect("received");
    assert_eq!(&early, b"early");
}

#[tokio::test]
async fn a_refused_tunnel_says_why_and_reaches_nobody() {
    let server = Server::echo().await;
    let table = Table::default().with("in.test", &[&["10.0.0.1"]]);
    let mut world = Plan { table, ..Plan::default() }.start();
    for (place, part) in [
        (server.place(), format!("port {} of 127.0.0.1 is not allowed", server.port())),
        ("allowed.test:22".to_owned(), "port 22 of allowed.test is not allowed".to_owned()),
        ("127.0.0.1:443".to_owned(), "127.0.0.1 here is a loopback address".to_owned()),
        ("in.test:443".to_owned(), "in.test leads to 10.0.0.1, a private address".to_owned()),
    ] {
        let (mut stream, mut answer) = world.tunnel(&place).await;
        stream.shutdown().await.expect("half closed");
        answer.push_str(&rest(&mut stream).await);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{place}: {answer}");
        assert!(answer.contains(&part), "{place}: {answer}");
    }
    assert_eq!(server.taken.load(Ordering::SeqCst), 0);
    assert_eq!(world.told().len(), 4);
    // A client that says all it has to say and closes its half still gets the answer.
    let mut stream = world.connect().await;
    stream.write_all(b"CONNECT allowed.test:22 HTTP/1.1\r\n\r\n").await.expect("sent");
    stream.shutdown().await.expect("half closed");
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn a_change_of_the_policy_holds_at_once_for_what_is_open() {
    let server = Server::echo().await;
    let world = Plan::private(&[server.place()]).start();
    let open = async |world: &World| {
        let (mut stream, head) = world.tunnel(&server.place()).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(exchange(&mut stream, "x").await, "x");
        stream
    };
    let mut stream = open(&world).await;
    // A change that still admits it leaves it alone.
    world.network.change(&NetworkChange::Deny("other.test".to_owned())).expect("changed");
    assert_eq!(exchange(&mut stream, "still").await, "still");
    world.network.change(&NetworkChange::Deny(server.place())).expect("changed");
    assert_eq!(rest(&mut stream).await, "");
    assert!(world.tunnel(&server.place()).await.1.starts_with("HTTP/1.1 403 "));

    world.network.change(&NetworkChange::Allow(server.place())).expect("changed");
    let mut stream = open(&world).await;
    let state = world.network.change(&NetworkChange::Mode("off".to_owned())).expect("changed");
    assert_eq!(state.mode, "off");
    assert_eq!(rest(&mut stream).await, "");
    let answer = world.ask("GET http://example.com/ HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("the network is off. Ask the user to run /net proxy."), "{answer}");
    assert!(world.network.environment(Family::Shell, world.proxy).is_empty());
}

#[tokio::test]
async fn when_the_guard_drops_everything_ends() {
    let server = Server::echo().await;
    let mut world = Plan::private(&[server.place()]).start();
    let (mut stream, _) = world.tunnel(&server.place()).await;
    assert_eq!(exchange(&mut stream, "x").await, "x");
    drop(world.guard.take());
    assert_eq!(rest(&mut stream).await, "");
    while TcpStream::connect(world.proxy).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_family_is_known_by_its_token_and_a_wrong_one_is_the_commands() {
    let server = Server::echo().await;
    let mut plan = Plan::private(&[server.place()]);
    plan.section.shell = Some(NetworkMode::Off);
    let world = plan.start();
    assert!(world.network.environment(Family::Shell, world.proxy).is_empty());
    let browser = world.network.environment(Family::Browser, world.proxy);
    let address = &browser.iter().find(|(name, _)| name == "HTTP_PROXY").expect("a variable").1;
    let given = address.trim_start_matches("http://").split_once('@').expect("a token").0;
    let place = server.place();
    for (credentials, status) in [(given, 200), ("browser:wrong", 403), ("shell:x", 403), ("", 403)] {
        let encoded = base64::prelude::BASE64_STANDARD.encode(credentials);
        let mut stream = world.connect().await;
        let text = format!("CONNECT {place} HTTP/1.1\r\nProxy-Authorization: Basic {encoded}\r\n\r\n");
        stream.write_all(text.as_bytes()).await.expect("sent");
        let answer = head(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{credentials}: {answer}");
    }
}

/// A proxy of the user's own: notes the heads of its requests, answers `CONNECT` with the given line and echoes then.
async fn own_proxy(line: &'static str) -> (Server, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    let server = Server::start(move |mut stream| {
        let noted = Arc::clone(&noted);
        async move {
            let told = head(&mut stream).await;
            let tunnel = told.starts_with("CONNECT ");
            noted.lock().expect("heads").push(told);
            if tunnel {
                let _ = stream.write_all(format!("HTTP/1.1 {line}\r\n\r\n").as_bytes()).await;
                let (mut from, mut to) = stream.into_split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            } else {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    (server, heads)
}

#[tokio::test]
async fn the_users_own_proxy_is_used_and_its_password_stays_outside() {
    for (user, expected) in [("", None), ("me:s3cret-word@", Some("proxy-authorization: basic bwu6cznjcmv0lxdvcmq="))] {
        let (own, heads) = own_proxy("200 OK").await;
        let mut plan = Plan { table: Table::default().with("in.test", &[&["10.0.0.1"]]), ..Plan::default() };
        let url = format!("http://{user}{}", own.place());
        plan.env = vec![("HTTPS_PROXY", url.clone()), ("HTTP_PROXY", url)];
        let world = plan.start();
        // A name that only that proxy can find.
        let (mut stream, answer) = world.tunnel("far.test:443").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(exchange(&mut stream, "through").await, "through");
        let fetched = world.ask("GET http://far.test/x HTTP/1.1\r\nConnection: close\r\n\r\n").await;
        assert!(fetched.ends_with("ok"), "{fetched}");
        let seen = heads.lock().expect("heads").iter().map(|head| head.to_lowercase()).collect::<Vec<_>>();
        assert!(seen[0].starts_with("connect far.test:443 http/1.1\r\n"), "{seen:?}");
        assert!(seen[1].starts_with("get http://far.test/x http/1.1\r\n"), "{seen:?}");
        for head in &seen {
            assert_eq!(expected.is_some_and(|line| head.contains(line)), expected.is_some(), "{head}");
            assert_eq!(head.contains("proxy-authorization"), expected.is_some(), "{head}");
        }
        let shown = format!("{:?} {:?}", world.network, world.network.environment(Family::Shell, world.proxy));
        assert!(!shown.contains("s3cret") && !shown.contains(&own.place()), "{shown}");
        // What is known to be private stays refused.
        assert!(world.tunnel("in.test:443").await.1.starts_with("HTTP/1.1 403 "));
        assert!(world.tunnel("10.0.0.1:443").await.1.starts_with("HTTP/1.1 403 "));
    }
}

#[tokio::test]
async fn the_users_own_proxy_may_refuse() {
    for (line, part) in [
        ("407 Proxy Authentication Required", "does not take the name and password"),
        ("403 Forbidden", "refuses far.test:443: 403 Forbidden"),
    ] {
        let (own, _) = own_proxy(line).await;
        let url = format!("http://me:s3cret-word@{}", own.place());
        let world = Plan { env: vec![("ALL_PROXY", url)], ..Plan::default() }.start();
        let (mut stream, mut answer) = world.tunnel("far.test:443").await;
        stream.shutdown().await.expect("half closed");
        answer.push_str(&rest(&mut stream).await);
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains(part), "{answer}");
        assert!(!answer.contains("s3cret"), "{answer}");
    }
}

#[tokio::test]
async fn a_service_of_the_users_machine_has_a_name_when_it_is_admitted() {
    let server = Server::echo().await;
    let port = server.port();
    let world = Plan::private(&[server.place()]).start();
    let (mut stream, answer) = world.tunnel(&format!("host.okcvm.internal:{port}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(exchange(&mut stream, "x").await, "x");
    assert!(world.tunnel("host.okcvm.internal:443").await.1.starts_with("HTTP/1.1 403 "));
}
