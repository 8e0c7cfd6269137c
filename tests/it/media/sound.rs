//! Speech and sound effects.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use okcvm::config::schema::{MediaSection, SpeechProvider};
use okcvm::protocol::ArtifactKind;
use serde_json::{Value, json};

use super::{KEY, endpoint, json_answer, machine_of, ok, sent, stops, watched, wrong};
use crate::support::machine::{self, Machine};
use crate::support::site::{Answer, Asked, Site};

/// An MP3 of so many frames, with a title and a table of contents as encoders write them.
fn mp3(frames: usize, fill: u8) -> Vec<u8> {
    let frame = |fill: u8| {
        let mut frame = vec![fill; 480];
        frame[..4].copy_from_slice(&[0xff, 0xf3, 0xe4, 0xc4]);
        frame
    };
    let mut table = frame(0);
    table[13..17].copy_from_slice(b"Info");
    let sound: Vec<u8> = (0..frames).flat_map(|_| frame(fill)).collect();
    [b"ID3\x04\0\0\0\0\0\x03abc".to_vec(), table, sound].concat()
}

/// A WAV as OpenAI streams it: nobody knew the sizes.
fn wav(samples: &[i16]) -> Vec<u8> {
    let head =
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\xc0\x5d\0\0\x80\xbb\0\0\x02\0\x10\0data\xff\xff\xff\xff";
    [&head[..], &bare(samples)].concat()
}

