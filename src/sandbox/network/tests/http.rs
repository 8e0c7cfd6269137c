//! Plain http: absolute form in, origin form out, and nothing of the connection passed on.

use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::world::{PATIENCE, Plan, Server, Table, head, rest};

#[tokio::test]
async fn a_request_goes_on_in_origin_form_without_what_belongs_to_the_connection() {
    let server = Server::mirror().await;
    let mut world = Plan::private(&[server.place()]).start();
    let place = server.place();
    let answer = world
        .ask(&format!(
            "GET http://{place}/a/b?c=d HTTP/1.1\r\nHost: evil.test\r\nProxy-Authorization: Basic c2VjcmV0\r\n\
             Proxy-Connection: keep-alive\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
             Upgrade: h2c\r\nAuthorization: Bearer mine\r\nX-Kept: yes\r\n\r\n"
        ))
        .await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(body.starts_with("GET /a/b?c=d HTTP/1.1\r\n"), "{body}");
    let small = body.to_lowercase();
    assert!(small.contains(&format!("host: {place}\r\n")) && !small.contains("evil.test"), "{body}");
    assert!(small.contains("authorization: bearer mine") && small.contains("x-kept: yes"), "{body}");
    for gone in ["proxy-", "x-hop", "keep-alive", "te:", "upgrade", "c2vjcmv0", "user-agent", "via"] {
        assert!(!small.contains(gone), "{gone}: {body}");
    }
    let head = head.to_lowercase();
    assert!(head.contains("x-kept: 1"), "{head}");
    for gone in ["proxy-authenticate", "keep-alive: 9", "x-secret"] {
        assert!(!head.contains(gone), "{gone}: {head}");
    }
    assert_eq!(world.told(), [format!("{place} yes")]);
}

