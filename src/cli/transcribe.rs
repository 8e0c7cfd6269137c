//! Speech to text: `okcvm transcribe`, and what the screen records and understands speech with.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use serde_json::json;

use super::args::GlobalArgs;
use super::bootstrap::{Keys, Setup, runtime};
use super::output;
use super::report::{Failure, Outcome};
use crate::config::Endpoint;
use crate::model::{LARGEST_RECORDING, ModelError, Recording, Transcriber};
use crate::support::host_command::HostCommand;
use crate::support::{sanitize, truncate};
use crate::tui::voice::{Sound, Transcribe, VoiceServices};

/// Said where there is no endpoint.
const NOT_CONFIGURED: &str = "no speech recognition is configured";
/// What to do then.
pub(super) const CONFIGURE: &str = "Set media.asr with /setup or in the configuration file.";
/// What to do where there is no recorder.
pub(super) const INSTALL: &str = "Install alsa-utils, sox or ffmpeg, or set voice.recorder.";

/// Recorders that are looked for, with what makes them write 16 kHz, one channel, 16 bits to standard output.
const RECORDERS: [(&str, &str); 4] = [
    ("arecord", "-q -t raw -f S16_LE -r 16000 -c 1"),
    ("rec", "-q -t raw -r 16000 -c 1 -b 16 -e signed-integer -"),
    ("sox", "-q -d -t raw -r 16000 -c 1 -b 16 -e signed-integer -"),
    ("ffmpeg", FFMPEG),
];
/// ffmpeg has no default microphone.
const FFMPEG: &str = if cfg!(target_os = "macos") {
    "-nostdin -loglevel error -f avfoundation -i :0 -ac 1 -ar 16000 -f s16le -"
} else {
    "-nostdin -loglevel error -f pulse -i default -ac 1 -ar 16000 -f s16le -"
};

