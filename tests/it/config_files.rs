//! Config files as users write them: what loads, what is told, and what saving leaves alone.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use okcvm::config::{
    Change, ConfigError, ENDPOINTS, EXAMPLE, LoadOptions, Loaded, NetworkMode, Problem, SandboxBackend, SaveError,
    Source, edit, fields, load, load_keyless, save,
};
use proptest::prelude::*;

/// A home folder of its own, with a config file in its usual place.
struct Home {
    folder: tempfile::TempDir,
    options: LoadOptions,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let cwd = folder.path().join("project");
        std::fs::create_dir_all(&cwd).expect("project folder");
        std::fs::create_dir_all(folder.path().join(".config/okcvm")).expect("config folder");
        let env = BTreeMap::from([("HOME".to_owned(), folder.path().display().to_string())]);
        Self { options: LoadOptions { cwd, env, ..LoadOptions::default() }, folder }
    }

    fn with(config: &str) -> Self {
        let home = Self::new();
        home.write(".config/okcvm/config.yaml", config);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("write");
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).expect("mode");
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.options.env.insert(name.to_owned(), value.to_owned());
        self
    }

    fn load(&self) -> Loaded {
        load(&self.options).unwrap_or_else(|error| panic!("{:#?}", error.problems()))
    }

    fn problems(&self) -> Vec<Problem> {
        match load(&self.options) {
            Err(ConfigError::Problems(problems)) => problems,
            other => panic!("{other:?}"),
        }
    }
}

fn fixtures(kind: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config").join(kind);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("fixtures")
        .map(|entry| entry.expect("entry").path())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("fixture")))
        .collect();
    files.sort();
    assert!(files.len() > 3, "fixtures of {kind}");
    files
}

fn source<'a>(loaded: &'a Loaded, path: &str) -> &'a Source {
    &loaded.values.iter().find(|row| row.path == path).unwrap_or_else(|| panic!("{path}")).source
}

fn shown<'a>(loaded: &'a Loaded, path: &str) -> &'a str {
    &loaded.values.iter().find(|row| row.path == path).unwrap_or_else(|| panic!("{path}")).value
}

const CHAT: &str = "chat:\n  model: kimi-k2\n  base_url: https://api.moonshot.ai/v1\n";
const WITH_KEY: &str =
    "chat:\n  model: kimi-k2\n  base_url: https://api.moonshot.ai/v1\n  api_key: sk-of-the-user-1234\n";

#[test]
fn every_valid_fixture_loads() {
    for (name, text) in fixtures("valid") {
        let home = Home::with(&text).env("FIXTURE_KEY", "sk-from-the-environment");
        let loaded = load(&home.options).unwrap_or_else(|error| panic!("{name}: {:#?}", error.problems()));
        assert_eq!(loaded.warnings, [], "{name}");
        assert_eq!(loaded.asks, [], "{name}");
        if text.contains("kimi-k2") {
            let chat = loaded.config.chat.expect("chat");
            assert_eq!(
                (chat.model.as_str(), chat.base_url.as_str()),
                ("kimi-k2", "https://api.moonshot.ai/v1"),
                "{name}"
            );
        }
    }
}