fn bare(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn audio(kind: &'static str, bytes: Vec<u8>) -> Answer {
    Answer::Full("200 OK", vec![("Content-Type", kind.to_owned()), ("character-cost", "12".to_owned())], bytes)
}

fn openai(folder: &tempfile::TempDir, site: &Site) -> Machine {
    machine_of(folder.path(), &MediaSection { speech: Some(endpoint(site, "/v1", "tts-1")), ..MediaSection::default() })
}

fn elevenlabs(folder: &tempfile::TempDir, site: &Site, base: &str, model: &str) -> Machine {
    let speech = Some(endpoint(site, base, model));
    let speech_provider = SpeechProvider::Elevenlabs;
    machine_of(folder.path(), &MediaSection { speech, speech_provider, ..MediaSection::default() })
}

fn effects(folder: &tempfile::TempDir, site: &Site) -> Machine {
    let sound_effects = Some(endpoint(site, "/v1", "eleven_text_to_sound_v2"));
    machine_of(folder.path(), &MediaSection { sound_effects, ..MediaSection::default() })
}

fn says(text: &str, path: &str) -> Value {
    json!({"text": text, "voice_id": "alloy", "output_path": path})
}

fn samples(bytes: Vec<u8>) -> Vec<i16> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).expect("a WAV that another reads");
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (24_000, 1));
    reader.samples::<i16>().map(|sample| sample.expect("a sample")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn speech_is_asked_for_in_openais_words_and_saved_as_it_came() {
    let made = mp3(3, 7);
    let kept = made.clone();
    let site = Site::start(move |_: &Asked| audio("audio/mpeg", made.clone()));
    let folder = machine::folder();
    let machine = openai(&folder, &site);
    let (ran, shown) = watched(&machine, "generate_speech", says(" Hello. ", "output/hello.mp3")).await;
    assert!(ok(&ran).contains("/output/hello.mp3: MP3 sound, 0.1 s, 1.9 KiB"), "{}", ran.output);
    assert!(ran.output.ends_with("[used: 12 characters]") && !ran.output.contains("parts"), "{}", ran.output);
    assert!(shown.contains("asking tts-1 at 127.0.0.1"), "{shown}");
    assert_eq!(std::fs::read(machine.work().join("output/hello.mp3")).expect("saved"), kept);
    let [artifact] = &ran.artifacts[..] else { panic!("{:?}", ran.artifacts) };
    assert_eq!(artifact.kind, ArtifactKind::Audio);
    let asked = site.asked();
    let [asked] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/audio/speech"));
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let wanted = json!({"model": "tts-1", "input": "Hello.", "voice": "alloy", "response_format": "mp3"});
    assert_eq!(sent(asked), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_is_spoken_in_parts_that_become_one_file() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let site = Site::start(move |asked: &Asked| {
        let number = counted.fetch_add(1, Ordering::SeqCst) as i16;
        match sent(asked)["response_format"].as_str() {
            Some("wav") => audio("audio/wav", wav(&[number, 100])),
            _ => audio("audio/mpeg", mp3(2, number as u8)),
        }
    });
    let folder = machine::folder();
    let machine = openai(&folder, &site);
    let sentence = "This is a sentence of a long text. ";
    let text = sentence.repeat(300);
    let (ran, shown) = watched(&machine, "generate_speech", says(&text, "long.wav")).await;
    assert!(ok(&ran).contains("spoken in 3 parts and joined"), "{}", ran.output);
    assert!(ran.output.ends_with("[used: 36 characters]"), "{}", ran.output);
    assert!(shown.contains("part 2 of 3") && !ran.output.contains("part 2"), "{shown}");
    assert_eq!(samples(std::fs::read(machine.work().join("long.wav")).expect("saved")), [0, 100, 1, 100, 2, 100]);
    let spoken: Vec<String> =
        site.asked().iter().map(|asked| sent(asked)["input"].as_str().expect("text").to_owned()).collect();
    assert!(spoken.iter().all(|part| part.len() <= 4_096 && part.ends_with("text.")), "{spoken:?}");
    assert_eq!(spoken.join(" "), text.trim());
    let ran = machine.call("generate_speech", says(&text, "long.mp3")).await;
    ok(&ran);
    let joined = std::fs::read(machine.work().join("long.mp3")).expect("saved");
    let has = |mark: &[u8]| joined.windows(mark.len()).any(|window| window == mark);
    assert!(joined.len() == 6 * 480 && !has(b"ID3") && !has(b"Info"), "{}", joined.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn elevenlabs_is_asked_in_its_own_words() {
    for base in ["", "/v1", "/v1/"] {
        let site = Site::start(|asked: &Asked| {
            if asked.path.contains("pcm_24000") {
                audio("audio/pcm", bare(&[1, -2, 3].repeat(800)))
            } else {
                audio("audio/mpeg", mp3(2, 1))
            }
        });
        let folder = machine::folder();
        let machine = elevenlabs(&folder, &site, base, "eleven_multilingual_v2");
        let args = |path: &str| json!({"text": "Hallo.", "voice_id": "21m00Tcm4TlvDq8ikWAM", "output_path": path});
        ok(&machine.call("generate_speech", args("a.mp3")).await);
        ok(&machine.call("generate_speech", args("a.wav")).await);
        assert_eq!(samples(std::fs::read(machine.work().join("a.wav")).expect("saved")), [1, -2, 3].repeat(800));
        let asked = site.asked();
        let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM?output_format=mp3_44100_128",
                "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM?output_format=pcm_24000"
            ]
        );
        for asked in &asked {
            assert_eq!((asked.header("xi-api-key"), asked.header("authorization")), (Some(KEY), None));
            assert_eq!(sent(asked), json!({"text": "Hallo.", "model_id": "eleven_multilingual_v2"}));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_elevenlabs_takes_at_once_is_that_of_the_model() {
    for (model, parts) in [("eleven_v3", 4), ("eleven_multilingual_v2", 1), ("eleven_flash_v2_5", 1)] {
        let site = Site::start(|_: &Asked| audio("audio/mpeg", mp3(1, 1)));
        let folder = machine::folder();
        let machine = elevenlabs(&folder, &site, "", model);
        ok(&machine.call("generate_speech", says(&"Ein Satz. ".repeat(999), "a.mp3")).await);
        assert_eq!(site.asked().len(), parts, "{model}");
    }
    // And no more than has room in one answer as sound.
    let site = Site::start(|asked: &Asked| {
        if asked.path.contains("pcm") { audio("audio/pcm", bare(&[5; 2_400])) } else { audio("audio/mpeg", mp3(1, 1)) }
    });
    let folder = machine::folder();
    let machine = elevenlabs(&folder, &site, "", "eleven_flash_v2_5");
    for (sentence, path, parts) in [("Ein Satz. ", "a.mp3", 2), ("Ein Satz. ", "a.wav", 4), ("一是一。", "a.mp3", 6)]
    {
        let before = site.asked().len();
        let count = 35_000 / sentence.chars().count();
        ok(&machine.call("generate_speech", says(&sentence.repeat(count), path)).await);
        assert_eq!(site.asked().len() - before, parts, "{path}");
    }
    let before = site.asked().len();
    let ran = machine.call("generate_speech", says(&"一是一。".repeat(12_000), "b.wav")).await;
    assert!(wrong(&ran).contains("minutes of speech, too much for one WAV file"), "{}", ran.output);
    assert_eq!(site.asked().len(), before, "nothing was paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_effect_is_asked_for_with_its_length() {
    let site = Site::start(|asked: &Asked| {
        if asked.path.contains("pcm") {
            audio("audio/pcm", bare(&vec![5; 12_000]))
        } else {
            audio("audio/mpeg", mp3(4, 9))
        }
    });
    let folder = machine::folder();
    let machine = effects(&folder, &site);
    let args = |path: &str| json!({"description": "rain on a tin roof", "duration": 0.5, "output_path": path});
    let (ran, shown) = watched(&machine, "generate_sound_effects", args("rain.wav")).await;
    assert!(ok(&ran).contains("rain.wav: WAV sound, 0.5 s, 23.5 KiB\n[used: 12 characters]"), "{}", ran.output);
    assert!(shown.contains("asking eleven_text_to_sound_v2 at 127.0.0.1"), "{shown}");
    assert_eq!(ran.artifacts[0].kind, ArtifactKind::Audio);
    assert_eq!(samples(std::fs::read(machine.work().join("rain.wav")).expect("saved")).len(), 12_000);
    ok(&machine.call("generate_sound_effects", args("rain.mp3")).await);
    let asked = site.asked();
    assert_eq!(asked[0].path, "/v1/sound-generation?output_format=pcm_24000");
    assert_eq!(asked[1].path, "/v1/sound-generation?output_format=mp3_44100_128");
    assert_eq!(asked[0].header("xi-api-key"), Some(KEY));
    let wanted = json!({"text": "rain on a tin roof", "duration_seconds": 0.5, "prompt_influence": 0.3,
        "model_id": "eleven_text_to_sound_v2"});
    assert_eq!(sent(&asked[0]), wanted);
    for duration in [0.4, 22.1, -1.0] {
        let args = json!({"description": "rain", "duration": duration, "output_path": "b.mp3"});
        assert!(wrong(&machine.call("generate_sound_effects", args).await).contains("duration"));
    }
    assert_eq!(site.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sound_is_told_and_leaves_no_file() {
    type Row = (&'static str, &'static str, fn() -> Answer);
    let rows: [Row; 7] = [
        ("a.mp3", "did not answer with sound in MP3: a web page came instead: Sign in", || {
            Answer::Html("<html><title>Sign in</title></html>".to_owned())
        }),
        ("a.mp3", "did not answer with sound in MP3: nothing came", || audio("audio/mpeg", Vec::new())),
        ("a.mp3", "did not answer with sound in MP3: {\"error\":\"busy\"}", || {
            json_answer("200 OK", &json!({"error": "busy"}))
        }),
        (
            "a.mp3",
            "MP3 was asked for, WAV came. The endpoint makes nothing else, and may have charged it: ask again with an output path that ends in .wav.",
            || audio("audio/wav", wav(&[1])),
        ),
        ("a.wav", "ask again with an output path that ends in .mp3", || audio("audio/mpeg", mp3(2, 1))),
        ("a.wav", "there is no sound in it", || audio("audio/wav", wav(&[]))),
        ("a.mp3", "there is no sound in a part of it", || audio("audio/mpeg", b"ID3\x04\0\0\0\0\0\x03abc".to_vec())),
    ];
    for (path, words, answer) in rows {
        let site = Site::start(move |_: &Asked| answer());
        let folder = machine::folder();
        let machine = openai(&folder, &site);
        let ran = machine.call("generate_speech", says("Hello.", path)).await;
        let address = format!("http://{}/v1/audio/speech", site.address);
        assert!(wrong(&ran).contains(words) && ran.output.contains(&address), "{words}: {}", ran.output);
        assert!(!machine.work().join(path).exists());
        assert_eq!(site.asked().len(), 1, "what may be charged is asked once: {words}");
    }
    // Bare samples have no mark of their own, but texts are none, however they begin and end.
    let long = |text: &str| format!("{text} ").repeat(1_000).into_bytes();
    let answers: [Box<dyn Fn() -> Answer + Send + Sync>; 5] = [
        Box::new(|| json_answer("200 OK", &json!({"detail": "x"}))),
        Box::new(|| Answer::Html("<html>".to_owned())),
        Box::new(move || audio("audio/pcm", long("upstream timed out"))),
        Box::new(|| audio("text/plain; charset=utf-8", bare(&[7; 4_800]))),
        Box::new(|| audio("audio/pcm", bare(&[7; 20]))),
    ];
    for answer in answers {
        let site = Site::start(move |_: &Asked| answer());
        let folder = machine::folder();
        let ran = elevenlabs(&folder, &site, "", "eleven_v3").call("generate_speech", says("Hello.", "a.wav")).await;
        assert!(wrong(&ran).contains("did not answer with sound in WAV"), "{}", ran.output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_fails_says_how_many_were_made_before_and_those_are_not_made_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let site = Site::start(move |_: &Asked| match counted.fetch_add(1, Ordering::SeqCst) {
        0 | 2 => audio("audio/mpeg", mp3(1, 1)),
        _ => json_answer("401 Unauthorized", &json!({"detail": {"status": "quota_exceeded", "message": "no credits"}})),
    });
    let folder = machine::folder();
    let machine = elevenlabs(&folder, &site, "", "eleven_v3");
    let ran = machine.call("generate_speech", says(&"Ein Satz. ".repeat(400), "a.mp3")).await;
    for words in
        ["answered 401: no credits", "has no credit left", "1 of 2 parts were made before (12 characters were charged)"]
    {
        assert!(wrong(&ran).contains(words), "{words}: {}", ran.output);
    }
    assert!(!machine.work().join("a.mp3").exists());
    assert_eq!(site.asked().len(), 2);
    let ran = machine.call("generate_speech", says(&"Ein Satz. ".repeat(400), "a.mp3")).await;
    assert!(ok(&ran).contains("in 2 parts and joined; 1 of them were kept from the call before"), "{}", ran.output);
    assert!(ran.output.ends_with("[used: 12 characters]"), "{}", ran.output);
    let asked = site.asked();
    assert!(asked.len() == 3 && asked[1].body == asked[2].body && asked[0].body != asked[1].body);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_pass_are_tried_again_and_others_are_not() {
    for (status, times, words) in [
        ("401 Unauthorized", 1, "/setup changes it"),
        ("402 Payment Required", 1, "has no credit left"),
        ("429 Too Many Requests", 2, "(tried 2 times)"),
        ("500 Internal Server Error", 2, "(tried 2 times)"),
        ("422 Unprocessable Entity", 1, "check media.sound_effects.model"),
    ] {
        let site = Site::start(move |_: &Asked| json_answer(status, &json!({"detail": format!("no, {KEY}")})));
        let folder = machine::folder();
        let args = json!({"description": "rain", "duration": 1, "output_path": "a.mp3"});
        let ran = effects(&folder, &site).call("generate_sound_effects", args).await;
        assert!(wrong(&ran).contains(words) && ran.output.contains("no, [key removed]"), "{status}: {}", ran.output);
        assert_eq!(site.asked().len(), times, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sounds_that_nobody_waits_for_any_more_are_given_up_at_once() {
    let site = Site::start(|_: &Asked| Answer::Silent);
    let folder = machine::folder();
    stops(openai(&folder, &site), &site, "generate_speech", says("Hello.", "a.mp3")).await;
    // In the middle of an answer too.
    let site = Site::start(|_: &Asked| Answer::Endless(Vec::new(), mp3(1, 1)));
    let folder = machine::folder();
    let args = json!({"description": "rain", "duration": 1, "output_path": "a.mp3"});
    stops(effects(&folder, &site), &site, "generate_sound_effects", args).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_places_that_cannot_be_are_told_before_anything_is_asked() {
    let site = Site::start(|_: &Asked| audio("audio/mpeg", mp3(1, 1)));
    let folder = machine::folder();
    let machine = openai(&folder, &site);
    for (text, path, words) in [
        ("", "a.mp3", "text has 0 characters"),
        (" \n", "a.mp3", "text has 0 characters"),
        ("Hello.", "a.ogg", "output_path must end in .mp3 or .wav"),
        ("Hello.", "/tmp/a.mp3", "path outside workspace"),
    ] {
        let ran = machine.call("generate_speech", says(text, path)).await;
        assert!(wrong(&ran).contains(words), "{words}: {}", ran.output);
    }
    let ran = machine.call("generate_speech", says(&"x".repeat(50_001), "a.mp3")).await;
    assert!(wrong(&ran).contains("one call speaks from 1 to 50000"), "{}", ran.output);
    assert!(site.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_effect_in_stereo_lasts_as_long_as_was_asked_for() {
    let site = Site::start(|_: &Asked| audio("audio/pcm", bare(&[5, -5].repeat(12_000))));
    let folder = machine::folder();
    let machine = effects(&folder, &site);
    let args = json!({"description": "rain", "duration": 0.5, "output_path": "rain.wav"});
    assert!(ok(&machine.call("generate_sound_effects", args).await).contains("WAV sound, 0.5 s"));
    let reader = hound::WavReader::open(machine.work().join("rain.wav")).expect("a WAV that another reads");
    assert_eq!((reader.spec().sample_rate, reader.spec().channels, reader.duration()), (24_000, 2, 12_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_that_nothing_can_have_is_not_told() {
    let site =
        Site::start(|_: &Asked| Answer::Full("200 OK", vec![("character-cost", u64::MAX.to_string())], mp3(1, 1)));
    let folder = machine::folder();
    let ran = openai(&folder, &site).call("generate_speech", says(&"One more. ".repeat(900), "a.mp3")).await;
    assert!(ok(&ran).contains("spoken in 3 parts") && !ran.output.contains("used:"), "{}", ran.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_lacks_a_voice_is_not_taken_for_a_lack_of_credit() {
    let detail = json!({"status": "paid_plan_required", "message": "Free users cannot use library voices"});
    let site = Site::start(move |_: &Asked| json_answer("402 Payment Required", &json!({"detail": detail})));
    let folder = machine::folder();
    let ran = elevenlabs(&folder, &site, "", "eleven_v3").call("generate_speech", says("Hi.", "a.mp3")).await;
    assert!(wrong(&ran).contains("library voices. The plan of the account does not have this"), "{}", ran.output);
}
