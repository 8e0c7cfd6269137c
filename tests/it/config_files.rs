//! Config files as users write them: what loads, what is told, and what saving leaves alone.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use okcvm::config::{
    Change, ENDPOINTS, EXAMPLE, LoadOptions, Loaded, NetworkMode, Problem, SandboxBackend, Source, fields, load,
    load_keyless,
};

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
        load(&self.options).map_err(|error| error.problems()).expect("a config without problems")
    }

    fn problems(&self) -> Vec<Problem> {
        load(&self.options).expect_err("a config with problems").problems()
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
    &loaded.values.iter().find(|row| row.path == path).expect("a row of that path").source
}

fn shown<'a>(loaded: &'a Loaded, path: &str) -> &'a str {
    &loaded.values.iter().find(|row| row.path == path).expect("a row of that path").value
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
    assert_eq!(config.media.speech_provider, okcvm::config::schema::SpeechProvider::Elevenlabs);
    assert_eq!(paths.sessions_dir, home.path("machines"));
    assert!(config.workspace.confirm_on_start);
    assert_eq!(config.workspace.preview_base_url.as_deref(), Some("https://preview.example.com"));
    assert_eq!(config.sandbox.backend, SandboxBackend::Bubblewrap);
    let network = &config.sandbox.network;
    assert_eq!((network.mode, network.shell), (NetworkMode::Host, Some(NetworkMode::Off)));
    assert_eq!(network.allow, ["*.example.com", "pypi.org", "registry.npmjs.org:8443"]);
    assert_eq!(
        (&network.deny[..], &network.allow_ports[..]),
        (&["evil.example.com".to_owned()][..], &[80, 443, 8080][..])
    );
    assert_eq!(network.allow_private, ["127.0.0.1:8080", "pypi.corp.example:443"]);
    assert_eq!(config.sandbox.extra_ro, [PathBuf::from("/opt/toolchain"), home.path(".pyenv")]);
    assert_eq!(config.sandbox.env_pass, ["TZ", "LANG"]);
    assert!(config.sandbox.allow_ptrace);
    let limits = &config.sandbox.limits;
    assert_eq!((limits.memory_mb, limits.pids, limits.file_mb, limits.open_files), (2048, 100, 64, 256));
    assert_eq!((config.snapshots.max_file_mb, config.snapshots.max_total_mb), (10, 20));
    assert_eq!(config.engine.max_rounds, 7);
    assert_eq!(config.spec.dir, Some(home.path(".config/okcvm/bundle")));
    assert!(config.ui.ascii);
    assert_eq!(config.ui.keys["submit"], ["enter", "ctrl+s"]);
    assert_eq!(config.ui.keys["interrupt"], ["ctrl+x"]);
    assert_eq!(secrets.len(), 3);
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
            match expected.iter().position(matches) {
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
            text.lines().filter(|line| !line.trim().starts_with(other)).flat_map(|line| [line, "\n"]).collect();
        let one_key = one_key.replace("your key", "sk-your-key");
        let mut home = Home::with(&one_key);
        for name in ["MOONSHOT_API_KEY", "OPENAI_API_KEY", "ELEVENLABS_API_KEY", "BRAVE_API_KEY"] {
            home = home.env(name, "sk-of-a-variable");
        }
        let loaded = home.load();
        for field in fields()
            .iter()
            .filter(|field| !field.default.starts_with('[') || ["[TZ]", "[*]", "[80, 443]"].contains(&field.default))
        {
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
        (loaded.config.sandbox.backend, loaded.config.sandbox.network.mode),
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
fn every_path_that_tools_must_not_see_is_told_at_once() {
    let home = Home::new();
    // The home folder under its other name.
    let real = home.path("real");
    std::fs::create_dir_all(real.join(".ssh")).expect("folder");
    let link = home.path("link");
    std::os::unix::fs::symlink(&real, &link).expect("link");
    let text = format!("sandbox: {{extra_ro: [opt, ~/.ssh, /opt/tools, {}]}}\n", real.display());
    home.write(".config/okcvm/config.yaml", &text);
    let config = home.path(".config").display().to_string();
    let home = home.env("HOME", &link.display().to_string()).env("XDG_CONFIG_HOME", &config);
    let places: Vec<String> = home.problems().into_iter().map(|problem| problem.path).collect();
    assert_eq!(places, ["sandbox.extra_ro[0]", "sandbox.extra_ro[1]", "sandbox.extra_ro[3]"]);
}

#[test]
fn a_folder_that_sets_half_an_endpoint_or_nonsense_stops_nothing() {
    for line in
        ["OKCVM_CHAT_MODEL=x", "OKCVM_CHAT_BASE_URL=foo", "OKCVM_CHAT_API_KEY=\"sk-open", "OKCVM_CHAT_MODEL=\"x"]
    {
        let home = Home::new();
        home.write("project/.env", &format!("{line}\n"));
        let loaded = home.load();
        assert!(loaded.config.chat.is_none(), "{line}");
        let told: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|warning| warning.contains("project/.env")), "{line}: {told:?}");
        assert!(!told.concat().contains("sk-open"), "{told:?}");
    }
    // What the user's own file says stands.
    let home = Home::with("chat: {model: mine, base_url: https://mine.example/v1}\n");
    home.write("project/.env", "OKCVM_CHAT_BASE_URL=foo\n");
    let loaded = home.load();
    assert_eq!(loaded.config.chat.as_ref().expect("chat").base_url, "https://mine.example/v1");
    assert!(loaded.warnings[0].to_string().contains("is left out"), "{:?}", loaded.warnings);
    // A half of the user's own stays a problem, whatever the folder adds to it.
    let home = Home::new().env("OKCVM_CHAT_MODEL", "mine");
    home.write("project/.env", "OKCVM_CHAT_MODEL=theirs\n");
    assert!(home.problems()[0].to_string().contains("chat.base_url: is missing"), "{:?}", home.problems());
}