#[test]
fn every_field_of_the_file_reaches_its_place() {
    let (_, text) = fixtures("valid").into_iter().find(|(name, _)| name.ends_with("everything.yaml")).expect("fixture");
    let home = Home::with(&text).env("FIXTURE_KEY", "sk-from-the-environment");
    let Loaded { config, paths, secrets, .. } = home.load();
    let chat = config.chat.expect("chat");
    assert_eq!(chat.api_key.expect("key").expose(), "sk-fixture-0123456789");
    assert!(!chat.supports_streaming && !chat.vision);
    assert_eq!((chat.connect_timeout_secs, chat.idle_timeout_secs, chat.max_retries), (5, 30, 0));
    assert_eq!(chat.context_window, Some(262_144));
    assert_eq!(config.media.image.expect("image").api_key.expect("key").expose(), "sk-from-the-environment");
    assert_eq!(config.media.speech.expect("speech").base_url, "http://127.0.0.1:8000/v1");
    assert!(config.media.sound_effects.is_some() && config.media.asr.is_some());
    assert_eq!(paths.sessions_dir, home.path("machines"));
    assert!(config.workspace.confirm_on_start);
    assert_eq!(config.workspace.preview_base_url.as_deref(), Some("https://preview.example.com"));
    assert_eq!((config.sandbox.backend, config.sandbox.network), (SandboxBackend::Bubblewrap, NetworkMode::Host));
    assert_eq!(config.sandbox.extra_ro, [PathBuf::from("/opt/toolchain"), home.path(".pyenv")]);
    assert_eq!(config.sandbox.env_pass, ["TZ", "LANG"]);
    let limits = &config.sandbox.limits;
    assert_eq!((limits.memory_mb, limits.pids, limits.file_mb, limits.open_files), (2048, 100, 64, 256));
    assert_eq!((config.snapshots.max_file_mb, config.snapshots.max_total_mb), (10, 20));
    assert_eq!(config.engine.max_rounds, 7);
    assert_eq!(config.spec.dir, Some(home.path(".config/okcvm/bundle")));
    assert!(config.ui.ascii);
    assert_eq!(config.ui.keys["submit"], ["enter", "ctrl+s"]);
    assert_eq!(config.ui.keys["interrupt"], ["ctrl+x"]);
    assert_eq!(secrets.len(), 2);
}

/// Each invalid file begins with lines `# expect: line N: path: message | hint`; `*` stands for any text.
#[test]
fn every_invalid_fixture_is_told_whole() {
    for (name, text) in fixtures("invalid") {
        let mut expected: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# expect: ")).collect();
        let home = Home::with(&text).env("FIXTURE_KEY", "sk-from-the-environment");
        let file = home.path(".config/okcvm/config.yaml").display().to_string();
        let Err(error) = load(&home.options) else { panic!("{name} loaded") };
        for problem in error.problems() {
            let shown = problem.to_string().replace(&format!("{file}: "), "");
            let row = problem.hint.map_or(shown.clone(), |hint| format!("{shown} | {hint}"));
            let matches = |pattern: &&str| match pattern.split_once('*') {
                Some((start, end)) => row.starts_with(start) && row.ends_with(end),
                None => row == *pattern,
            };
            match expected.iter().position(|pattern| matches(pattern)) {
                Some(index) => expected.remove(index),
                None => panic!("{name}: not expected: {row}"),
            };
            assert!(!row.contains("sk-"), "{name}: a key is shown: {row}");
        }
        assert_eq!(expected, [] as [&str; 0], "{name}");
    }
}

/// The example with the `#` taken away from every setting.
fn uncommented() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.is_empty() || (rest.starts_with(' ') && !rest.starts_with("  ")) => line.to_owned(),
        Some(rest) => rest.to_owned(),
        None => line.to_owned(),
    };
    EXAMPLE.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn the_example_as_it_is_changes_nothing() {
    let loaded = Home::with(EXAMPLE).load();
    assert!(loaded.config.chat.is_none());
    assert!(loaded.values.iter().all(|row| row.source == Source::Default), "{:?}", loaded.values);
}

#[test]
fn the_example_names_every_field_with_its_default() {
    let text = uncommented();
    let root: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
    let mut named = Vec::new();
    paths_of(&root, "", &mut named);
    let known: Vec<_> = fields().iter().map(|field| field.path.clone()).collect();
    assert_eq!(named, known);

    for other in ["api_key:", "api_key_env:"] {
        let one_key: String =
            text.lines().filter(|line| !line.trim().starts_with(other)).map(|l| format!("{l}\n")).collect();
        let one_key = one_key.replace("your key", "sk-your-key");
        let mut home = Home::with(&one_key);
        for name in ["MOONSHOT_API_KEY", "OPENAI_API_KEY", "SOUND_API_KEY"] {
            home = home.env(name, "sk-of-a-variable");
        }
        let loaded = home.load();
        for field in fields().iter().filter(|field| !field.default.starts_with('[') || field.default == "[TZ]") {
            assert_eq!(shown(&loaded, &field.path), field.default, "{}", field.path);
        }
        assert!(loaded.config.chat.is_some_and(|chat| chat.api_key.is_some()));
    }
}

