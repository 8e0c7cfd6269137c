//! Saving single settings: what changes in a file, what stays, and what is refused.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use okcvm::config::{Change, SaveError, edit, save};
use proptest::prelude::*;

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
                text.extend([" ".repeat(pad).as_str(), part, ":\n"]);
                pad += width;
            }
            let mut names = Vec::new();
            for (is_field, line) in lines {
                let key = line.split(':').next().unwrap_or_default();
                if is_field && names.contains(&key) {
                    continue;
                }
                names.push(key);
                text.extend([" ".repeat(if is_field { pad } else { 0 }).as_str(), line, "\n"]);
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

#[test]
fn a_name_that_is_no_word_does_not_cost_the_new_text() {
    for text in ["media: #\n  !x- : chatchat", "? [a, b]\n: c\n", "!x a: {!y b: c}\n", "chat: [{!x a: b}]\n"] {
        match edit(text, &[set("chat.model", "new-model")]) {
            Ok(edited) => assert!(edited.contains("new-model"), "{text:?}: {edited:?}"),
            Err(refused) => assert!(refused.new_text.contains("new-model"), "{text:?}: {refused:?}"),
        }
    }
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
            match changes.iter().rfind(of_path).expect("the change itself") {
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

    /// Text that looks like YAML and mostly is none: whatever it is, it is edited rightly or refused, and never lost.
    #[test]
    fn any_text_is_edited_rightly_or_refused(
        text in "(chat|media|model|vision|image|[a-z]|:|: |\\n|\\n  |\\n    |- |#| # |\"|'|\\[|\\]|\\{|\\}|,|\\||>|&a|\\*a|!x|\\t|\\r|---|\\.\\.\\.|%|\\?|\\\\|é|\u{2028}|0){0,40}",
    ) {
        let change = set("chat.model", "new-model");
        match edit(&text, std::slice::from_ref(&change)) {
            Ok(edited) => {
                let value: serde_yaml::Value = serde_yaml::from_str(&edited).expect("YAML");
                prop_assert_eq!(value["chat"]["model"].as_str(), Some("new-model"));
                // Doing it again changes nothing.
                prop_assert_eq!(edit(&edited, &[change]), Ok(edited.clone()));
            }
            Err(refused) => prop_assert!(refused.new_text.contains("new-model")),
        }
    }
}
