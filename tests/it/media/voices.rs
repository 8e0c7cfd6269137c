//! Lists of voices, and voices that there are not.

use okcvm::config::schema::{MediaSection, SpeechProvider};
use serde_json::{Value, json};

use super::{KEY, endpoint, json_answer, machine_of, ok, sent, watched, wrong};
use crate::support::machine::{self, Machine};
use crate::support::site::{Answer, Asked, Site};

fn machine_with(folder: &tempfile::TempDir, site: &Site, provider: SpeechProvider) -> Machine {
    let speech = Some(endpoint(site, "/v1", "gpt-4o-mini-tts"));
    machine_of(folder.path(), &MediaSection { speech, speech_provider: provider, ..MediaSection::default() })
}

fn rachel() -> Value {
    json!({
        "voice_id": "21m00Tcm4TlvDq8ikWAM", "name": "Rachel", "category": "premade",
        "labels": {"accent": "american", "description": "calm", "age": "young", "gender": "female", "use_case": "narration"},
        "description": "Good for\u{1b}[31m stories",
        "verified_languages": [{"language": "en", "model_id": "x"}, {"language": "de", "model_id": "x"}, {"language": "en"}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn elevenlabs_lists_its_voices_with_language_and_description() {
    let site = Site::start(|asked: &Asked| {
        let second = asked.path.contains("next_page_token=a%2Fb");
        let voice = if second { json!({"voice_id": "abc", "name": "Adam"}) } else { rachel() };
        json_answer(
            "200 OK",
            &json!({"voices": [voice, {"voice_id": "../etc"}], "has_more": !second, "next_page_token": "a/b"}),
        )
    });
    let folder = machine::folder();
    let ran = machine_with(&folder, &site, SpeechProvider::Elevenlabs).call("get_available_voices", json!({})).await;
    let text = ok(&ran);
    assert!(text.starts_with("2 voices, each with id, language and description"), "{text}");
    let line = "21m00Tcm4TlvDq8ikWAM (Rachel): en, de; american, female, young, calm, narration; Good for stories\n";
    assert!(text.contains(line) && text.ends_with("\nabc (Adam)") && !text.contains("etc"), "{text}");
    let asked = site.asked();
    let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(paths, ["/v1/voices", "/v1/voices?page_size=100&next_page_token=a%2Fb"]);
    assert!(asked.iter().all(|asked| asked.header("xi-api-key") == Some(KEY) && asked.method == "GET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_like_openais_are_asked_for_voices_and_else_the_documented_ones_are_told() {
    for (answer, words) in [
        (json!({"voices": ["af_heart", "bf_emma"]}), "2 voices"),
        (json!({"data": [{"id": "af_heart", "name": "Heart", "language": "en-US"}]}), "af_heart (Heart): en-US"),
        (json!([{"voice": "af_heart", "gender": "female"}]), "af_heart: female"),
    ] {
        let site = Site::start(move |_: &Asked| json_answer("200 OK", &answer));
        let folder = machine::folder();
        let ran = machine_with(&folder, &site, SpeechProvider::Auto).call("get_available_voices", json!({})).await;
        assert!(ok(&ran).contains(words), "{}", ran.output);
        let asked = site.asked();
        assert_eq!((asked.len(), asked[0].path.as_str()), (1, "/v1/audio/voices"));
        assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    }
    let answers: [fn() -> Answer; 4] = [
        || json_answer("404 Not Found", &json!({"error": {"message": "Invalid URL"}})),
        || json_answer("405 Method Not Allowed", &json!({"detail": "no"})),
        || json_answer("200 OK", &json!({"voices": []})),
        || Answer::Html("<html>".to_owned()),
    ];
    for answer in answers {
        let site = Site::start(move |_: &Asked| answer());
        let folder = machine::folder();
        let ran = machine_with(&folder, &site, SpeechProvider::Auto).call("get_available_voices", json!({})).await;
        assert!(ok(&ran).starts_with("The endpoint lists no voices. OpenAI documents these 13"), "{}", ran.output);
        assert!(ran.output.contains("\nalloy\n") && ran.output.ends_with("\nverse"), "{}", ran.output);
    }
    for (status, words) in [
        ("401 Unauthorized", "/setup changes it"),
        ("403 Forbidden", "check its rights"),
        ("400 Bad Request", "does not accept this request"),
    ] {
        let site = Site::start(move |_: &Asked| json_answer(status, &json!({"error": format!("bad {KEY}")})));
        let folder = machine::folder();
        let ran = machine_with(&folder, &site, SpeechProvider::Auto).call("get_available_voices", json!({})).await;
        assert!(wrong(&ran).contains(&status[..3]) && ran.output.contains(words), "{}", ran.output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_voices_of_openai_are_not_told_of_models_of_others() {
    let site = Site::start(|_: &Asked| json_answer("404 Not Found", &json!({})));
    let folder = machine::folder();
    let speech =
        |site: &Site| MediaSection { speech: Some(endpoint(site, "/v1", "kokoro")), ..MediaSection::default() };
    let machine = machine_of(folder.path(), &speech(&site));
    let (ran, shown) = watched(&machine, "get_available_voices", json!({})).await;
    assert!(ok(&ran).starts_with("The endpoint lists no voices, and its model is none of those"), "{}", ran.output);
    assert!(!ran.output.contains("alloy") && shown.contains("asking kokoro at 127.0.0.1"), "{} {shown}", ran.output);
    let paths: Vec<String> = site.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/v1/audio/voices", "/v1/voices"]);
    // Some list them by their models.
    let site = Site::start(|asked: &Asked| match asked.path.as_str() {
        "/v1/voices" => {
            let of = |model: &str, voice: &str| json!({"model": model, "voices": [{"name": voice}]});
            json_answer("200 OK", &json!({"data": [of("kokoro", "af_heart"), of("other", "sonic")]}))
        }
        _ => json_answer("404 Not Found", &json!({})),
    });
    let ran = machine_of(folder.path(), &speech(&site)).call("get_available_voices", json!({})).await;
    assert!(ok(&ran).ends_with("\naf_heart") && ran.output.starts_with("1 voices"), "{}", ran.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_made_to_be_slow_is_read_at_once() {
    let languages: Vec<Value> = (0..100_000).map(|number| json!({"language": number.to_string()})).collect();
    let long = "x".repeat(100_000);
    let voice = json!({"voice_id": "abc", "name": long, "description": long, "verified_languages": languages});
    let site = Site::start(move |asked: &Asked| match asked.method.as_str() {
        "GET" => json_answer("200 OK", &json!({"voices": [voice]})),
        _ => json_answer("404 Not Found", &json!({"detail": {"status": "voice_not_found", "message": "no voice"}})),
    });
    let folder = machine::folder();
    let machine = machine_with(&folder, &site, SpeechProvider::Elevenlabs);
    let ran = machine.call("get_available_voices", json!({})).await;
    assert!(ok(&ran).len() < 1_000 && ran.output.contains(": 0, 1, 2, "), "{}", ran.output);
    assert!(!ran.output.contains(", 20,"), "{}", ran.output);
    assert!(ran.duration.as_secs() < 20, "{:?}", ran.duration);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_does_not_hold_back_the_error_that_it_should_help_with() {
    let site = Site::start(|asked: &Asked| match asked.method.as_str() {
        "GET" => json_answer("500 Internal Server Error", &json!({"error": "no list"})),
        _ => json_answer("400 Bad Request", &json!({"error": {"message": "no such voice"}})),
    });
    let folder = machine::folder();
    let machine = machine_with(&folder, &site, SpeechProvider::Auto);
    let args = json!({"text": "Hello.", "voice_id": "aloy", "output_path": "a.mp3"});
    let ran = machine.call("generate_speech", args).await;
    assert!(wrong(&ran).contains("no such voice. mshtools-get_available_voices lists the voices"), "{}", ran.output);
    assert_eq!(site.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_voice_is_answered_with_those_that_are_called_alike() {
    let site = Site::start(|asked: &Asked| {
        if asked.path.starts_with("/v1/voices") {
            return json_answer("200 OK", &json!({"voices": [rachel(), {"voice_id": "zzz", "name": "Unlike"}]}));
        }
        let detail = json!({"status": "voice_not_found", "message": "A voice with that id was not found"});
        json_answer("404 Not Found", &json!({"detail": detail}))
    });
    let folder = machine::folder();
    let machine = machine_with(&folder, &site, SpeechProvider::Elevenlabs);
    let args = |voice: &str| json!({"text": "Hello.", "voice_id": voice, "output_path": "a.mp3"});
    let near = "Near to it are: 21m00Tcm4TlvDq8ikWAM (Rachel). mshtools-get_available_voices lists the voices.";
    let ran = machine.call("generate_speech", args("rachael")).await;
    assert!(wrong(&ran).contains("A voice with that id was not found") && ran.output.contains(near), "{}", ran.output);
    // What would lead to another address is not even asked for.
    for voice in ["../voices", "Rachel?x=1", ""] {
        let before = site.asked().len();
        let ran = machine.call("generate_speech", args(voice)).await;
        assert!(wrong(&ran).contains("is no id that a voice can have"), "{}", ran.output);
        assert!(site.asked()[before..].iter().all(|asked| asked.path == "/v1/voices"));
    }
    let site = Site::start(|asked: &Asked| {
        if asked.method == "GET" {
            return json_answer("404 Not Found", &json!({}));
        }
        assert_eq!(sent(asked)["voice"], "aloy");
        json_answer("400 Bad Request", &json!({"error": {"message": "voice must be one of", "param": "voice"}}))
    });
    let machine = machine_with(&folder, &site, SpeechProvider::Auto);
    let ran = machine.call("generate_speech", args("aloy")).await;
    assert!(wrong(&ran).contains("Near to it are: alloy"), "{}", ran.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_none_of_the_tools_is_offered() {
    let folder = machine::folder();
    let machine = machine_of(folder.path(), &MediaSection::default());
    for (tool, args, block) in [
        ("get_available_voices", json!({}), "media.speech"),
        ("generate_speech", json!({"text": "x", "voice_id": "x", "output_path": "x.mp3"}), "media.speech"),
        (
            "generate_sound_effects",
            json!({"description": "x", "duration": 1, "output_path": "x.mp3"}),
            "media.sound_effects",
        ),
    ] {
        assert!(!machine.toolbox.specs().iter().any(|spec| spec.name == format!("mshtools-{tool}")));
        let ran = machine.call(tool, args).await;
        assert!(
            wrong(&ran).contains(&format!("{block} is not configured; set its model and base_url")),
            "{}",
            ran.output
        );
    }
}