fn paths_of(value: &serde_yaml::Value, at: &str, out: &mut Vec<String>) {
    match value {
        serde_yaml::Value::Mapping(map) if !map.is_empty() => {
            for (name, value) in map {
                let name = name.as_str().expect("name");
                paths_of(value, &if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }, out);
            }
        }
        _ => out.push(at.to_owned()),
    }
}

#[test]
fn without_any_file_there_is_no_chat_and_no_problem() {
    let home = Home::new();
    let loaded = home.load();
    assert!(loaded.config.chat.is_none());
    assert_eq!(shown(&loaded, "chat"), "[not set]");
    assert_eq!(loaded.paths.sessions_dir, home.path(".local/share/okcvm/sessions"));
    assert_eq!(loaded.warnings, []);
}

#[test]
fn later_layers_win_and_each_value_remembers_its_own() {
    let home = Home::with(CHAT);
    home.write(".config/okcvm/.env", "OKCVM_CHAT_SUPPORTS_STREAMING=no\nOKCVM_CHAT_MODEL=own\n");
    home.write("project/.env", "export OKCVM_CHAT_MODEL='folder' # theirs\nDATABASE_URL=x\nbroken line\n");
    let loaded = home.load();
    assert_eq!(loaded.config.chat.as_ref().expect("chat").model, "folder");
    assert!(!loaded.config.chat.as_ref().expect("chat").supports_streaming);
    assert_eq!(source(&loaded, "chat.model"), &Source::DotEnv(home.path("project/.env")));
    assert_eq!(source(&loaded, "chat.supports_streaming"), &Source::DotEnv(home.path(".config/okcvm/.env")));
    assert_eq!(source(&loaded, "chat.base_url"), &Source::File(home.path(".config/okcvm/config.yaml")));
    assert_eq!(source(&loaded, "chat.max_retries"), &Source::Default);
    assert_eq!(loaded.warnings, []);

    let mut home = home.env("OKCVM_CHAT_MODEL", "environment");
    let loaded = home.load();
    assert_eq!(source(&loaded, "chat.model"), &Source::Env("OKCVM_CHAT_MODEL".into()));
    home.options.flags.model = Some("flag".into());
    home.options.flags.network = Some("host".into());
    home.options.flags.sandbox = Some("off".into());
    home.options.flags.data_dir = Some("data".into());
    home.options.flags.spec_dir = Some("bundle".into());
    let loaded = home.load();
    assert_eq!(loaded.config.chat.as_ref().expect("chat").model, "flag");
    assert_eq!(source(&loaded, "chat.model"), &Source::Flag("--model"));
    assert_eq!(
        (loaded.config.sandbox.backend, loaded.config.sandbox.network),
        (SandboxBackend::Off, NetworkMode::Host)
    );
    assert_eq!(loaded.paths.sessions_dir, home.path("project/data/sessions"));
    assert_eq!(loaded.config.spec.dir, Some(home.path("project/bundle")));
    assert_eq!(source(&loaded, "workspace.path"), &Source::Flag("--data-dir"));
}