/// Prints what a recording says.
pub fn run(global: &GlobalArgs, file: &Path, json: bool) -> Outcome {
    let mut setup = Setup::load(global, Keys::Needed)?;
    setup.settle_keys()?;
    let Some(endpoint) = setup.loaded.config.media.asr.clone() else {
        return Err(Failure::usage(NOT_CONFIGURED).hint(CONFIGURE));
    };
    let recording = read(file).map_err(Failure::new)?;
    let text = runtime()?.block_on(understand(endpoint, recording)).map_err(|(message, hint)| {
        let failure = Failure::new(message);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let mut out = output::out(json);
    if json {
        writeln!(out, "{}", json!({ "text": text }))?;
    } else {
        writeln!(out, "{}", sanitize::text(&text))?;
    }
    Ok(0)
}

/// What the screen records and understands speech with.
pub(super) fn services(setup: &Setup) -> VoiceServices {
    let config = &setup.loaded.config;
    let recorder = recorder(config.voice.recorder.as_deref(), &setup.options.env);
    let transcribe = config.media.asr.clone().map(|endpoint| -> Transcribe {
        Arc::new(move |sound| {
            let endpoint = endpoint.clone();
            async move {
                let recording = match sound {
                    Sound::Recording(bytes) => Recording { name: "speech.wav".to_owned(), bytes },
                    Sound::File(file) => tokio::task::spawn_blocking(move || read(&file))
                        .await
                        .unwrap_or_else(|error| Err(format!("reading ended badly: {error}")))?,
                };
                understand(endpoint, recording).await.map_err(|(message, hint)| match hint {
                    Some(hint) => format!("{message}. {hint}"),
                    None => message,
                })
            }
            .boxed()
        })
    });
    VoiceServices {
        recorder: recorder.ok_or_else(|| format!("there is no recorder. {INSTALL}")),
        transcribe: transcribe.ok_or_else(|| format!("{NOT_CONFIGURED}. {CONFIGURE}")),
        keep: Some(setup.loaded.paths.state_dir.join("last-recording.wav")),
    }
}

/// The recorder: the configured one, else the first that is installed.
pub(super) fn recorder(configured: Option<&str>, env: &BTreeMap<String, String>) -> Option<HostCommand> {
    if let Some(line) = configured {
        return HostCommand::parse(line);
    }
    let path = env.get("PATH")?;
    let installed = |name: &str| std::env::split_paths(path).any(|folder| folder.join(name).is_file());
    let (name, arguments) = RECORDERS.iter().find(|(name, _)| installed(name))?;
    HostCommand::parse(&format!("{name} {arguments}"))
}

/// The text of a recording, or what went wrong and what to do.
async fn understand(endpoint: Endpoint, recording: Recording) -> Result<String, (String, Option<String>)> {
    let told = |error: ModelError| (error.to_string(), Transcriber::hint(&error));
    let transcriber = Transcriber::new(endpoint).map_err(told)?;
    transcriber.transcribe(&recording).await.map_err(told)
}

/// Reads a recording. The error is a sentence.
fn read(file: &Path) -> Result<Recording, String> {
    let shown = sanitize::line(&file.display().to_string());
    let broken = |error: std::io::Error| format!("cannot read {shown}: {error}");
    let metadata = std::fs::metadata(file).map_err(broken)?;
    if !metadata.is_file() {
        return Err(format!("{shown} is no file"));
    }
    if metadata.len() > LARGEST_RECORDING {
        let (has, most) = (truncate::bytes(metadata.len()), truncate::bytes(LARGEST_RECORDING));
        return Err(format!("{shown} has {has}, endpoints take {most}: send a shorter or compressed recording"));
    }
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(broken)?;
    opened.take(LARGEST_RECORDING).read_to_end(&mut bytes).map_err(broken)?;
    let Some(ending) = ending(&bytes) else {
        return Err(format!("{shown} is no recording: WAV, MP3, M4A, OGG, FLAC and WebM are understood"));
    };
    // The user's own names are nobody's business but theirs.
    Ok(Recording { name: format!("recording.{ending}"), bytes })
}

/// The usual ending of a recording, by its first bytes.
fn ending(start: &[u8]) -> Option<&'static str> {
    Some(match start {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => "wav",
        [b'I', b'D', b'3', ..] => "mp3",
        [b'O', b'g', b'g', b'S', ..] => "ogg",
        [b'f', b'L', b'a', b'C', ..] => "flac",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "webm",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "m4a",
        // A frame of MPEG audio: eleven bits of ones, layer III.
        [0xff, second, ..] if second & 0xe6 == 0xe2 => "mp3",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_told_by_their_bytes() {
        assert_eq!(ending(b"RIFF....WAVEfmt "), Some("wav"));
        assert_eq!(ending(b"\0\0\0\x20ftypM4A "), Some("m4a"));
        assert_eq!(ending(b"\xff\xfb\x90\x00"), Some("mp3"));
        assert_eq!(ending(b"\xff\xd8\xff\xe0"), None, "a JPEG picture");
        assert_eq!(ending(b"hello"), None);
        assert_eq!(ending(b""), None);
    }

    #[test]
    fn the_first_recorder_that_is_installed_is_taken() {
        let place = tempfile::tempdir().expect("folder");
        let env = BTreeMap::from([("PATH".to_owned(), place.path().display().to_string())]);
        assert_eq!(recorder(None, &env), None);
        for name in ["ffmpeg", "rec"] {
            std::fs::write(place.path().join(name), "").expect("program");
        }
        assert_eq!(recorder(None, &env).map(|command| command.name()), Some("rec".to_owned()));
        let own = recorder(Some("pw-record --rate 16000 -"), &env);
        assert_eq!(own.map(|command| command.name()), Some("pw-record".to_owned()));
    }

    #[test]
    fn what_is_no_recording_is_refused_before_it_is_sent() {
        let place = tempfile::tempdir().expect("folder");
        let file = place.path().join("note.wav");
        std::fs::write(&file, "just text").expect("written");
        assert!(read(&file).expect_err("text").contains("is no recording"));
        assert!(read(place.path()).expect_err("folder").contains("is no file"));
        assert!(read(&place.path().join("gone.wav")).expect_err("gone").contains("cannot read"));
        let large = std::fs::File::create(&file).expect("file");
        large.set_len(LARGEST_RECORDING + 1).expect("length");
        assert!(read(&file).expect_err("large").contains("endpoints take 25"));
    }
}