#[test]
fn a_folder_cannot_flood_the_screen() {
    let home = Home::new();
    let many: String = (0..2_000).map(|n| format!("OKCVM_CHAT_X{n}=\n")).collect();
    home.write("project/.env", &many);
    let warnings = home.load().warnings;
    assert_eq!(warnings.len(), 11, "{warnings:?}");
    assert!(warnings[10].to_string().contains("1990 more lines"), "{}", warnings[10]);
    home.write("project/.env", &many.repeat(4));
    let warnings = home.load().warnings;
    assert!(warnings[0].to_string().contains("larger than 64 KiB") && warnings.len() == 1, "{warnings:?}");
    // The user's own may be larger; a hundred thousand names are read once each.
    let many: String = (0..100_000).map(|n| format!("A{n}=\n")).collect();
    home.write(".config/okcvm/.env", &many);
    home.load();
}

#[test]
fn a_key_in_the_place_of_a_variable_is_not_repeated() {
    let home = Home::with("chat: {model: m, base_url: https://x.example/v1, api_key_env: gsk_Ab3Ab3Ab3Ab3Ab3Ab3Ab3}\n");
    let problems = home.problems();
    assert!(problems[0].message.contains("looks like a key itself"), "{problems:?}");
    assert!(!format!("{problems:?}").contains("gsk_"), "{problems:?}");
    let loaded = load_keyless(&home.options).expect("loaded");
    assert!(!format!("{:?}{:?}", loaded.warnings, loaded.values).contains("gsk_"), "{:?}", loaded.values);
    let row = loaded.values.iter().find(|row| row.path == "chat.api_key_env").expect("row");
    assert_eq!(row.value, "[looks like a key, not shown]");
    let set = home.env("gsk_Ab3Ab3Ab3Ab3Ab3Ab3Ab3", "sk-real").load();
    assert!(set.config.chat.expect("chat").api_key.is_some());
}