#[test]
fn variables_alone_make_every_endpoint() {
    let mut home = Home::new();
    for endpoint in ENDPOINTS {
        for (suffix, value) in [
            ("MODEL", "m"),
            ("BASE_URL", "https://api.example.com/v1"),
            ("API_KEY", "sk-of-a-variable"),
            ("SUPPORTS_STREAMING", "false"),
        ] {
            home = home.env(&format!("{}{suffix}", endpoint.env_prefix), value);
        }
    }
    let loaded = home.load();
    assert_eq!(loaded.asks, []);
    let media = loaded.config.media;
    for endpoint in [loaded.config.chat, media.image, media.speech, media.sound_effects, media.asr] {
        let endpoint = endpoint.expect("endpoint");
        assert!(!endpoint.supports_streaming);
        assert_eq!(endpoint.api_key.expect("key").expose(), "sk-of-a-variable");
    }
}

#[test]
fn mistakes_in_variables_and_flags_are_problems_too() {
    let mut home = Home::with(CHAT)
        .env("OKCVM_CHAT_BASE_URL", "nowhere")
        .env("OKCVM_CHAT_SUPPORTS_STREAMING", "perhaps")
        .env("OKCVM_IMAGE_MODEL", "m")
        .env("OKCVM_CHAT_MODLE", "x")
        .env("OKCVM_ASR_MODEL", "");
    home.write(".config/okcvm/.env", "\nhello\n");
    home.options.flags.sandbox = Some("bublewrap".into());
    let file = home.path(".config/okcvm/.env").display().to_string();
    let rows: Vec<_> = home.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        rows,
        [
            format!("{file}: line 2: is not of the form NAME=value"),
            "OKCVM_CHAT_BASE_URL: is not a URL: relative URL without a base".to_owned(),
            "OKCVM_CHAT_SUPPORTS_STREAMING: expected true or false".to_owned(),
            "--sandbox: \"bublewrap\" is not one of auto, bubblewrap, landlock, external, off".to_owned(),
            "media.image.base_url: is missing".to_owned(),
        ]
    );
    let home = Home::new().env("OKCVM_CHAT_MODLE", "x");
    assert_eq!(home.load().warnings[0].hint.as_deref(), Some("Did you mean OKCVM_CHAT_MODEL?"));
}

#[test]
fn a_config_file_that_was_asked_for_must_exist() {
    let mut home = Home::new();
    home.options.config_file = Some("other.yaml".into());
    let problem = home.problems().remove(0);
    assert_eq!(problem.message, "does not exist");
    home.write("project/other.yaml", CHAT);
    assert!(home.load().config.chat.is_some());
}

#[test]
fn the_folder_may_not_draw_a_key_to_its_own_address() {
    // (the folder's .env, variables, the address that is asked about)
    let evil = "OKCVM_CHAT_BASE_URL=https://evil.example/v1\n";
    let rows: [(&str, &[(&str, &str)], Option<&str>); 8] = [
        (evil, &[], Some("https://evil.example/v1")),
        (
            "OKCVM_CHAT_BASE_URL=https://api.moonshot.ai.evil.example/v1\n",
            &[],
            Some("https://api.moonshot.ai.evil.example/v1"),
        ),
        // The address that the user's file states, spelt otherwise.
        ("OKCVM_CHAT_BASE_URL=https://API.moonshot.ai:443/v1/\n", &[], None),
        // The folder's own key to the folder's own address.
        ("OKCVM_CHAT_BASE_URL=https://evil.example/v1\nOKCVM_CHAT_API_KEY=sk-of-the-folder\n", &[], None),
        // The folder's key to the user's address, and the folder's model.
        ("OKCVM_CHAT_API_KEY=sk-of-the-folder\nOKCVM_CHAT_MODEL=other\n", &[], None),
        // A key of the environment hides the folder's key, but not its address.
        (
            "OKCVM_CHAT_BASE_URL=https://evil.example/v1\nOKCVM_CHAT_API_KEY=sk-of-the-folder\n",
            &[("OKCVM_CHAT_API_KEY", "sk-of-the-environment")],
            Some("https://evil.example/v1"),
        ),
        // Both from the environment.
        ("", &[("OKCVM_CHAT_API_KEY", "sk-env-123"), ("OKCVM_CHAT_BASE_URL", "https://other.example/v1")], None),
        // The file's key, an address of the environment.
        ("", &[("OKCVM_CHAT_BASE_URL", "https://other.example/v1")], Some("https://other.example/v1")),
    ];
    for (dotenv, variables, expected) in rows {
        let mut home = Home::with(WITH_KEY);
        for (name, value) in variables {
            home = home.env(name, value);
        }
        home.write("project/.env", dotenv);
        let mut loaded = home.load();
        let asked: Vec<_> = loaded.asks.iter().map(|ask| ask.base_url.as_str()).collect();
        assert_eq!(asked, expected.into_iter().collect::<Vec<_>>(), "{dotenv} {variables:?}");
        let has_key = |loaded: &Loaded| loaded.config.chat.as_ref().expect("chat").api_key.is_some();
        assert_eq!(has_key(&loaded), expected.is_none(), "{dotenv} {variables:?}");
        // Every key is known to the redactor, asked about or not.
        assert!(loaded.secrets.iter().any(|key| key.expose() == "sk-of-the-user-1234"));
        if let Some(question) = loaded.asks.first().cloned() {
            assert!(!question.to_string().contains("sk-") && !question.hint().contains("sk-"));
            loaded.allow_key(&question);
            assert!(has_key(&loaded) && loaded.asks.is_empty());
        }
    }
}

