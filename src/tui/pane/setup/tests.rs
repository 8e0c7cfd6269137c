//! The setup screen, driven by keys: its states on a test terminal, its loop with a fake keyboard.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::state::{Job, Next, SetupState};
use super::*;
use crate::config::Source;
use crate::tui::input::FakeSource;
use crate::tui::output::MemorySink;
use crate::tui::pane::testing::text_of;

const KEY: &str = "sk-very-secret-0123456789";

fn services(file: &std::path::Path, values: Vec<ShownValue>) -> SetupServices {
    SetupServices {
        config_file: file.to_owned(),
        values,
        theme: Theme::new(false, false),
        in_session: false,
        problem: None,
        check: check(file),
        has_variable: Arc::new(|name| matches!(name, "DEEPSEEK_API_KEY" | "GOODK")),
        list_models: Arc::new(|_| {
            let names = ["kimi-k2-0905-preview", "kimi-k2-turbo-preview", "moonshot-v1-8k", "bad\x1b[2Jname"];
            std::future::ready(Ok(names.map(str::to_owned).to_vec())).boxed()
        }),
        ask: Arc::new(|trial| {
            let fails = matches!(trial.key, TrialKey::Typed(ref key) if key.expose() != KEY);
            let answer = if fails {
                Err(TrialError {
                    message: "401 from the server: no such key".into(),
                    hint: Some("Check the key.".into()),
                })
            } else {
                Ok(format!("Hello from {}.", trial.model))
            };
            std::future::ready(answer).boxed()
        }),
    }
}

/// The real loader.
fn check(file: &std::path::Path) -> Arc<CheckText> {
    let options = options(file);
    Arc::new(move |text| crate::config::check_text(&options, text).map_err(|error| error.to_string()))
}

fn options(file: &std::path::Path) -> crate::config::LoadOptions {
    let home = file.parent().expect("a folder").to_owned();
    let env = [("HOME", home.display().to_string()), ("GOODK", "sk-from-the-environment".to_owned())];
    let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    crate::config::LoadOptions { config_file: Some(file.to_owned()), cwd: home, env, ..Default::default() }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary folder")
}

fn config_in(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join("config.yaml")
}

fn fresh(folder: &tempfile::TempDir) -> SetupState {
    SetupState::new(&services(&config_in(folder), Vec::new()))
}

