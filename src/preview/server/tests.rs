//! What the server answers, to browsers and to those who mean harm.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use super::*;

struct World {
    folder: tempfile::TempDir,
    preview: Preview,
    server: PreviewServer,
    name: SiteName,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let site = folder.path().join("site");
        write(&site, "index.html", "<h1>Startseite für alle</h1>");
        write(&site, "a/index.html", "in a");
        write(&site, "a/ü b.txt", "umlaut");
        write(&site, "app.js", &"let a = 1;\n".repeat(1_000));
        write(&site, "bytes.bin", "0123456789");
        write(&site, ".env", "KEY=secret");
        write(folder.path(), "secret", "secret");
        let preview = Preview::default();
        let name = SiteName::new("482913");
        preview.show(name.clone(), Contents::read(&site).expect("contents"));
        let server = preview.serve(TcpListener::bind("127.0.0.1:0").expect("a port")).expect("serves");
        Self { folder, preview, server, name }
    }

    /// Head and body of the answer to a request, as they come.
    fn raw(&self, request: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.server.port())).expect("connected");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        // A server that refuses may close before all was sent.
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap_or(answer.len());
        let body = answer.get(end + 4..).unwrap_or_default().to_vec();
        (String::from_utf8_lossy(&answer[..end]).to_lowercase(), body)
    }

    /// The same for a path of the site with further headers.
    fn get(&self, path: &str, headers: &str) -> (String, Vec<u8>) {
        let (name, port) = (&self.name, self.server.port());
        self.raw(&format!("GET /{name}{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\r\n"))
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    std::fs::write(path, text).expect("file");
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("no {name} in {head}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_with_their_types_and_tags() {
    let world = World::start();
    let (head, body) = world.get("/", "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(String::from_utf8_lossy(&body), "<h1>Startseite für alle</h1>");
    assert_eq!(header(&head, "content-type"), "text/html; charset=utf-8");
    assert_eq!((header(&head, "referrer-policy"), header(&head, "x-content-type-options")), ("no-referrer", "nosniff"));
    let tag = header(&head, "etag").to_owned();
    let (head, body) = world.get("/index.html", &format!("If-None-Match: \"other\", W/{tag}\r\n"));
    assert!(head.starts_with("http/1.1 304") && body.is_empty(), "{head}");
    assert_eq!(header(&head, "etag"), tag);
    let (head, _) = world.get("/index.html", "If-None-Match: \"other\"\r\n");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (head, body) = world.get("/a/%C3%BC%20b.txt", "");
    assert!(head.starts_with("http/1.1 200") && body == b"umlaut", "{head}");
    let (head, _) = world.get("/bytes.bin", "");
    assert_eq!((header(&head, "content-type"), header(&head, "content-length")), ("application/octet-stream", "10"));
    let (name, port) = (&world.name, world.server.port());
    let (head, body) =
        world.raw(&format!("HEAD /{name}/bytes.bin HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"));
    assert!(header(&head, "content-length") == "10" && body.is_empty(), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_files_and_packed_files_come_as_asked() {
    let world = World::start();
    let (head, body) = world.get("/bytes.bin", "Range: bytes=2-4\r\n");
    assert!(head.starts_with("http/1.1 206"), "{head}");
    assert_eq!((header(&head, "content-range"), body.as_slice()), ("bytes 2-4/10", b"234".as_slice()));
    let (head, body) = world.get("/bytes.bin", "Range: bytes=-3\r\n");
    assert_eq!((header(&head, "content-range"), body.as_slice()), ("bytes 7-9/10", b"789".as_slice()));
    let (head, _) = world.get("/bytes.bin", "Range: bytes=10-\r\n");
    assert!(head.starts_with("http/1.1 416"), "{head}");
    assert_eq!(header(&head, "content-range"), "bytes */10");
    let (head, body) = world.get("/bytes.bin", "Range: bytes=2-4\r\nIf-Range: \"another\"\r\n");
    assert!(head.starts_with("http/1.1 200") && body.len() == 10, "{head}");
    let (head, body) = world.get("/app.js", "Accept-Encoding: gzip\r\n");
    assert_eq!(header(&head, "content-encoding"), "gzip");
    assert!(body.len() < 2_000 && header(&head, "content-type").starts_with("text/javascript"), "{head}");
    let (head, _) = world.get("/app.js", "");
    assert_eq!(header(&head, "content-length"), "11000");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_lead_to_their_slash_and_what_is_missing_is_told() {
    let world = World::start();
    let (head, _) = world.get("", "");
    assert_eq!(header(&head, "location"), format!("./{}/", world.name));
    let (head, _) = world.get("/a", "");
    assert!(head.starts_with("http/1.1 308") && header(&head, "location") == "./a/", "{head}");
    assert_eq!(world.get("/a/", "").1, b"in a");
    let (head, body) = world.get("/nothing", "");
    assert!(head.starts_with("http/1.1 404") && body.starts_with(b"this site"), "{head}");
    let site = world.folder.path().join("site");
    write(&site, "404.html", "own page");
    world.preview.show(world.name.clone(), Contents::read(&site).expect("contents"));
    let (head, body) = world.get("/nothing", "If-None-Match: *\r\n");
    assert!(head.starts_with("http/1.1 404") && body == b"own page", "{head}");
    world.preview.show_only(HashMap::new());
    assert_eq!(world.get("/", "").1, b"there is no such site\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_out_of_thefolder_or_in_without_its_name() {
    let world = World::start();
    let long = format!("/{}", "a".repeat(LONGEST));
    for path in [
        "/../secret",
        "/a/../../secret",
        "/%2e%2e/secret",
        "/%2E%2E%2Fsecret",
        "/..%5csecret",
        "/a/%2e%2e/%2e%2e/secret",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/.env",
        "/%2eenv",
        "/a/./../.env",
        "/index.html%00.txt",
        "/%ff%fe",
        "/index.html/",
        &long,
    ] {
        let (head, body) = world.get(path, "");
        let refused = ["404", "400", "414"].iter().any(|status| head.starts_with(&format!("http/1.1 {status}")));
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(refused && !body.contains("secret") && !body.contains("root:"), "{path}: {head}");
    }
    let port = world.server.port();
    let (id, name) = (world.name.id(), world.name.to_string());
    let other = SiteName::new(id).to_string();
    for path in
        ["/", "", "/482913", "/482913-", "/482913/index.html", &format!("/{other}/"), &format!("/{}/", &name[..38])]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        let (head, _) = world.raw(&request);
        assert!(head.starts_with("http/1.1 404") || head.starts_with("http/1.1 400"), "{path}: {head}");
    }
    for host in ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test:80", "a@127.0.0.1", "", "0.0.0.0"] {
        let (head, _) = world.raw(&format!("GET /{name}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert!(head.starts_with("http/1.1 421") || head.starts_with("http/1.1 400"), "{host}: {head}");
    }
    let twice = format!("GET /{name}/ HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\nConnection: close\r\n\r\n");
    assert!(!world.raw(&twice).0.starts_with("http/1.1 200"));
    world.preview.also_known_as(&Url::parse("https://Pages.Example.com/x").expect("an address"));
    for (host, status) in [("pages.example.COM", 200), ("pages.example.com:443", 200), ("pages.example.com:81", 421)] {
        let (head, _) = world.raw(&format!("GET /{name}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{host}: {head}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let (head, _) =
            world.raw(&format!("{method} /{name}/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert!(head.starts_with("http/1.1 405") && header(&head, "allow") == "get, head", "{method}: {head}");
    }
    let (count, latest) = world.preview.log().read();
    assert!(count > 20 && latest.iter().any(|access| access.status == 421), "{latest:?}");
    let token = name.split('-').nth(1).expect("a token");
    assert!(latest.iter().all(|access| !access.path.contains(token)), "{latest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_and_what_is_moved_is_told_as_such() {
    let world = World::start();
    let (head, _) = world.get("/app.js", "Accept-Encoding: gzip\r\n");
    assert!(header(&head, "etag").starts_with("w/\"") && header(&head, "content-encoding") == "gzip", "{head}");
    let (head, _) = world.get("/app.js", "");
    assert!(header(&head, "etag").starts_with('"'), "{head}");
    let (head, _) = world.get("/bytes.bin", "Accept-Encoding: gzip\r\n");
    assert!(!head.contains("content-encoding") && header(&head, "content-length") == "10", "{head}");
    let (head, body) = world.get("/bytes.bin", "Range: bytes=0-1,5-6\r\n");
    assert!(head.starts_with("http/1.1 200") && body == b"0123456789", "{head}");
    let (head, _) = world.get("/a?x=1", "");
    assert_eq!(header(&head, "location"), "./a/?x=1");
    let (head, _) = world.get("/", "");
    assert_eq!(header(&head, "content-security-policy"), "frame-ancestors 'self'", "{head}");
    assert_eq!(header(&head, "cross-origin-resource-policy"), "same-origin", "{head}");
    let latin = world.folder.path().join("site");
    std::fs::write(latin.join("latin.html"), b"<meta charset=latin1>caf\xe9").expect("page");
    world.preview.show(world.name.clone(), Contents::read(&latin).expect("contents"));
    assert_eq!(header(&world.get("/latin.html", "").0, "content-type"), "text/html");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_ask_nothing_leave_room_for_others() {
    let world = World::start();
    let idle: Vec<TcpStream> = (0..MOST_CONNECTIONS * 2)
        .map(|_| TcpStream::connect(("127.0.0.1", world.server.port())).expect("connected"))
        .collect();
    // Those that are held are let go in time; whoever waits is answered then.
    let (head, _) = world.get("/", "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    drop(idle);
}

#[test]
fn names_of_sites_are_read_as_they_are_written() {
    let name = SiteName::new("000123");
    assert_eq!(name.to_string().parse(), Ok(name.clone()));
    assert_ne!(SiteName::new("000123"), name);
    for wrong in [
        "000123",
        "000123-",
        "12-00000000000000000000000000000000",
        "abcdef-00000000000000000000000000000000",
        "000123-zz",
    ] {
        assert!(wrong.parse::<SiteName>().is_err(), "{wrong}");
    }
}
