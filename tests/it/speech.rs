//! Speech: the client against a scripted endpoint, the command, and a message that is spoken to a scripted recorder.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use okcvm::config::schema::Endpoint;
use okcvm::model::{ModelError, Recording, Timing, Transcriber};
use serde_json::json;

use super::support::endpoint::{Answer, FAKE_KEY, FakeEndpoint, Gate};
use super::support::{Terminal, TestHome};

/// A WAV file of a tone.
fn wav() -> Vec<u8> {
    let samples: Vec<u8> = (0..8_000i32).flat_map(|n| (((n % 80) - 40) as i16 * 200).to_le_bytes()).collect();
    let size = samples.len() as u32;
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&(36 + size).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
    file.extend_from_slice(&size.to_le_bytes());
    file.extend_from_slice(&samples);
    file
}

fn recording() -> Recording {
    Recording { name: "speech.wav".to_owned(), bytes: wav() }
}

fn transcriber(endpoint: Endpoint) -> Transcriber {
    Transcriber::new(endpoint).expect("client").with_timing(Timing::quick())
}

fn said(text: &str) -> Answer {
    Answer::json(&json!({ "text": text }))
}

fn home(endpoint: &FakeEndpoint, recorder: Option<&str>) -> TestHome {
    let home = TestHome::new();
    configure(&home, endpoint, recorder);
    home
}

fn configure(home: &TestHome, endpoint: &FakeEndpoint, recorder: Option<&str>) {
    let recorder = recorder.map(|line| format!("voice:\n  recorder: {line}\n")).unwrap_or_default();
    home.write_config(&format!(
        "media:\n  asr:\n    model: whisper-1\n    base_url: {}\n    api_key: {FAKE_KEY}\n    max_retries: 0\n{recorder}",
        endpoint.base_url()
    ));
}

fn file(home: &TestHome, name: &str, bytes: &[u8]) -> PathBuf {
    let file = home.path().join(name);
    std::fs::write(&file, bytes).expect("file");
    file
}

/// A part of a form: name, file name, media type, body.
type Part = (String, Option<String>, Option<String>, Vec<u8>);

fn parts(raw: &[u8], content_type: &str) -> Vec<Part> {
    let boundary = content_type.split_once("boundary=").expect("boundary").1.trim_matches('"');
    let mark = format!("--{boundary}");
    let text: Vec<usize> =
        raw.windows(mark.len()).enumerate().filter(|(_, w)| *w == mark.as_bytes()).map(|(at, _)| at).collect();
    text.windows(2)
        .map(|pair| {
            let part = &raw[pair[0] + mark.len() + 2..pair[1] - 2];
            let head_end = part.windows(4).position(|w| w == b"\r\n\r\n").expect("head");
            let head = String::from_utf8_lossy(&part[..head_end]).into_owned();
            let value = |name: &str| {
                let rest = head.split_once(&format!("{name}=\""))?.1;
                Some(rest.split('"').next()?.to_owned())
            };
            let kind =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-type: ").map(str::to_owned));
            (value("name").expect("name"), value("filename"), kind, part[head_end + 4..].to_vec())
        })
        .collect()
}

#[tokio::test]
async fn a_recording_is_sent_as_a_form_and_its_text_comes_back() {
    let server = FakeEndpoint::start([said("  Make a page.\n")]);
    let text = transcriber(server.endpoint()).transcribe(&recording()).await.expect("text");
    assert_eq!(text, "Make a page.");
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/audio/transcriptions"));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {FAKE_KEY}").as_str()));
    let kind = request.header("content-type").expect("type");
    assert!(kind.starts_with("multipart/form-data; boundary="), "{kind}");
    let parts = parts(&request.raw, kind);
    let field = |name: &str| parts.iter().find(|part| part.0 == name).expect("part").clone();
    assert_eq!(field("model").3, b"fake-model");
    assert_eq!(field("response_format").3, b"json");
    let (_, name, kind, body) = field("file");
    assert_eq!((name.as_deref(), kind.as_deref()), (Some("speech.wav"), Some("audio/wav")));
    assert_eq!(body, wav());
}