#[tokio::test]
async fn what_is_refused_is_told_in_plain_text_and_reaches_nobody() {
    let server = Server::mirror().await;
    let (place, port) = (server.place(), server.port());
    let mut plan = Plan::private(&[]);
    plan.section.deny = vec!["denied.test".to_owned()];
    plan.section.allow_ports = vec![80, 443, port];
    plan.table = Table::default().with("inner.test", &[&["8.8.8.8", "127.0.0.1"]]).with("six.test", &[&["::1"]]);
    let mut world = plan.start();
    let mut told = Vec::new();
    for (url, part, reason) in [
        (format!("http://{place}/"), "is a loopback address of the user's machine", "loopback address"),
        (format!("http://localhost:{port}/"), "is a loopback address of the user's machine", "loopback address"),
        (format!("http://LOCALHOST.:{port}/"), "is a loopback address", "loopback address"),
        (format!("http://[::1]:{port}/"), "is a loopback address", "loopback address"),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), "is a loopback address", "loopback address"),
        (format!("http://0x7f000001:{port}/"), "is a loopback address", "loopback address"),
        (format!("http://2130706433:{port}/"), "is a loopback address", "loopback address"),
        (format!("http://0177.0.0.1:{port}/"), "is a loopback address", "loopback address"),
        (format!("http://0.0.0.0:{port}/"), "is an unspecified address", "unspecified address"),
        ("http://169.254.169.254/latest".to_owned(), "metadata service", "cloud metadata address"),
        ("http://metadata.google.internal/".to_owned(), "metadata service", "cloud metadata"),
        (format!("http://inner.test:{port}/"), "inner.test leads to 127.0.0.1, a loopback address", "loopback address"),
        (format!("http://six.test:{port}/"), "six.test leads to [::1], a loopback address", "loopback address"),
        ("http://denied.test/".to_owned(), "denied.test is denied by the user", "denied"),
        ("http://a.test:22/".to_owned(), "/net allow a.test:22.", "port 22 not allowed"),
    ] {
        let answer = world.ask(&format!("GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{url}: {answer}");
        assert!(answer.contains("content-type: text/plain"), "{url}: {answer}");
        assert!(answer.contains("proxy-status: okcvm; error=http_request_denied\r\n"), "{url}: {answer}");
        assert!(answer.contains("\r\n\r\nblocked by the okcvm network policy: "), "{url}: {answer}");
        assert!(answer.contains(part), "{url}: {answer}");
        told.extend(world.told().into_iter().map(|line| line.split_once(' ').expect("a reason").1.to_owned()));
        if told.last().map(String::as_str) != Some(reason) {
            // The same host, port and answer as before, in another spelling.
            assert!(told.iter().any(|known| known == reason), "{url}: {told:?}");
        }
    }
    assert_eq!(server.taken.load(Ordering::SeqCst), 0);
    assert!(world.network.refused().iter().any(|refused| refused.host == "denied.test"));
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_the_judged_address_is_the_one_that_is_used() {
    let server = Server::mirror().await;
    let port = server.port();
    // The second answer is the trap: whoever asks again is led elsewhere.
    let table = Table::default().with("moving.test", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let asked = table.asked.clone();
    let mut plan = Plan::private(&[server.place()]);
    plan.section.allow_ports = vec![port];
    plan.table = table;
    let world = plan.start();
    let get = format!("GET http://moving.test:{port}/ HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(world.ask(&get).await.starts_with("HTTP/1.1 200"));
    assert_eq!((asked.load(Ordering::SeqCst), server.taken.load(Ordering::SeqCst)), (1, 1));
    // The next request is a new question, with a new answer that is judged anew.
    let refused = world.ask(&get).await;
    assert!(refused.contains("moving.test leads to 127.0.0.2"), "{refused}");
    assert_eq!(server.taken.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_no_request_to_a_proxy_is_told_so() {
    let world = Plan::default().start();
    for (line, status, part) in [
        ("GET / HTTP/1.1", 400, "names no host before its path"),
        ("OPTIONS * HTTP/1.1", 400, "names no host"),
        ("GET https://a.test/ HTTP/1.1", 400, "https goes through CONNECT"),
        ("GET ftp://a.test/ HTTP/1.1", 400, "only http and https"),
        ("GET http://user:pw@a.test/ HTTP/1.1", 400, "holds a user name"),
        ("GET http://a.test@127.0.0.1/ HTTP/1.1", 400, "holds a user name"),
        ("GET http://a.test:0/ HTTP/1.1", 400, "port"),
        ("GET http://a.test:99999/ HTTP/1.1", 400, ""),
        ("GET http://[fe80::1%25eth0]/ HTTP/1.1", 400, ""),
        ("CONNECT a.test HTTP/1.1", 400, "CONNECT needs a host and a port"),
        ("CONNECT user@a.test:443 HTTP/1.1", 400, "CONNECT needs a host and a port"),
        ("CONNECT a.test:0 HTTP/1.1", 400, "CONNECT needs a host and a port"),
        ("GET http://nowhere.test/ HTTP/1.1", 502, "nowhere.test was not found"),
        ("CONNECT nowhere.test:443 HTTP/1.1", 502, "nowhere.test was not found"),
    ] {
        let answer = world.ask(&format!("{line}\r\nHost: a.test\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        assert!(answer.contains(part), "{line}: {answer}");
    }
    let answer =
        world.ask("GET http://a.test/ HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: WebSocket\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 501") && answer.contains("CONNECT"), "{answer}");
}

/// Whatever the framing of a request claims, the host sees one request with one length, and the next bytes are read by
/// the proxy alone.
#[tokio::test]
async fn requests_cannot_be_hidden_in_one_another() {
    let server = Server::start(|mut stream| async move {
        let told = head(&mut stream).await;
        let mut more = [0; 512];
        let count = if told.to_lowercase().contains("chunked") || told.contains("content-length") {
            stream.read(&mut more).await.unwrap_or(0)
        } else {
            0
        };
        let body = format!("{told}{}", String::from_utf8_lossy(&more[..count]));
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let place = server.place();
    let world = Plan::private(std::slice::from_ref(&place)).start();
    let hidden = "GET http://127.0.0.1:1/hidden HTTP/1.1\r\nConnection: close\r\n\r\n";
    let length = hidden.len();
    for (headers, body) in [
        (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"), format!("0\r\n\r\n{hidden}")),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"), format!("0\r\n\r\n{hidden}")),
        (format!("Content-Length: 0\r\nContent-Length: {length}"), hidden.to_owned()),
        (format!("Content-Length: 0, {length}"), hidden.to_owned()),
        ("Content-Length: +0".to_owned(), hidden.to_owned()),
        ("Transfer-Encoding: chunked, identity".to_owned(), format!("0\r\n\r\n{hidden}")),
        ("Transfer-Encoding: xchunked".to_owned(), format!("0\r\n\r\n{hidden}")),
        ("Transfer-Encoding : chunked".to_owned(), format!("0\r\n\r\n{hidden}")),
        ("X: a\r\n Transfer-Encoding: chunked".to_owned(), hidden.to_owned()),
        ("X: a\rContent-Length: 5".to_owned(), hidden.to_owned()),
        ("X: a\0b".to_owned(), hidden.to_owned()),
    ] {
        let answer =
            world.ask(&format!("POST http://{place}/ HTTP/1.1\r\nConnection: close\r\n{headers}\r\n\r\n{body}")).await;
        // The hidden request names a place that is not admitted: had it reached the host, its words would come back.
        assert!(!answer.contains("/hidden"), "{headers}: {answer}");
        let first = answer.lines().next().unwrap_or_default();
        assert!(first.contains(" 200 ") || first.contains(" 400 ") || first.is_empty(), "{headers}: {answer}");
        if first.contains(" 200 ") {
            let small = answer.to_lowercase();
            let both = small.contains("transfer-encoding") && small.matches("content-length").count() > 1;
            assert!(!both, "{headers}: {answer}");
        }
    }
}

#[tokio::test]
async fn an_answer_has_one_length_and_no_line_that_the_host_could_smuggle_in() {
    let server = Server::start(|mut stream| async move {
        let _ = head(&mut stream).await;
        let _ = stream
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            )
            .await;
    })
    .await;
    let place = server.place();
    let world = Plan::private(std::slice::from_ref(&place)).start();
    let answer = world.ask(&format!("GET http://{place}/ HTTP/1.1\r\nConnection: close\r\n\r\n")).await;
    if answer.starts_with("HTTP/1.1 200") {
        assert!(answer.contains("hello"), "{answer}");
        assert!(!answer.to_lowercase().contains("content-length: 3"), "{answer}");
    } else {
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    }
    let switching = Server::start(|mut stream| async move {
        let _ = head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nraw").await;
        let _ = rest(&mut stream).await;
    })
    .await;
    let place = switching.place();
    let world = Plan::private(std::slice::from_ref(&place)).start();
    let answer = world.ask(&format!("GET http://{place}/ HTTP/1.1\r\nConnection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 502") && !answer.contains("raw"), "{answer}");
}

#[tokio::test]
async fn large_bodies_stream_in_both_directions() {
    const SIZE: usize = 24 << 20;
    // Sends back what it gets, piece by piece, so that neither side can hold the whole.
    let server = Server::start(|mut stream| async move {
        let _ = head(&mut stream).await;
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes()).await;
        let mut left = SIZE;
        let mut piece = vec![0; 64 << 10];
        while left > 0 {
            let count = stream.read(&mut piece).await.unwrap_or(0);
            if count == 0 || stream.write_all(&piece[..count]).await.is_err() {
                return;
            }
            left -= count.min(left);
        }
    })
    .await;
    let place = server.place();
    let world = Plan::private(std::slice::from_ref(&place)).start();
    let (mut from, mut to) = world.connect().await.into_split();
    let sending = async {
        let head = format!("POST http://{place}/ HTTP/1.1\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n");
        to.write_all(head.as_bytes()).await.expect("sent");
        let piece: Vec<u8> = (0..64 << 10).map(|at: usize| (at % 251) as u8).collect();
        for _ in 0..SIZE / piece.len() {
            to.write_all(&piece).await.expect("sent");
        }
        to
    };
    let receiving = async {
        let mut all = Vec::new();
        from.read_to_end(&mut all).await.expect("received");
        let start = all.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4;
        assert_eq!(all.len() - start, SIZE);
        assert!(all[start..].iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % (64 << 10) % 251));
    };
    timeout(PATIENCE, async { tokio::join!(sending, receiving) }).await.expect("in time");
}

#[tokio::test]
async fn one_connection_carries_many_requests_each_judged_for_itself() {
    let server = Server::mirror().await;
    let place = server.place();
    let world = Plan::private(std::slice::from_ref(&place)).start();
    let one = format!("GET http://{place}/1 HTTP/1.1\r\n\r\n");
    let two = "GET http://127.0.0.1:9/2 HTTP/1.1\r\n\r\n";
    let three = format!("GET http://{place}/3 HTTP/1.1\r\nConnection: close\r\n\r\n");
    let answer = world.ask(&format!("{one}{two}{three}")).await;
    let statuses: Vec<_> = answer.lines().filter_map(|line| line.split("HTTP/1.1 ").nth(1)).collect();
    let statuses: Vec<_> = statuses.iter().filter(|rest| rest.as_bytes()[0].is_ascii_digit()).collect();
    assert_eq!(statuses, [&"200 OK", &"403 Forbidden", &"200 OK"], "{answer}");
    assert_eq!(server.taken.load(Ordering::SeqCst), 2);
}