#[test]
fn a_key_behind_a_variable_belongs_to_the_file_that_names_it() {
    let config = format!("{CHAT}  api_key_env: MOONSHOT_API_KEY\n");
    let home = Home::with(&config).env("MOONSHOT_API_KEY", "sk-moonshot-1");
    home.write("project/.env", "OKCVM_CHAT_BASE_URL=https://evil.example/v1\nMOONSHOT_API_KEY=sk-theirs\n");
    let loaded = home.load();
    assert_eq!(loaded.asks.len(), 1);
    assert_eq!(loaded.asks[0].key_source, Source::Env("MOONSHOT_API_KEY".into()));
    assert!(loaded.config.chat.expect("chat").api_key.is_none());

    // The user's own .env may hold it; the folder's may not.
    let home = Home::with(&config);
    home.write("project/.env", "MOONSHOT_API_KEY=sk-theirs\n");
    assert_eq!(home.problems()[0].message, "names MOONSHOT_API_KEY, which is not set");
    assert_eq!(load_keyless(&home.options).expect("keyless").warnings[0].path, "chat.api_key_env");
    home.write(".config/okcvm/.env", "MOONSHOT_API_KEY=sk-mine-12345\n");
    assert_eq!(home.load().config.chat.expect("chat").api_key.expect("key").expose(), "sk-mine-12345");
}

#[test]
fn the_folder_sets_nothing_else() {
    let home = Home::with(CHAT);
    home.write(
        "project/.env",
        "OKCVM_CHAT_SUPPORTS_STREAMING=false\nOKCVM_SANDBOX_BACKEND=off\nXDG_DATA_HOME=/tmp/evil\nHOME=/tmp/evil\n",
    );
    let loaded = home.load();
    assert!(loaded.config.chat.expect("chat").supports_streaming);
    assert_eq!(loaded.config.sandbox.backend, SandboxBackend::Auto);
    assert_eq!(loaded.paths.data_dir, home.path(".local/share/okcvm"));
    assert_eq!(loaded.warnings.len(), 1);
    // A file that is none is told, and does not hang.
    std::fs::remove_file(home.path("project/.env")).expect("remove");
    std::fs::create_dir(home.path("project/.env")).expect("folder");
    assert_eq!(home.load().warnings[0].message, "is not a file");
}