#[tokio::test]
async fn trouble_that_passes_is_tried_again_and_other_trouble_is_told() {
    let busy = || Answer::status(503, &json!({"error": {"message": "busy"}}));
    let server = FakeEndpoint::start([busy(), busy(), said("at last")]);
    assert_eq!(transcriber(server.endpoint()).transcribe(&recording()).await, Ok("at last".to_owned()));
    let wrong = format!("no such key: {FAKE_KEY}");
    let server = FakeEndpoint::start([Answer::status(401, &json!({"error": {"message": wrong}}))]);
    let error = transcriber(server.endpoint()).transcribe(&recording()).await.expect_err("refused");
    let hint = Transcriber::hint(&error).expect("hint");
    assert!(error.to_string().contains("answered 401") && !error.to_string().contains(FAKE_KEY), "{error}");
    assert!(hint.contains("speech recognition") && !hint.contains("chat"), "{hint}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_no_transcription_is_not_taken_for_one() {
    for answer in [Answer::html(200, "<html>Welcome</html>"), Answer::json(&json!({"words": []})), Answer::bytes("")] {
        let server = FakeEndpoint::start([answer]);
        let endpoint = Endpoint { max_retries: 0, ..server.endpoint() };
        let error = transcriber(endpoint).transcribe(&recording()).await.expect_err("no transcription");
        assert!(matches!(error, ModelError::NotUnderstood { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_recording_that_no_endpoint_takes_is_not_sent() {
    let server = FakeEndpoint::start([]);
    for bytes in [Vec::new(), vec![0; (25 << 20) + 1]] {
        let recording = Recording { name: "a.wav".to_owned(), bytes };
        let error = transcriber(server.endpoint()).transcribe(&recording).await.expect_err("refused");
        assert!(matches!(error, ModelError::Recording(_)), "{error}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_transcription_that_is_not_wanted_any_more_ends_its_connection() {
    let server = FakeEndpoint::answering(|_, _| said("late").wait_first(&Gate::new()));
    let client = transcriber(server.endpoint());
    let recording = recording();
    let asked = client.transcribe(&recording);
    tokio::select! {
        _ = asked => panic!("it never answers"),
        _ = server.requests_at_least(1) => {}
    }
    server.client_left().await;
}

#[test]
fn the_command_prints_what_was_said() {
    let server = FakeEndpoint::start([said("Ein \u{1b}[31mText\u{1b}[0m"), said("Zwei")]);
    let home = home(&server, None);
    let recording = file(&home, "memo.wav", &wav());
    let ran = home.run(&["transcribe", &recording.display().to_string()]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "Ein Text\n"), "{}", ran.err);
    let ran = home.run(&["transcribe", "--json", &recording.display().to_string()]);
    assert_eq!((ran.code, ran.out.trim()), (Some(0), "{\"text\":\"Zwei\"}"), "{}", ran.err);
    // The name of the file stays here.
    assert!(!server.requests()[0].raw.windows(4).any(|part| part == b"memo"));
}

#[test]
fn the_command_says_what_is_in_the_way() {
    let server = FakeEndpoint::start([]);
    let home = home(&server, None);
    let text = file(&home, "note.wav", b"only text");
    let ran = home.run(&["transcribe", &text.display().to_string()]);
    let ran = ran.assert_code(1);
    assert!(ran.err.contains("is no recording"), "{}", ran.err);
    assert!(server.requests().is_empty());
    let home = TestHome::new();
    let ran = home.run(&["transcribe", "x.wav"]);
    let ran = ran.assert_code(2);
    assert!(ran.err.contains("no speech recognition is configured") && ran.err.contains("media.asr"), "{}", ran.err);
}

/// A recorder that writes a tone until it is ended, and notes that it was.
fn recorder(home: &TestHome) -> String {
    let tone = file(home, "tone.raw", &wav()[44..]);
    let script = home.path().join("recorder.sh");
    let ended = home.path().join("ended");
    let text = format!(
        "#!/bin/sh\ntrap 'echo > {ended}; exit 0' TERM\nwhile :; do cat {tone}; sleep 0.05 & wait $!; done\n",
        ended = ended.display(),
        tone = tone.display()
    );
    std::fs::write(&script, text).expect("script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("mode");
    script.display().to_string()
}

#[track_caller]
fn wait_for_file(path: &std::path::Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < until, "{} never came", path.display());
        std::thread::yield_now();
    }
}

#[test]
fn a_message_is_spoken_and_stays_to_be_read_before_it_is_sent() {
    for (columns, rows) in [(80, 24), (40, 12)] {
        let server = FakeEndpoint::start([said("make a page about owls")]);
        let home = home(&server, None);
        let script = recorder(&home);
        configure(&home, &server, Some(&script));
        let mut terminal = Terminal::start(&home, &["--demo", "--sandbox", "external"], columns, rows);
        terminal.wait_for("For example");
        terminal.keys("Please\x1bv");
        terminal.wait_for("recording 0:0");
        terminal.wait_until("the level", |screen| screen.contains('\u{25ae}'));
        terminal.keys("\x1bv");
        terminal.wait_for("Please make a page about owls");
        wait_for_file(&home.path().join("ended"));
        let body = server.wait_requests(1)[0].raw.clone();
        assert!(body.windows(8).any(|part| part == b"WAVEfmt "));
        terminal.keys("\x03\x03\x03");
        assert_eq!(terminal.wait_exit(), 0);
        assert_eq!(server.requests().len(), 1, "nothing is sent by itself");
    }
}

#[test]
fn escape_discards_a_recording_and_ends_the_recorder() {
    let server = FakeEndpoint::start([]);
    let home = home(&server, None);
    let script = recorder(&home);
    // The shell that the script runs in writes its number first.
    std::fs::write(
        home.path().join("numbered.sh"),
        format!("#!/bin/sh\necho $$ > {0}/pid.new && mv {0}/pid.new {0}/pid\nexec {script}\n", home.path().display()),
    )
    .expect("script");
    configure(&home, &server, Some(&format!("sh {}", home.path().join("numbered.sh").display())));
    let mut terminal = Terminal::start(&home, &["--demo", "--sandbox", "external"], 80, 24);
    terminal.wait_for("new session");
    let gone = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
    };
    let wait_gone = |pid: &str| {
        let until = Instant::now() + Duration::from_secs(20);
        while !gone(pid) {
            assert!(Instant::now() < until, "the recorder goes on");
            std::thread::yield_now();
        }
    };
    let pid_file = home.path().join("pid");
    terminal.keys("/voice\r");
    terminal.wait_for("recording 0:0");
    wait_for_file(&pid_file);
    let pid = std::fs::read_to_string(&pid_file).expect("pid");
    terminal.keys("\x1b");
    terminal.wait_for("the recording was discarded");
    wait_gone(&pid);
    // So does the end of the program.
    std::fs::remove_file(&pid_file).expect("removed");
    terminal.keys("/voice\r");
    wait_for_file(&pid_file);
    let pid = std::fs::read_to_string(&pid_file).expect("pid");
    terminal.keys("/quit\r");
    assert_eq!(terminal.wait_exit(), 0);
    wait_gone(&pid);
    assert!(server.requests().is_empty());
}

#[test]
fn what_a_recorder_or_an_endpoint_complains_about_is_told() {
    let server = FakeEndpoint::start([Answer::status(401, &json!({"error": {"message": "no such key"}}))]);
    let home = home(&server, Some("sh -c 'echo no microphone here >&2; exit 1'"));
    let recording = file(&home, "memo.wav", &wav());
    let mut terminal = Terminal::start(&home, &["--demo", "--sandbox", "external"], 100, 24);
    terminal.wait_for("new session");
    terminal.keys("/voice\r");
    terminal.wait_for("recorded nothing: no microphone here");
    terminal.keys(&format!("/transcribe {}\r", recording.display()));
    terminal.wait_for("answered 401");
    // The command stands in the composer again.
    terminal.wait_for(&format!("> /transcribe {}", recording.display()));
    terminal.keys("\x03");
    terminal.keys("/transcribe nowhere.wav\r");
    terminal.wait_for("cannot read nowhere.wav");
    terminal.wait_for("> /transcribe nowhere.wav");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn a_file_is_written_into_the_message_and_a_slow_answer_can_be_stopped() {
    let server =
        FakeEndpoint::answering(
            |_, n| if n == 0 { said("from a file") } else { said("late").wait_first(&Gate::new()) },
        );
    let home = home(&server, None);
    let recording = file(&home, "my memo.wav", &wav());
    let mut terminal = Terminal::start(&home, &["--demo", "--sandbox", "external"], 80, 24);
    terminal.wait_for("new session");
    terminal.keys(&format!("/transcribe '{}'\r", recording.display()));
    terminal.wait_for("from a file");
    terminal.keys("\x03");
    terminal.keys(&format!("/transcribe {}\r", recording.display()));
    terminal.wait_for("transcribing my memo.wav");
    server.wait_requests(2);
    terminal.keys("\x1b");
    terminal.wait_for("the transcription was stopped");
    terminal.keys("\x03\x03");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn the_doctor_says_what_understands_and_what_records() {
    let server = FakeEndpoint::start([]);
    let home = home(&server, Some("my-recorder --quiet"));
    let ran = home.run(&["doctor", "--sandbox", "external"]);
    let line = ran.out.lines().find(|line| line.contains(" speech  ")).expect("a line").to_owned();
    assert!(line.contains("whisper-1 at http://127.0.0.1") && line.contains("recorder my-recorder"), "{line}");
}