fn press(state: &mut SetupState, code: KeyCode) -> Next {
    state.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn type_text(state: &mut SetupState, text: &str) {
    for c in text.chars() {
        press(state, KeyCode::Char(c));
    }
}

fn draw_at(state: &mut SetupState, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
    draw::prepare(state, ratatui::layout::Rect::new(0, 0, width, height));
    terminal.draw(|frame| draw::draw(state, frame)).expect("a frame");
    text_of(&terminal)
}

fn screens(folder: &tempfile::TempDir, state: &mut SetupState) -> String {
    let mut out = String::new();
    for (width, height) in [(40, 12), (80, 24), (120, 40)] {
        writeln!(out, "---- {width}x{height}\n{}", draw_at(state, width, height)).expect("a string");
    }
    // The folder's name differs from run to run, and so does where it wraps.
    out.replace(&folder.path().display().to_string(), "/tmp/home")
}

/// Moves down to the row that begins with this word and presses Enter.
fn choose(state: &mut SetupState, word: &str) -> Next {
    press(state, KeyCode::Home);
    for _ in 0..30 {
        let shown = draw_at(state, 100, 40);
        assert!(shown.contains(word), "{word} is not on the page:\n{shown}");
        let index = shown
            .lines()
            .skip_while(|line| !line.starts_with(' '))
            .position(|line| line.trim_start().starts_with(word));
        let selected = match state.pages.last() {
            Some(state::Page::Start(cursor) | state::Page::Media(cursor)) => cursor.selected,
            _ => panic!("not a list"),
        };
        match index {
            Some(index) if index == selected => return press(state, KeyCode::Enter),
            _ => press(state, KeyCode::Down),
        };
    }
    panic!("{word} was not reached");
}

fn form(state: &SetupState) -> &form::Form {
    match state.pages.last() {
        Some(state::Page::Form(form, _)) => form,
        _ => panic!("not a form"),
    }
}

fn go_to(state: &mut SetupState, row: form::Row) {
    for _ in 0..12 {
        press(state, KeyCode::Up);
    }
    for _ in 0..12 {
        if form(state).focus == row {
            return;
        }
        press(state, KeyCode::Down);
    }
    panic!("{row:?} was not reached");
}

#[test]
fn the_first_page_lists_the_providers() {
    let folder = folder();
    let mut state = fresh(&folder);
    insta::assert_snapshot!(screens(&folder, &mut state));
    assert!(matches!(press(&mut state, KeyCode::Esc), Next::End(SetupOutcome::Quit)));
}

#[test]
fn the_demo_is_one_key_away() {
    let folder = folder();
    let mut state = fresh(&folder);
    assert!(matches!(choose(&mut state, "Demo"), Next::End(SetupOutcome::Demo)));
}

#[test]
fn a_hosted_provider_asks_for_its_key_first_and_never_draws_it() {
    let folder = folder();
    let mut state = fresh(&folder);
    choose(&mut state, "Moonshot");
    assert_eq!(form(&state).focus, form::Row::Key);
    state.paste(&format!("{KEY}\n"));
    let real = std::mem::replace(&mut state.services.config_file, "/home/ada/.config/okcvm/config.yaml".into());
    insta::assert_snapshot!(screens(&folder, &mut state));
    state.services.config_file = real;
    go_to(&mut state, form::Row::Model);
    type_text(&mut state, "kimi-k2");
    go_to(&mut state, form::Row::Save);
    press(&mut state, KeyCode::Enter);
    let review = draw_at(&mut state, 100, 24);
    assert!(review.contains("api_key: <key>") || review.contains("api_key: \"<key>\""), "{review}");
    assert!(!review.contains("sk-very"), "{review}");
    assert!(
        !format!(
            "{:?}",
            form::Form::new(&crate::config::ENDPOINTS[0], None, state.present[0].clone(), Arc::new(|_| false))
        )
        .contains("sk-")
    );
}

#[test]
fn saving_shows_the_lines_first_and_then_writes_them() {
    let folder = folder();
    let mut state = fresh(&folder);
    choose(&mut state, "Moonshot");
    state.paste(KEY);
    go_to(&mut state, form::Row::Model);
    type_text(&mut state, "kimi-k2");
    go_to(&mut state, form::Row::Save);
    press(&mut state, KeyCode::Enter);
    assert!(!config_in(&folder).exists(), "nothing is written before Enter");
    // A path of another length would wrap elsewhere.
    let shown = draw_at(&mut state, 120, 14).replace(&folder.path().display().to_string(), "/tmp/home");
    insta::assert_snapshot!(shown);
    assert!(matches!(press(&mut state, KeyCode::Enter), Next::End(SetupOutcome::Saved)));
    let text = std::fs::read_to_string(config_in(&folder)).expect("the file");
    assert!(text.contains(KEY) && text.contains("kimi-k2") && text.contains("https://api.moonshot.ai/v1"), "{text}");
    let mode = std::fs::metadata(config_in(&folder)).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_variable_that_is_set_is_offered_instead_of_a_key() {
    let folder = folder();
    let mut state = fresh(&folder);
    choose(&mut state, "DeepSeek");
    assert_eq!(form(&state).key_from, form::KeyFrom::Variable);
    assert_eq!(form(&state).focus, form::Row::Model);
    go_to(&mut state, form::Row::Variable);
    assert!(draw_at(&mut state, 80, 24).contains("DEEPSEEK_API_KEY is set"));
}

#[test]
fn a_local_server_needs_no_key() {
    let folder = folder();
    let mut state = fresh(&folder);
    choose(&mut state, "Ollama");
    assert_eq!((form(&state).key_from, form(&state).focus), (form::KeyFrom::Nowhere, form::Row::Model));
}

#[test]
fn the_models_are_listed_filtered_and_taken() {
    let folder = folder();
    let mut state = fresh(&folder);
    choose(&mut state, "Ollama");
    go_to(&mut state, form::Row::Pick);
    let Next::Start(Job::Models(trial)) = press(&mut state, KeyCode::Enter) else { panic!("no job") };
    assert_eq!(trial.base_url, "http://127.0.0.1:11434/v1");
    assert!(draw_at(&mut state, 40, 12).contains("asking for the list"));
    let names = ["kimi-k2-0905-preview", "kimi-k2-turbo-preview", "moonshot-v1-8k", "bad\x1b[2Jname"];
    state.models(Ok(names.map(str::to_owned).to_vec()));
    insta::assert_snapshot!(screens(&folder, &mut state));
    type_text(&mut state, "trb");
    let shown = draw_at(&mut state, 40, 12);
    assert!(shown.contains("turbo") && !shown.contains("8k"), "{shown}");
    press(&mut state, KeyCode::Enter);
    assert_eq!(form(&state).model.text(), "kimi-k2-turbo-preview");
    assert_eq!(form(&state).focus, form::Row::Test);
}

#[test]
fn a_list_that_fails_shows_the_servers_words_and_a_name_can_be_typed() {
    let folder = folder();
    let mut state = fresh(&folder);
    choose(&mut state, "Ollama");
    go_to(&mut state, form::Row::Pick);
    press(&mut state, KeyCode::Enter);
    state.models(Err(TrialError {
        message: "cannot connect to 127.0.0.1:11434: refused\x1b[2J".into(),
        hint: Some("Start ollama.".into()),
    }));
    let shown = draw_at(&mut state, 60, 12);
    assert!(shown.contains("refused") && shown.contains("Start ollama."), "{shown}");
    type_text(&mut state, "qwen3:8b");
    press(&mut state, KeyCode::Enter);
    assert_eq!(form(&state).model.text(), "qwen3:8b");
}

#[test]
fn a_test_asks_and_can_be_stopped() {
    let folder = folder();
    let mut state = fresh(&folder);
    choose(&mut state, "Ollama");
    type_text(&mut state, "qwen3");
    go_to(&mut state, form::Row::Test);
    let Next::Start(Job::Ask(trial)) = press(&mut state, KeyCode::Enter) else { panic!("no job") };
    assert_eq!(trial.model, "qwen3");
    state.now_ms = 3_200;
    assert!(draw_at(&mut state, 60, 14).contains("asking qwen3, 3 s"));
    assert!(matches!(press(&mut state, KeyCode::Char('x')), Next::Stay));
    assert!(matches!(press(&mut state, KeyCode::Esc), Next::Cancel));
    press(&mut state, KeyCode::Enter);
    state.asked(Ok("Hello!\x1b[2J".into()));
    insta::assert_snapshot!(screens(&folder, &mut state));
}

#[test]
fn a_refusal_shows_the_servers_words_without_the_key() {
    let folder = folder();
    let mut state = fresh(&folder);
    choose(&mut state, "Moonshot");
    state.paste(KEY);
    go_to(&mut state, form::Row::Model);
    type_text(&mut state, "kimi-k2");
    go_to(&mut state, form::Row::Test);
    press(&mut state, KeyCode::Enter);
    state.asked(Err(TrialError {
        message: format!("401 from api.moonshot.ai: Incorrect API key provided: {KEY}"),
        hint: Some("Check the key.".into()),
    }));
    let shown = draw_at(&mut state, 40, 12);
    assert!(!shown.contains("sk-very"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn what_is_missing_is_told_at_its_row() {
    let folder = folder();
    let mut state = fresh(&folder);
    choose(&mut state, "Custom");
    assert_eq!(form(&state).focus, form::Row::BaseUrl);
    type_text(&mut state, "not a url");
    let shown = draw_at(&mut state, 60, 14);
    assert!(shown.contains('✗'), "{shown}");
    go_to(&mut state, form::Row::Save);
    press(&mut state, KeyCode::Enter);
    assert_eq!(form(&state).focus, form::Row::BaseUrl);
    insta::assert_snapshot!(draw_at(&mut state, 60, 14));
}

fn value(path: &str, value: &str, source: Source) -> ShownValue {
    ShownValue { path: path.into(), value: value.into(), source }
}

fn configured(folder: &tempfile::TempDir, text: &str) -> SetupState {
    let file = config_in(folder);
    std::fs::write(&file, text).expect("write");
    let source = || Source::File(file.clone());
    let values = vec![
        value("chat.model", "kimi-k2", source()),
        value("chat.base_url", "https://api.moonshot.ai/v1", source()),
        value("chat.api_key", "[set]", source()),
        value("chat.supports_streaming", "true", Source::Default),
        value("media.image.model", "gpt-image-1", source()),
        value("media.image.base_url", "https://api.openai.com/v1", source()),
        value("media.image.api_key_env", "OPENAI_API_KEY", source()),
        value("media.speech.model", "[not set]", Source::Default),
    ];
    let services = services(&file, values);
    SetupState::new(&SetupServices { has_variable: Arc::new(|name| name == "OPENAI_API_KEY"), ..services })
}

const CONFIG: &str = "# mine\nchat:\n  model: kimi-k2 # the fast one\n  base_url: https://api.moonshot.ai/v1\n  api_key: sk-old-secret-key\nmedia:\n  image:\n    model: gpt-image-1\n    base_url: https://api.openai.com/v1\n    api_key_env: OPENAI_API_KEY\n";

#[test]
fn a_configured_endpoint_keeps_its_key_and_only_changed_lines_are_written() {
    let folder = folder();
    let mut state = configured(&folder, CONFIG);
    choose(&mut state, "Change");
    assert_eq!((form(&state).key_from, form(&state).focus), (form::KeyFrom::Present, form::Row::Save));
    go_to(&mut state, form::Row::Model);
    type_text(&mut state, "-turbo");
    go_to(&mut state, form::Row::Save);
    press(&mut state, KeyCode::Enter);
    let shown = draw_at(&mut state, 100, 20).replace(&folder.path().display().to_string(), "/tmp/home");
    insta::assert_snapshot!(shown);
    assert!(matches!(press(&mut state, KeyCode::Enter), Next::End(SetupOutcome::Saved)));
    let text = std::fs::read_to_string(config_in(&folder)).expect("the file");
    assert_eq!(text, CONFIG.replace("model: kimi-k2 #", "model: kimi-k2-turbo #"));
}

#[test]
fn a_key_does_not_follow_to_another_address() {
    let folder = folder();
    let mut state = configured(&folder, CONFIG);
    choose(&mut state, "Change");
    go_to(&mut state, form::Row::BaseUrl);
    type_text(&mut state, "/evil");
    go_to(&mut state, form::Row::Test);
    assert!(matches!(press(&mut state, KeyCode::Enter), Next::Stay), "the key must not be sent there");
    assert!(draw_at(&mut state, 80, 20).contains("that key belongs to https://api.moonshot.ai/v1"));
    // Another provider does not get it either.
    let mut state = configured(&folder, CONFIG);
    choose(&mut state, "OpenRouter");
    assert_eq!(form(&state).key_from, form::KeyFrom::Typed);
}

const NAMED: &str = "chat:\n  model: m\n  base_url: http://127.0.0.1:9/v1/\n  api_key_env: GOODK\n";

/// The screen over a file as it is really loaded.
fn loaded(folder: &tempfile::TempDir, text: &str) -> SetupState {
    let file = config_in(folder);
    std::fs::write(&file, text).expect("write");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("mode");
    let values = crate::config::load(&options(&file)).expect("a configuration").values;
    SetupState::new(&services(&file, values))
}

fn choose_key(state: &mut SetupState, wanted: form::KeyFrom) {
    go_to(state, form::Row::KeyFrom);
    while form(state).key_from != wanted {
        press(state, KeyCode::Right);
    }
}

fn save(state: &mut SetupState) -> Next {
    go_to(state, form::Row::Save);
    press(state, KeyCode::Enter);
    press(state, KeyCode::Enter)
}

#[test]
fn a_key_in_place_of_a_variable_leaves_a_file_that_loads() {
    for wanted in [form::KeyFrom::Typed, form::KeyFrom::Nowhere, form::KeyFrom::Variable] {
        let folder = folder();
        let mut state = loaded(&folder, NAMED);
        choose(&mut state, "Change");
        assert_eq!((form(&state).key_from, form(&state).variable.text()), (form::KeyFrom::Variable, "GOODK"));
        choose_key(&mut state, wanted);
        if wanted == form::KeyFrom::Typed {
            go_to(&mut state, form::Row::Key);
            state.paste(KEY);
        }
        let saved = save(&mut state);
        let text = std::fs::read_to_string(config_in(&folder)).expect("the file");
        assert_eq!(matches!(saved, Next::End(SetupOutcome::Saved)), wanted != form::KeyFrom::Variable, "{text}");
        assert_eq!(text.contains("api_key_env"), wanted == form::KeyFrom::Variable, "{text}");
        crate::config::load(&options(&config_in(&folder))).expect("it loads");
    }
    // And back, where the file's own key is hidden by the environment.
    let folder = folder();
    let mut state = loaded(&folder, &NAMED.replace("api_key_env: GOODK", "api_key: sk-mine"));
    choose(&mut state, "Change");
    choose_key(&mut state, form::KeyFrom::Variable);
    go_to(&mut state, form::Row::Variable);
    state.paste("GOODK");
    assert!(matches!(save(&mut state), Next::End(SetupOutcome::Saved)));
    let text = std::fs::read_to_string(config_in(&folder)).expect("the file");
    assert!(text.contains("api_key_env: GOODK") && !text.contains("sk-mine"), "{text}");
}

#[test]
fn an_address_with_a_slash_at_its_end_is_the_same_address() {
    let folder = folder();
    let mut state = loaded(&folder, &NAMED.replace("api_key_env: GOODK", "api_key: sk-mine"));
    choose(&mut state, "Change");
    assert_eq!(form(&state).key_from, form::KeyFrom::Present);
    go_to(&mut state, form::Row::Model);
    type_text(&mut state, "2");
    assert!(matches!(save(&mut state), Next::End(SetupOutcome::Saved)), "{}", draw_at(&mut state, 80, 24));
    let text = std::fs::read_to_string(config_in(&folder)).expect("the file");
    assert_eq!(text, NAMED.replace("api_key_env: GOODK", "api_key: sk-mine").replace("model: m", "model: m2"));
}

#[test]
fn a_variable_that_nobody_set_is_told_before_saving() {
    let folder = folder();
    let mut state = loaded(&folder, NAMED);
    choose(&mut state, "Change");
    go_to(&mut state, form::Row::Variable);
    type_text(&mut state, "X");
    go_to(&mut state, form::Row::Save);
    press(&mut state, KeyCode::Enter);
    assert_eq!(form(&state).focus, form::Row::Variable);
    let shown = draw_at(&mut state, 100, 20);
    assert!(shown.contains("GOODKX is not set; set it before okcvm starts"), "{shown}");
}

#[test]
fn a_file_that_would_not_load_is_not_written() {
    let folder = folder();
    let file = config_in(&folder);
    // Somebody has written into the file since it was read.
    let mut state = loaded(&folder, NAMED);
    std::fs::write(&file, format!("{NAMED}nonsense: 1\n")).expect("write");
    choose(&mut state, "Change");
    go_to(&mut state, form::Row::Model);
    type_text(&mut state, "2");
    assert!(matches!(save(&mut state), Next::Stay));
    let shown = draw_at(&mut state, 100, 20);
    assert!(shown.contains("okcvm could not be started with it") && shown.contains("nonsense"), "{shown}");
    assert!(!std::fs::read_to_string(&file).expect("the file").contains("m2"));
}

#[test]
fn why_the_screen_opened_and_where_it_leads_back_to_are_told() {
    let folder = folder();
    let mut services = services(&config_in(&folder), Vec::new());
    services.problem = Some("chat.api_key_env: names NOKEY, which is not set".to_owned());
    let shown = draw_at(&mut SetupState::new(&services), 80, 24);
    assert!(shown.contains("names NOKEY, which is not set") && shown.contains("Welcome"), "{shown}");
    services.in_session = true;
    let shown = draw_at(&mut SetupState::new(&services), 80, 24);
    assert!(shown.contains("Esc back to the session") && !shown.contains("Welcome"), "{shown}");
}

#[test]
fn the_media_page_edits_and_removes_endpoints() {
    let folder = folder();
    let mut state = configured(&folder, CONFIG);
    choose(&mut state, "Media");
    insta::assert_snapshot!("media", screens(&folder, &mut state));
    choose(&mut state, "image");
    insta::assert_snapshot!("media_image", screens(&folder, &mut state));
    go_to(&mut state, form::Row::Remove);
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Enter);
    let text = std::fs::read_to_string(config_in(&folder)).expect("the file");
    assert!(!text.contains("gpt-image-1") && text.contains("# the fast one"), "{text}");
    let shown = draw_at(&mut state, 200, 20);
    assert!(shown.contains("image generation removed from"), "{shown}");
    choose(&mut state, "speech recognition");
    state.paste("https://asr.example.com/v1");
    go_to(&mut state, form::Row::Key);
    state.paste(KEY);
    go_to(&mut state, form::Row::Model);
    type_text(&mut state, "whisper-1");
    go_to(&mut state, form::Row::Save);
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Enter);
    let text = std::fs::read_to_string(config_in(&folder)).expect("the file");
    assert!(text.contains("asr:") && text.contains("whisper-1"), "{text}");
    press(&mut state, KeyCode::Esc);
    assert!(matches!(press(&mut state, KeyCode::Esc), Next::End(SetupOutcome::Saved)), "something was saved");
}

#[test]
fn a_file_that_cannot_be_edited_is_left_alone_and_the_new_text_shown() {
    let folder = folder();
    let flow = "{chat: {model: kimi-k2, base_url: \"https://api.moonshot.ai/v1\", api_key: sk-old-secret-key}}\n";
    let mut state = configured(&folder, flow);
    choose(&mut state, "Change");
    go_to(&mut state, form::Row::Model);
    type_text(&mut state, "-turbo");
    go_to(&mut state, form::Row::Save);
    press(&mut state, KeyCode::Enter);
    let shown = draw_at(&mut state, 100, 20).replace(&folder.path().display().to_string(), "/tmp/home");
    assert!(!shown.contains("sk-old"), "{shown}");
    insta::assert_snapshot!(shown);
    press(&mut state, KeyCode::Enter);
    assert_eq!(std::fs::read_to_string(config_in(&folder)).expect("the file"), flow);
}

#[test]
fn no_screen_is_too_small() {
    let folder = folder();
    for (width, height) in [(1, 1), (2, 3), (5, 4), (12, 5), (40, 3)] {
        let mut state = configured(&folder, CONFIG);
        draw_at(&mut state, width, height);
        press(&mut state, KeyCode::Enter);
        draw_at(&mut state, width, height);
        press(&mut state, KeyCode::Enter);
        draw_at(&mut state, width, height);
    }
}

#[tokio::test]
async fn the_loop_runs_from_the_first_key_to_the_saved_file() {
    let folder = folder();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut services = services(&config_in(&folder), Vec::new());
    let seen = asked.clone();
    services.ask = Arc::new(move |trial| {
        seen.lock().expect("not poisoned").push(trial.model);
        std::future::ready(Ok("Hello.".to_owned())).boxed()
    });
    let sink = MemorySink::new(80, 24);
    let screen = Screen::with_sink(sink.clone()).expect("a screen");
    let (source, keys) = FakeSource::new();
    let key = |code| keys.send(Input::Key(KeyEvent::new(code, KeyModifiers::NONE))).expect("the loop runs");
    key(KeyCode::Enter);
    keys.send(Input::Paste(KEY.into())).expect("the loop runs");
    key(KeyCode::Down);
    "kimi-k2".chars().for_each(|c| key(KeyCode::Char(c)));
    // Past the list and the streaming switch to the test.
    (0..3).for_each(|_| key(KeyCode::Down));
    key(KeyCode::Enter);
    let run = tokio::spawn(run_with(services, screen, source, Signals::none()));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !String::from_utf8_lossy(&sink.bytes()).contains("answered") {
        assert!(Instant::now() < deadline, "no answer on the screen");
        tokio::task::yield_now().await;
    }
    // The answer has put the focus on "Save".
    key(KeyCode::Enter);
    key(KeyCode::Enter);
    assert_eq!(run.await.expect("the loop").expect("no terminal error"), SetupOutcome::Saved);
    assert_eq!(*asked.lock().expect("not poisoned"), ["kimi-k2"]);
    assert!(std::fs::read_to_string(config_in(&folder)).expect("the file").contains(KEY));
    assert!(!String::from_utf8_lossy(&sink.bytes()).contains("sk-very"), "the key was drawn");
}

#[tokio::test]
async fn a_terminal_that_goes_away_ends_the_setup() {
    let folder = folder();
    let screen = Screen::with_sink(MemorySink::new(40, 12)).expect("a screen");
    let (source, keys) = FakeSource::new();
    drop(keys);
    let outcome = run_with(services(&config_in(&folder), Vec::new()), screen, source, Signals::none()).await;
    assert_eq!(outcome.expect("no terminal error"), SetupOutcome::Signal(1));
}