#[test]
fn in_the_config_folder_its_env_file_is_the_users_own() {
    let mut home = Home::with(CHAT);
    home.options.cwd = home.path(".config/okcvm");
    home.write(".config/okcvm/.env", "OKCVM_CHAT_API_KEY=sk-mine-12345\nOKCVM_CHAT_SUPPORTS_STREAMING=off\n");
    let loaded = home.load();
    assert!(!loaded.config.chat.expect("chat").supports_streaming);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn a_key_is_never_shown() {
    let home = Home::with(WITH_KEY).env("OKCVM_IMAGE_API_KEY", "sk-of-the-image");
    let loaded = home.load();
    assert_eq!(shown(&loaded, "chat.api_key"), "[set]");
    let everything = format!("{loaded:?} {:?} {:?}", home.options, Change::Set("chat.api_key".into(), "sk-new".into()));
    assert!(!everything.contains("sk-"), "{everything}");
    // A key in the wrong place is redacted where a message would quote it.
    let home = Home::with(&format!("{WITH_KEY}ui:\n  colour: sk-of-the-user-1234\n"));
    assert!(!format!("{:?}", home.problems()).contains("sk-"));
}

#[test]
fn a_file_with_a_key_that_others_may_read_is_warned_of() {
    let home = Home::with(WITH_KEY);
    let file = home.path(".config/okcvm/config.yaml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("mode");
    let warning = &home.load().warnings[0];
    assert_eq!(warning.message, "holds a key and has mode 0644, so that others may read it");
    assert_eq!(warning.hint, Some(format!("Close it with: chmod 600 {}", file.display())));
    std::fs::write(&file, CHAT).expect("write");
    assert_eq!(home.load().warnings, []);
}

fn set(path: &str, text: &str) -> Change {
    Change::Set(path.into(), text.into())
}

#[test]
fn saving_rewrites_only_the_lines_that_changed() {
    let before = "\
# my own notes
chat:   # the model
    base_url: 'https://api.moonshot.ai/v1'   # the first
    model: \"kimi-k2\"
    # the key lives elsewhere

ui:
    ascii: true # for the old terminal
";
    let changes = [
        set("chat.base_url", "https://api.deepseek.com/v1"),
        set("chat.model", "deepseek-chat"),
        set("chat.api_key_env", "DEEPSEEK_API_KEY"),
        set("chat.supports_streaming", "false"),
        set("ui.ascii", "true"),
        set("media.image.model", "pictures"),
        set("media.image.base_url", "http://127.0.0.1:8000/v1"),
    ];
    let after = "\
# my own notes
chat:   # the model
    base_url: 'https://api.deepseek.com/v1'   # the first
    model: \"deepseek-chat\"
    api_key_env: DEEPSEEK_API_KEY
    supports_streaming: false
    # the key lives elsewhere

ui:
    ascii: true # for the old terminal

media:
    image:
        model: pictures
        base_url: http://127.0.0.1:8000/v1
";
    assert_eq!(edit(before, &changes).expect("edited"), after);
    let without = edit(after, &[Change::Remove("media.image".into()), Change::Remove("chat.nothing".into())]);
    assert!(without.expect("edited").ends_with("old terminal\n\nmedia:\n"));
}

#[test]
fn saving_copes_with_every_kind_of_end() {
    let rows = [
        ("", "chat:\n  model: m\n"),
        ("# only a comment", "# only a comment\n\nchat:\n  model: m\n"),
        ("chat:", "chat:\n  model: m\n"),
        ("chat: # soon\n", "chat: # soon\n  model: m\n"),
        ("chat: {} # soon\n", "chat: # soon\n  model: m\n"),
        ("chat: ~\nui:\n  ascii: true", "chat:\n  model: m\nui:\n  ascii: true\n"),
        ("chat:\n  vision: true", "chat:\n  vision: true\n  model: m\n"),
        ("chat:\n  model:\n", "chat:\n  model: m\n"),
        ("chat:\n  model: # which\n", "chat:\n  model: m # which\n"),
        ("chat:\r\n  vision: true\r\n", "chat:\r\n  vision: true\r\n  model: m\r\n"),
        ("ui:\r\n  ascii: true", "ui:\r\n  ascii: true\r\n\r\nchat:\r\n  model: m\r\n"),
        ("\u{feff}chat:\n  model: x\n", "\u{feff}chat:\n  model: m\n"),
        ("---\nui:\n  keys:\n    quit:\n    - q\n", "---\nui:\n  keys:\n    quit:\n    - q\n\nchat:\n  model: m\n"),
    ];
    for (before, after) in rows {
        assert_eq!(edit(before, &[set("chat.model", "m")]).as_deref(), Ok(after), "{before:?}");
    }
    let listed = edit("sandbox:\n  env_pass: [TZ] # zone\n", &[set("sandbox.env_pass", "TZ, LANG")]);
    assert_eq!(listed.as_deref(), Ok("sandbox:\n  env_pass: [TZ, LANG] # zone\n"));
}

#[test]
fn what_cannot_be_edited_is_refused_with_the_text_it_would_become() {
    let rows = [
        ("chat: {model: x, base_url: y}\n", "chat is written in flow style", Some(1)),
        ("{ui: {ascii: true}}\n", "flow style", Some(1)),
        ("x: &a 1\nchat:\n  model: x\n", "an anchor, an alias or a tag", Some(1)),
        ("chat:\n  model: >-\n    kimi\n", "chat.model goes over several lines", Some(2)),
        (
            "ui: 1\n---\nui: 2\n",
            "the file is not valid YAML: deserializing from YAML containing more than one document is not supported",
            None,
        ),
        ("- a\n", "the file holds no block of settings", Some(1)),
        ("chat: [\n", "", None),
        ("chat: text\n", "chat is no block of settings", Some(1)),
    ];
    for (text, reason, line) in rows {
        let refused = edit(text, &[set("chat.model", "m"), set("chat.api_key", "sk-new-key")]).expect_err(text);
        if !reason.is_empty() {
            assert_eq!((refused.reason.as_str(), refused.line), (reason, line), "{text}");
        }
        assert!(refused.new_text.contains("model: m"), "{text}: {}", refused.new_text);
        assert!(refused.new_text.contains("<key>") && !format!("{refused:?} {refused}").contains("sk-new"), "{text}");
    }
    assert!(edit("", &[set("chat.colour", "x")]).is_err());
    assert!(edit("", &[set("chat.vision", "perhaps")]).is_err());
}

#[test]
fn a_saved_file_is_private_and_a_refused_one_untouched() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("new/okcvm/config.yaml");
    save(&file, &[set("chat.api_key", "sk-new-key")]).expect("saved");
    let mode = |path: &Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().expect("parent"))), (0o600, 0o700));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("mode");
    let link = folder.path().join("link.yaml");
    std::os::unix::fs::symlink(&file, &link).expect("link");
    save(&link, &[set("chat.model", "m")]).expect("saved");
    assert!(link.is_symlink());
    assert_eq!(std::fs::read_to_string(&file).expect("text"), "chat:\n  api_key: sk-new-key\n  model: m\n");
    assert_eq!(mode(&file), 0o600);

    std::fs::write(&file, "chat: {model: x}\n").expect("write");
    let refused = save(&file, &[set("chat.model", "m")]).expect_err("refused");
    assert!(
        matches!(&refused, SaveError::CannotEdit { new_text, .. } if new_text == "chat:\n  model: m\n"),
        "{refused}"
    );
    assert_eq!(std::fs::read_to_string(&file).expect("text"), "chat: {model: x}\n");
}