#[test]
fn files_made_to_be_slow_are_refused_like_others() {
    let anchors = format!("a: {}x\n", "& ".repeat(300_000));
    for (text, told) in [(anchors, "is not valid YAML"), ("[ ".repeat(100_000), "more brackets than any")] {
        let home = Home::with(&text);
        assert!(home.problems()[0].message.contains(told), "{:?}", home.problems()[0]);
    }
}

/// The folder's `.env`, variables of the environment, and the address that is asked about.
type Row = (&'static str, &'static [(&'static str, &'static str)], Option<&'static str>);

#[test]
fn the_folder_may_not_draw_a_key_to_its_own_address() {
    let evil = "OKCVM_CHAT_BASE_URL=https://evil.example/v1\n";
    let rows: [Row; 8] = [
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
    assert_eq!(home.load().warnings[0].message, "is not a file and is left out");
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

#[test]
fn a_key_of_the_search_that_would_cross_the_network_in_clear_is_warned_of() {
    let with = |base: &str| Home::with(&format!("{CHAT}search:\n  base_url: {base}\n  api_key: sk-of-the-search\n"));
    let home = with("http://searx.lan");
    let told: Vec<String> = home.load().warnings.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|told| told.contains("search.base_url") && told.contains("is plain http")), "{told:?}");
    for base in ["https://searx.lan", "http://127.0.0.1:8888"] {
        let told: Vec<String> = with(base).load().warnings.iter().map(ToString::to_string).collect();
        assert!(!told.iter().any(|told| told.contains("is plain http")), "{told:?}");
    }
}

#[test]
fn media_at_a_host_that_answers_nobody_without_a_key_are_warned_of() {
    let told = |media: &str| -> Vec<String> {
        let home = Home::with(&format!("{CHAT}media:\n{media}"));
        home.load().warnings.iter().map(ToString::to_string).filter(|told| told.contains("has no key")).collect()
    };
    let block = |name: &str, base: &str, more: &str| format!("  {name}:\n    model: m\n    base_url: {base}\n{more}");
    let (openai, elevenlabs) = ("https://api.openai.com/v1", "https://api.elevenlabs.io");
    for (name, base) in [("image", openai), ("speech", elevenlabs), ("sound_effects", elevenlabs)] {
        let warned = told(&block(name, base, ""));
        assert!(warned.len() == 1 && warned[0].contains(&format!("media.{name}: has no key")), "{warned:?}");
        assert_eq!(told(&block(name, base, "    api_key: sk-x\n")), Vec::<String>::new());
        assert_eq!(told(&block(name, "http://127.0.0.1:9/v1", "")), Vec::<String>::new());
    }
}

#[test]
fn a_provider_of_searches_that_lacks_what_it_needs_is_warned_of() {
    let told = |search: &str| -> Vec<String> {
        let home = Home::with(&format!("{CHAT}search:\n{search}"));
        let warnings = home.load().warnings;
        warnings.iter().map(ToString::to_string).filter(|told| told.contains("cannot search")).collect()
    };
    for (search, lacks) in [
        ("  provider: brave\n", "brave cannot search without a key"),
        ("  provider: searxng\n  api_key: sk-x\n", "searxng cannot search without search.base_url"),
        ("  provider: bing\n  api_key: sk-x\n", "bing cannot search without search.base_url"),
    ] {
        let told = told(search);
        assert!(told.len() == 1 && told[0].contains(lacks), "{search}: {told:?}");
    }
    for search in [
        "  provider: duckduckgo\n",
        "  provider: brave\n  api_key: sk-x\n",
        "  provider: brave\n  base_url: http://127.0.0.1:1\n",
        "  provider: searxng\n  base_url: http://127.0.0.1:1\n",
    ] {
        assert_eq!(told(search), Vec::<String>::new(), "{search}");
    }
}
