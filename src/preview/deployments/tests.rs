//! What a session's websites do over time: deployed again, loaded from a node, told.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

struct World {
    folder: tempfile::TempDir,
    workspace: Workspace,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let work = folder.path().join("work");
        std::fs::create_dir(&work).expect("work");
        let workspace = Workspace::open(&work, "/mnt/okcvm-0123456789abcdef", None).expect("workspace");
        Self { folder, workspace }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join("work").join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folders");
        std::fs::write(path, text).expect("file");
    }

    fn sites(&self, session: &str) -> (Deployments, std::sync::mpsc::Receiver<Event>) {
        let place = DeploymentsPlace::new(self.folder.path().join("deployments"), session);
        let (sender, events) = std::sync::mpsc::channel();
        (Deployments::new(place, Arc::new(move |event| drop(sender.send(event)))), events)
    }

    async fn deploy(&self, sites: &Deployments, folder: &str) -> Result<Deployed, DeployError> {
        let folder = self.workspace.resolve(folder).expect("path");
        let copied = sites.copy(&self.workspace, &folder, &|| false)?;
        sites.deploy(copied, String::new(), "2026-01-01T00:00:00Z".to_owned()).await
    }
}

/// Status and body of an address.
async fn get(url: &str) -> (u16, String) {
    let url = url::Url::parse(url).expect("an address");
    let asked = format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", url.path());
    let mut stream = TcpStream::connect(("127.0.0.1", url.port().expect("a port"))).await.expect("connected");
    stream.write_all(asked.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_deployed_again_keeps_its_address() {
    let world = World::new();
    let (sites, events) = world.sites("okcvm-1");
    assert_eq!((sites.save(), sites.port()), (None, None), "nothing listens before there is a site");
    world.write("page/index.html", "one");
    let first = world.deploy(&sites, "page").await.expect("deployed");
    assert_eq!(get(&first.url).await, (200, "one".to_owned()));
    let state = sites.save().expect("state");

    world.write("page/index.html", "two");
    assert_eq!(get(&first.url).await.1, "one", "a copy does not change with its folder");
    let second = world.deploy(&sites, "page").await.expect("deployed");
    assert!(second.again && !second.unchanged);
    assert_eq!(second.url, first.url);
    assert_eq!(get(&first.url).await.1, "two");
    assert!(world.deploy(&sites, "page").await.expect("deployed").unchanged);

    world.write("other/index.html", "other");
    let other = world.deploy(&sites, "other").await.expect("deployed");
    assert_ne!(other.deployment.id, first.deployment.id);
    // The list of before, while its copy is another one: what cannot be shown is not.
    sites.load(&[state]);
    sites.refresh().await.expect("shown");
    assert_eq!(get(&first.url).await.0, 404);
    assert_eq!(get(&other.url).await.0, 404);
    let event = events.recv_timeout(Duration::from_secs(10)).expect("told");
    assert!(matches!(event, Event::SiteRequests { ref latest, .. } if !latest.is_empty()), "{event:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_its_port_and_takes_the_next_where_that_is_taken() {
    let world = World::new();
    world.write("page/index.html", "one");
    let (sites, _events) = world.sites("okcvm-2");
    world.deploy(&sites, "page").await.expect("deployed");
    let port = sites.port().expect("a port");
    assert_eq!(sites.kept_port(), Some(port));

    let mut place = DeploymentsPlace::new(world.folder.path().join("deployments"), "okcvm-2");
    place.port = Some(port);
    let second = Deployments::new(place, Arc::new(|_| {}));
    second.load(&[sites.save().expect("state")]);
    second.refresh().await.expect("shown");
    assert_ne!(second.port(), Some(port), "the first one still listens");
    assert_eq!(second.kept_port(), Some(port), "for now only");
    let again = world.deploy(&second, "page").await.expect("deployed");
    assert_eq!(again.other_port, second.port());
}

#[test]
fn a_folder_without_a_first_page_is_refused_and_leaves_nothing() {
    let world = World::new();
    let (sites, _events) = world.sites("okcvm-3");
    world.write("page/sub/index.html", "deep");
    let folder = world.workspace.resolve("page").expect("path");
    let error = sites.copy(&world.workspace, &folder, &|| false).expect_err("refused");
    assert!(matches!(error, DeployError::NoIndex(_)), "{error}");
    let left = std::fs::read_dir(world.folder.path().join("deployments")).expect("list").count();
    assert_eq!(left, 0);
}

#[test]
fn the_port_of_a_session_follows_from_its_id() {
    assert_eq!(usual_port("okcvm-12ab"), usual_port("okcvm-12ab"));
    assert_ne!(usual_port("okcvm-12ab"), usual_port("okcvm-12ac"));
    for number in 0..1_000 {
        let port = usual_port(&format!("okcvm-{number:016x}"));
        assert!((PORTS.0..PORTS.0 + PORTS.1).contains(&port));
    }
    assert_eq!(with_port("https://pages.example.com/{port}", Some(20_001)), "https://pages.example.com/20001");
    assert_eq!(with_port("https://pages.example.com", Some(20_001)), "https://pages.example.com");
}
