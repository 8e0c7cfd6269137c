//! Pictures.

use std::io::{Cursor, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb, RgbImage};
use okcvm::config::schema::{Endpoint, MediaSection};
use okcvm::protocol::ArtifactKind;
use serde_json::{Value, json};

use super::{KEY, endpoint, json_answer, machine_of, ok, sent, stops, watched, wrong};
use crate::support::machine::{self, Machine};
use crate::support::site::{Answer, Asked, Site};

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = RgbImage::from_pixel(width, height, Rgb([10, 120, 200]));
    picture.write_to(&mut Cursor::new(&mut bytes), format).expect("encoded");
    bytes
}

fn packed(bytes: &[u8]) -> Answer {
    let usage = json!({"total_tokens": 4210, "input_tokens": 50, "output_tokens": 4160});
    json_answer("200 OK", &json!({"created": 1, "data": [{"b64_json": STANDARD.encode(bytes)}], "usage": usage}))
}

fn machine_with(folder: &tempfile::TempDir, site: &Site) -> Machine {
    let media = MediaSection { image: Some(endpoint(site, "/v1", "gpt-image-1")), ..MediaSection::default() };
    machine_of(folder.path(), &media)
}

fn asks(path: &str) -> Value {
    json!({"description": "A cat <asleep>", "output_file": path})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_asked_for_in_openais_words_and_saved_as_a_square_png() {
    for (width, height, format, words) in [
        (1024, 1024, ImageFormat::Png, "1024 x 1024, "),
        (1536, 1024, ImageFormat::Png, "the endpoint made 1536 x 1024, of which this is the middle"),
        (512, 512, ImageFormat::Jpeg, "scaled from 512 x 512"),
        (600, 900, ImageFormat::WebP, "the endpoint made 600 x 900"),
    ] {
        let made = picture(width, height, format);
        let site = Site::start(move |_: &Asked| packed(&made));
        let folder = machine::folder();
        let machine = machine_with(&folder, &site);
        let (ran, shown) = watched(&machine, "generate_image", asks("output/new/Cat.PNG")).await;
        assert!(ok(&ran).contains(words) && ran.output.contains("/output/new/Cat.PNG"), "{}", ran.output);
        assert!(ran.output.ends_with("[used: 50 tokens in, 4160 out]"), "{}", ran.output);
        assert!(shown.contains("asking gpt-image-1 at 127.0.0.1") && !ran.output.contains("asking"), "{shown}");
        let saved = std::fs::read(machine.work().join("output/new/Cat.PNG")).expect("saved");
        assert_eq!(image::guess_format(&saved).expect("format"), ImageFormat::Png);
        let saved = image::load_from_memory(&saved).expect("a picture").to_rgb8();
        assert_eq!((saved.width(), saved.height()), (1024, 1024));
        assert!(saved.get_pixel(500, 500).0[2].abs_diff(200) < 6);
        let [given] = &ran.images[..] else { panic!("{} pictures for the model", ran.images.len()) };
        assert!(given.base64.len() < 2_100_000 && given.path.as_deref().is_some_and(|path| path.ends_with("Cat.PNG")));
        let [artifact] = &ran.artifacts[..] else { panic!("{:?}", ran.artifacts) };
        assert_eq!(artifact.kind, ArtifactKind::Image);
        let asked = site.asked();
        let [asked] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/images/generations"));
        assert_eq!(asked.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(asked.header("content-type"), Some("application/json"));
        let wanted = json!({"model": "gpt-image-1", "prompt": "A cat <asleep>", "n": 1, "size": "1024x1024"});
        assert_eq!(sent(asked), wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_only_named_is_fetched_and_the_key_stays_with_its_origin() {
    let elsewhere = Site::start(|asked: &Asked| match asked.path.as_str() {
        "/moved?sig=secret" => {
            Answer::Full("302 Found", vec![("Location", "/cat.png?sig=secret".to_owned())], Vec::new())
        }
        _ => Answer::Full("200 OK", Vec::new(), picture(64, 64, ImageFormat::Png)),
    });
    let place = elsewhere.address;
    let site = Site::start(move |asked: &Asked| match asked.path.as_str() {
        "/v1/images/generations" => {
            let url = if String::from_utf8_lossy(&asked.body).contains("own") {
                "/files/1".to_owned()
            } else {
                format!("http://{place}/moved?sig=secret")
            };
            let url =
                if url.starts_with('/') { format!("http://{}{url}", asked.header("host").expect("host")) } else { url };
            json_answer("200 OK", &json!({"data": [{"url": url, "revised_prompt": "A tabby cat"}]}))
        }
        _ => Answer::Full("200 OK", Vec::new(), picture(64, 64, ImageFormat::Png)),
    });
    let folder = machine::folder();
    let machine = machine_with(&folder, &site);
    let ran = machine.call("generate_image", asks("a.png")).await;
    assert!(ok(&ran).contains("The endpoint drew: A tabby cat"), "{}", ran.output);
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|asked| asked.header("authorization").is_none() && asked.method == "GET"), "{asked:?}");
    let ran = machine.call("generate_image", json!({"description": "own", "output_file": "b.png"})).await;
    ok(&ran);
    let last = site.asked().pop().expect("a request");
    assert_eq!((last.path.as_str(), last.header("authorization").is_some()), ("/files/1", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_is_told_with_host_and_reason_and_leaves_no_file() {
    let html = || Answer::Html("<html><title>Sign in</title></html>".to_owned());
    let full = |kind: &str, body: Vec<u8>| Answer::Full("200 OK", vec![("Content-Type", kind.to_owned())], body);
    let url = |url: &str| json_answer("200 OK", &json!({"data": [{"url": url}]}));
    type Row = (&'static str, Box<dyn Fn() -> Answer + Send + Sync>);
    let rows: Vec<Row> = vec![
        ("did not answer with a picture: a web page came instead: Sign in", Box::new(html)),
        ("did not answer with a picture: nothing came", Box::new(move || full("application/json", Vec::new()))),
        ("did not answer with a picture: {\"data\":[]}", Box::new(|| json_answer("200 OK", &json!({"data": []})))),
        (
            "base64 is cut off or damaged",
            Box::new(|| {
                let whole = STANDARD.encode(picture(64, 64, ImageFormat::Png));
                json_answer("200 OK", &json!({"data": [{"b64_json": whole[..whole.len() - 3]}]}))
            }),
        ),
        ("did not answer with a picture: just words", Box::new(|| packed(b"just words"))),
        ("it is damaged", Box::new(|| packed(&picture(64, 64, ImageFormat::Png)[..60]))),
        (
            "reported an error in its reply: too busy",
            Box::new(|| json_answer("200 OK", &json!({"error": {"message": "too busy", "code": "odd"}}))),
        ),
        ("10.0.0.1 is a private address", Box::new(move || url("http://10.0.0.1/cat.png?sig=secret"))),
        ("is a cloud metadata address", Box::new(move || url("http://[::ffff:169.254.169.254]/latest"))),
        ("metadata.google.internal is no public host", Box::new(move || url("https://metadata.google.internal/x"))),
        ("file is neither http nor https", Box::new(move || url("file:///etc/passwd"))),
    ];
    for (words, answer) in rows {
        let site = Site::start(move |_: &Asked| answer());
        let folder = machine::folder();
        let machine = machine_with(&folder, &site);
        let ran = machine.call("generate_image", asks("a.png")).await;
        assert!(wrong(&ran).contains(words), "{words}: {}", ran.output);
        assert!(!ran.output.contains("secret"), "{}", ran.output);
        let host = format!("http://{}/v1/images/generations", site.address);
        assert!(ran.output.contains(&host) || words == "it is damaged", "{}", ran.output);
        assert!(!machine.work().join("a.png").exists());
        assert_eq!(site.asked().len(), 1, "what may be charged is asked once: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_cut_off() {
    let kind = || vec![("Content-Type", "application/json".to_owned())];
    let site = Site::start(move |_: &Asked| Answer::Endless(kind(), vec![b' '; 8 << 20]));
    let folder = machine::folder();
    let machine = machine_with(&folder, &site);
    let (ran, _) = watched(&machine, "generate_image", asks("a.png")).await;
    assert!(wrong(&ran).contains("is longer than 67108864 bytes"), "{}", ran.output);
    assert_eq!(site.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_in_the_providers_words_and_only_those_that_pass_are_tried_again() {
    let error = |message: &str, code: &str| json!({"error": {"message": message, "type": "x", "code": code}});
    let rows = [
        (
            "401 Unauthorized",
            error(&format!("Incorrect API key provided: {KEY}"), "invalid_api_key"),
            "/setup changes it",
            1,
        ),
        ("402 Payment Required", error("no money", "none"), "has no credit left", 1),
        ("429 Too Many Requests", error("quota", "insufficient_quota"), "has no credit left", 1),
        ("400 Bad Request", error("Unknown field", "invalid_value"), "check media.image.model", 1),
        ("400 Bad Request", error("Rejected", "moderation_blocked"), "describe something else", 1),
        (
            "404 Not Found",
            error("no such model", "model_not_found"),
            "Check media.image.model and media.image.base_url",
            1,
        ),
        ("429 Too Many Requests", error("slow down", "rate_limit_exceeded"), "(tried 2 times)", 2),
        ("500 Internal Server Error", error("oops", "server_error"), "(tried 2 times)", 2),
        ("504 Gateway Timeout", error("too long", "timeout"), "may have made and charged it", 1),
        ("502 Bad Gateway", error("lost", "bad_gateway"), "may have made and charged it", 1),
    ];
    for (status, body, words, times) in rows {
        let site = Site::start(move |_: &Asked| json_answer(status, &body));
        let folder = machine::folder();
        let machine = machine_with(&folder, &site);
        let ran = machine.call("generate_image", asks("a.png")).await;
        assert!(wrong(&ran).contains(words) && ran.output.contains(&status[..3]), "{status}: {}", ran.output);
        assert_eq!(site.asked().len(), times, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_a_wait_is_asked_again_after_it_and_that_is_shown() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let site = Site::start(move |_: &Asked| {
        if counted.fetch_add(1, Ordering::SeqCst) > 0 {
            return packed(&picture(64, 64, ImageFormat::Png));
        }
        let wait = vec![("Retry-After", "1".to_owned())];
        Answer::Full("429 Too Many Requests", wait, br#"{"error": {"message": "slow down"}}"#.to_vec())
    });
    let folder = machine::folder();
    let machine = machine_with(&folder, &site);
    let (ran, shown) = watched(&machine, "generate_image", asks("a.png")).await;
    ok(&ran);
    assert!(ran.duration.as_millis() >= 1_000, "{:?}", ran.duration);
    assert!(shown.contains("waiting 1.") && shown.contains("answered 429: slow down"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_nobody_waits_for_any_more_is_given_up_at_once() {
    let site = Site::start(|_: &Asked| Answer::Silent);
    let folder = machine::folder();
    stops(machine_with(&folder, &site), &site, "generate_image", asks("a.png")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_written_is_told_before_anything_is_asked() {
    let site = Site::start(|_: &Asked| packed(&picture(64, 64, ImageFormat::Png)));
    let folder = machine::folder();
    let machine = machine_with(&folder, &site);
    std::fs::create_dir(machine.work().join("folder.png")).expect("folder");
    std::fs::write(machine.work().join("theirs.png"), "theirs").expect("file");
    for (path, words) in [
        ("a.jpg", "output_file must end in .png"),
        ("png", "output_file must end in .png"),
        ("/etc/a.png", "path outside workspace"),
        ("../a.png", "path outside workspace"),
        ("folder.png", "is a folder"),
        ("theirs.png/a.png", "is not a folder"),
        ("theirs.png", "has not been read in this session"),
    ] {
        let ran = machine.call("generate_image", asks(path)).await;
        assert!(wrong(&ran).contains(words), "{path}: {}", ran.output);
    }
    let ran = machine.call("generate_image", json!({"description": " ", "output_file": "a.png"})).await;
    assert!(wrong(&ran).contains("description has 0 characters"), "{}", ran.output);
    assert!(site.asked().is_empty());
    assert_eq!(std::fs::read(machine.work().join("theirs.png")).expect("there"), b"theirs");
    // What the session itself has made may be made anew.
    for _ in 0..2 {
        ok(&machine.call("generate_image", asks("mine.png")).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_the_tool_is_not_offered_and_says_what_to_set() {
    let folder = machine::folder();
    let machine = machine_of(folder.path(), &MediaSection::default());
    let offered: Vec<String> = machine.toolbox.specs().into_iter().map(|spec| spec.name).collect();
    assert!(!offered.iter().any(|name| name == "mshtools-generate_image"), "{offered:?}");
    let ran = machine.call("generate_image", asks("a.png")).await;
    assert!(wrong(&ran).contains("media.image is not configured; set its model and base_url"), "{}", ran.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_knows_no_size_is_asked_without_it_from_then_on() {
    let site = Site::start(|asked: &Asked| match (asked.method.as_str(), sent_size(asked)) {
        ("GET", _) => Answer::Full("200 OK", Vec::new(), picture(64, 64, ImageFormat::Png)),
        (_, true) => json_answer("400 Bad Request", &json!({"code": "400", "error": "Argument not supported: size"})),
        // A list by another name, and an address without its host.
        _ => json_answer("200 OK", &json!({"images": [{"url": "/files/1.png"}], "seed": 7})),
    });
    let folder = machine::folder();
    let machine = machine_with(&folder, &site);
    for path in ["a.png", "b.png"] {
        ok(&machine.call("generate_image", asks(path)).await);
    }
    let asked: Vec<(String, bool)> = site.asked().iter().map(|asked| (asked.path.clone(), sent_size(asked))).collect();
    let post = |size| ("/v1/images/generations".to_owned(), size);
    let get = || ("/files/1.png".to_owned(), false);
    assert_eq!(asked, [post(true), post(false), get(), post(false), get()]);
}

fn sent_size(asked: &Asked) -> bool {
    serde_json::from_slice::<Value>(&asked.body).is_ok_and(|body| body.get("size").is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_was_made_and_cannot_be_fetched_is_told_as_that() {
    let long = format!("http://127.0.0.1/{}", "x".repeat(20_000));
    for (address, status, times, words) in [
        ("/gone.png", "404 Not Found", 2, "answered 404"),
        ("/gone.png", "403 Forbidden", 1, "answered 403"),
        ("/gone.png", "401 Unauthorized", 1, "answered 401"),
        (long.as_str(), "200 OK", 0, "it has 20017 bytes"),
    ] {
        let address = address.to_owned();
        let site = Site::start(move |asked: &Asked| match asked.method.as_str() {
            "POST" => json_answer("200 OK", &json!({"data": [{"url": address}]})),
            _ => json_answer(status, &json!({"error": "signature"})),
        });
        let folder = machine::folder();
        let ran = machine_with(&folder, &site).call("generate_image", asks("a.png")).await;
        let text = wrong(&ran);
        assert!(text.contains("the picture was made and may be charged, but could not be fetched"), "{text}");
        assert!(text.contains(words) && text.contains("Asking again makes another one"), "{text}");
        assert!(!text.contains("/setup") && !text.contains("not asked again by itself"), "{text}");
        assert_eq!(site.asked().len(), 1 + times, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_comes_long_after_its_head_is_waited_for() {
    let made = picture(64, 64, ImageFormat::Png);
    let body = json!({"data": [{"b64_json": STANDARD.encode(&made)}]}).to_string().into_bytes();
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("address");
    std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a client");
        let mut asked = [0; 4_096];
        let _ = stream.read(&mut asked);
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        // Longer than the endpoint may be silent in the middle of an answer.
        std::thread::park_timeout(std::time::Duration::from_millis(1_500));
        let _ = stream.write_all(&body);
    });
    let site = Site::start(|_: &Asked| Answer::Silent);
    let image = Endpoint {
        base_url: format!("http://{address}/v1"),
        idle_timeout_secs: 1,
        ..endpoint(&site, "/v1", "gpt-image-1")
    };
    let folder = machine::folder();
    let machine = machine_of(folder.path(), &MediaSection { image: Some(image), ..MediaSection::default() });
    ok(&machine.call("generate_image", asks("a.png")).await);
}