/// A file of some length with comments, blank lines, quotes and blocks in any order.
fn a_file() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        "model: kimi",
        "model: \"k # x\" # note",
        "base_url: 'https://x/v1'",
        "vision: false   # no",
        "max_retries: 3",
        "api_key_env: SOME_KEY",
        "supports_streaming:",
        "context_window: ~ # unknown",
    ]);
    let noise = prop::sample::select(vec!["", "# a comment", "   ", "  # indented: comment", "#  model: off"]);
    let line = prop_oneof![3 => field.prop_map(|text| (true, text)), 1 => noise.prop_map(|text| (false, text))];
    let block =
        (prop::sample::select(vec!["chat", "media.image", "media.asr"]), prop::collection::vec(line, 0..6), 1..5_usize);
    prop::collection::vec(block, 0..4).prop_map(|blocks| {
        let (mut text, mut done) = (String::new(), Vec::new());
        for (name, lines, width) in blocks {
            let top = name.split('.').next().unwrap_or(name);
            if done.contains(&top) {
                continue;
            }
            done.push(top);
            let mut pad = 0;
            for part in name.split('.') {
                text += &format!("{}{part}:\n", " ".repeat(pad));
                pad += width;
            }
            let mut names = Vec::new();
            for (is_field, line) in lines {
                let key = line.split(':').next().unwrap_or_default();
                if is_field && names.contains(&key) {
                    continue;
                }
                names.push(key);
                text += &if is_field { format!("{}{line}\n", " ".repeat(pad)) } else { format!("{line}\n") };
            }
        }
        text
    })
}

