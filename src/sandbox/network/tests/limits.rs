//! What is slow, silent, large or many ends, and holds up nobody else.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::world::{PATIENCE, Plan, Server, head, rest};
use crate::sandbox::network::Limits;

#[tokio::test]
async fn a_host_that_never_answers_is_given_up() {
    let server = Server::silent().await;
    let place = server.place();
    let mut plan = Plan::private(std::slice::from_ref(&place));
    plan.limits = Limits { idle: Duration::from_millis(200), ..Limits::default() };
    let world = plan.start();
    let answer = world.ask(&format!("GET http://{place}/ HTTP/1.1\r\nConnection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    let (mut stream, head) = world.tunnel(&place).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_tunnel_that_moves_lives_longer_than_one_that_does_not() {
    let server = Server::echo().await;
    let mut plan = Plan::private(&[server.place()]);
    let idle = Duration::from_millis(400);
    plan.limits = Limits { idle, ..Limits::default() };
    let world = plan.start();
    let (mut stream, _) = world.tunnel(&server.place()).await;
    let (began, mut ticks) = (Instant::now(), tokio::time::interval(idle / 8));
    while began.elapsed() < idle * 3 {
        ticks.tick().await;
        stream.write_all(b".").await.expect("alive");
    }
    let dots = rest(&mut stream).await;
    assert!(dots.len() > 10 && dots.bytes().all(|byte| byte == b'.'), "{dots}");
}

#[tokio::test]
async fn a_client_that_never_ends_its_headers_is_dropped() {
    let plan = Plan { limits: Limits { header: Duration::from_millis(200), ..Limits::default() }, ..Plan::default() };
    let world = plan.start();
    let mut stream = world.connect().await;
    stream.write_all(b"GET http://a.test/ HTTP/1.1\r\nX: ").await.expect("sent");
    let answer = rest(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let plan = Plan { limits: Limits { header_bytes: 8 << 10, ..Limits::default() }, ..Plan::default() };
    let world = plan.start();
    for flood in [format!("X: {}", "a".repeat(64 << 10)), "A: b\r\n".repeat(1000)] {
        let mut stream = world.connect().await;
        // The proxy may close before all of it is written.
        let _ = stream.write_all(format!("GET http://a.test/ HTTP/1.1\r\n{flood}\r\n\r\n").as_bytes()).await;
        let answer = rest(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn many_connections_wait_their_turn_and_all_are_served() {
    let server = Server::mirror().await;
    let place = server.place();
    let mut plan = Plan::private(std::slice::from_ref(&place));
    plan.limits = Limits { connections: 4, ..Limits::default() };
    let world = plan.start();
    let text = format!("GET http://{place}/ HTTP/1.1\r\nConnection: close\r\n\r\n");
    let answers = futures::future::join_all((0..60).map(|_| world.ask(&text))).await;
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200 ")));
    assert_eq!(server.taken.load(Ordering::SeqCst), 60);
}

#[tokio::test]
async fn a_full_proxy_takes_nobody_until_somebody_leaves() {
    let server = Server::echo().await;
    let mut plan = Plan::private(&[server.place()]);
    plan.limits = Limits { connections: 1, ..Limits::default() };
    let world = plan.start();
    let (first, _) = world.tunnel(&server.place()).await;
    let mut second = world.connect().await;
    second.write_all(format!("CONNECT {} HTTP/1.1\r\n\r\n", server.place()).as_bytes()).await.expect("sent");
    let mut waiting = std::pin::pin!(head(&mut second));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
    drop(first);
    let answer = tokio::time::timeout(PATIENCE, waiting).await.expect("in time");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(server.taken.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("listener").local_addr().expect("address");
    let world = Plan::private(&[gone.to_string()]).start();
    let answer = world.ask(&format!("GET http://{gone}/ HTTP/1.1\r\nConnection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("cannot be reached"), "{answer}");
}