fn a_change() -> impl Strategy<Value = Change> {
    let block = prop::sample::select(vec!["chat", "media.image", "media.speech"]);
    let value = prop_oneof![
        "[a-z0-9/:.# '\"-]{1,20}".prop_map(|text| ("model", text)),
        "\\PC{1,12}".prop_map(|text| ("model", text)),
        Just(("base_url", "https://y.example/v1".to_owned())),
        any::<bool>().prop_map(|flag| ("vision", flag.to_string())),
        (0..20_u8).prop_map(|number| ("max_retries", number.to_string())),
    ];
    (block, value, prop::bool::weighted(0.2)).prop_filter_map("a value", |(block, (name, text), remove)| {
        let path = format!("{block}.{name}");
        if remove {
            return Some(Change::Remove(path));
        }
        (!text.trim().is_empty()).then(|| Change::Set(path, text.trim().to_owned()))
    })
}

proptest! {
    #[test]
    fn an_edit_means_what_was_asked_and_leaves_the_rest(text in a_file(), changes in prop::collection::vec(a_change(), 1..4)) {
        let edited = edit(&text, &changes).map_err(|refused| TestCaseError::fail(format!("{refused} in {text:?}")))?;
        let value: serde_yaml::Value = serde_yaml::from_str(&edited).expect("YAML");
        for change in &changes {
            let (Change::Set(path, _) | Change::Remove(path)) = change;
            let now = path.split('.').try_fold(&value, |at, name| at.get(name)).filter(|value| !value.is_null());
            let of_path = |change: &&Change| matches!(change, Change::Set(other, _) | Change::Remove(other) if other == path);
            match changes.iter().filter(of_path).next_back().expect("the change itself") {
                Change::Remove(_) => prop_assert!(now.is_none(), "{path} in {edited:?}"),
                Change::Set(_, wanted) => {
                    let now = now.expect("value");
                    let text = now.as_str().map(str::to_owned).or_else(|| now.as_bool().map(|b| b.to_string()))
                        .or_else(|| now.as_u64().map(|n| n.to_string()));
                    prop_assert_eq!(text.as_ref(), Some(wanted));
                }
            }
        }
        // Every comment and every line of another field is still there, in its order.
        let names: Vec<_> = changes.iter().map(|change| {
            let (Change::Set(path, _) | Change::Remove(path)) = change;
            path.rsplit('.').next().unwrap_or_default().to_owned()
        }).collect();
        let kept = |line: &&str| {
            let body = line.trim();
            !body.is_empty() && (body.starts_with('#') || !names.iter().any(|name| body.starts_with(&format!("{name}:"))))
        };
        let mut rest = edited.lines();
        for line in text.lines().filter(kept) {
            prop_assert!(rest.any(|other| other == line), "{line:?} is gone from {edited:?}");
        }
    }
}
