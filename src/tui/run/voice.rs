//! The task that records and understands speech.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::Loop;
use crate::support::atomic_file;
use crate::support::host_command::HostCommand;
use crate::tui::app::Msg;
use crate::tui::input::EventSource;
use crate::tui::output::Sink;
use crate::tui::voice::{LONGEST_BYTES, LONGEST_SECONDS, RATE, Samples, Sound, Transcribe, VoiceEvent, VoiceWish};

/// Samples between two readings of the level: a tenth of a second.
const LEVEL_EVERY: usize = RATE as usize / 10;
/// A recording that never gets louder holds no speech.
const SILENCE: u16 = 16;

/// What is going on.
#[derive(Debug)]
pub(super) struct VoiceTask {
    /// Ends the recording; the task goes on with what it has.
    finish: Option<oneshot::Sender<()>>,
    /// Dropped, it ends the recorder and the request.
    _task: AbortOnDropHandle<()>,
}

impl<S: Sink, E: EventSource> Loop<S, E> {
    pub(super) fn voice(&mut self, number: u32, wish: VoiceWish) {
        let services = &self.options.voice;
        let teller = Teller { number, jobs: self.jobs.0.clone() };
        match wish {
            VoiceWish::Discard => self.voice = None,
            VoiceWish::Finish => {
                if let Some(finish) = self.voice.as_mut().and_then(|task| task.finish.take()) {
                    // The recorder may just have ended by itself.
                    let _ = finish.send(());
                }
            }
            VoiceWish::Record => match (&services.transcribe, &services.recorder) {
                (Err(why), _) | (_, Err(why)) => teller.tell(VoiceEvent::Failed(why.clone())),
                (Ok(transcribe), Ok(recorder)) => {
                    let (finish, finished) = oneshot::channel();
                    let keep = services.keep.clone();
                    let work = record(recorder.clone(), transcribe.clone(), keep, finished, teller);
                    let task = AbortOnDropHandle::new(tokio::spawn(work));
                    self.voice = Some(VoiceTask { finish: Some(finish), _task: task });
                }
            },
            VoiceWish::File(file) => match &services.transcribe {
                Err(why) => teller.tell(VoiceEvent::Failed(why.clone())),
                Ok(transcribe) => {
                    let understood = transcribe(Sound::File(file));
                    let work = async move { teller.outcome(understood.await, None) };
                    let task = AbortOnDropHandle::new(tokio::spawn(work));
                    self.voice = Some(VoiceTask { finish: None, _task: task });
                }
            },
        }
    }

    /// A recorder does not go on while the terminal is in other hands.
    pub(super) fn end_recording(&mut self) {
        if self.voice.take_if(|task| task.finish.is_some()).is_some() {
            let ended = VoiceEvent::Failed("the recording was discarded: okcvm was left".to_owned());
            Teller { number: self.app.voice_number(), jobs: self.jobs.0.clone() }.tell(ended);
        }
    }
}

#[derive(Debug)]
struct Teller {
    number: u32,
    jobs: mpsc::UnboundedSender<Msg>,
}

impl Teller {
    fn tell(&self, event: VoiceEvent) {
        // The application may have been left meanwhile.
        let _ = self.jobs.send(Msg::Voice(self.number, event));
    }

    fn outcome(&self, understood: Result<String, String>, kept: Option<PathBuf>) {
        self.tell(match understood {
            Ok(text) => VoiceEvent::Text(text),
            Err(why) => VoiceEvent::NotUnderstood { why, kept },
        });
    }
}

async fn record(
    recorder: HostCommand,
    transcribe: Transcribe,
    keep: Option<PathBuf>,
    finished: oneshot::Receiver<()>,
    teller: Teller,
) {
    match listen(&recorder, finished, &teller).await {
        Err(why) => teller.tell(VoiceEvent::Failed(format!("{}: {why}", recorder.name()))),
        Ok(wav) => {
            teller.tell(VoiceEvent::Transcribing);
            let understood = transcribe(Sound::Recording(wav.clone())).await;
            // What was said once is not said again gladly.
            let kept = match keep.filter(|_| understood.is_err()) {
                Some(file) => tokio::task::spawn_blocking(move || kept(file, &wav)).await.ok().flatten(),
                None => None,
            };
            teller.outcome(understood, kept);
        }
    }
}

/// Keeps a recording, readable by its owner only; `None` where that fails.
fn kept(file: PathBuf, wav: &[u8]) -> Option<PathBuf> {
    let folder = file.parent().unwrap_or(&file);
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let written = made.and_then(|()| atomic_file::write(&file, wav, 0o600));
    match written {
        Ok(()) => Some(file),
        Err(error) => {
            tracing::warn!(%error, file = %file.display(), "a recording was not kept");
            None
        }
    }
}

/// Records until it is enough.
async fn listen(
    recorder: &HostCommand,
    mut finished: oneshot::Receiver<()>,
    teller: &Teller,
) -> Result<Vec<u8>, String> {
    let mut stream = recorder.stream().map_err(|error| format!("cannot be started: {error}"))?;
    teller.tell(VoiceEvent::Recording);
    let mut samples = Samples::default();
    let (mut told, mut stopping) = (0, false);
    let mut bytes = vec![0; 8192];
    loop {
        tokio::select! {
            _ = &mut finished, if !stopping => {
                stopping = true;
                stream.stop();
            }
            count = stream.read(&mut bytes) => match count {
                Ok(0) => break,
                Ok(count) => samples.push(&bytes[..count])?,
                Err(error) => return Err(format!("cannot be read: {error}")),
            },
        }
        if samples.count() >= told + LEVEL_EVERY {
            teller.tell(VoiceEvent::Level(samples.peak(told)));
            told = samples.count();
        }
        let is_full = samples.seconds() >= LONGEST_SECONDS || 2 * samples.count() >= LONGEST_BYTES;
        if !stopping && is_full {
            stopping = true;
            stream.stop();
        }
    }
    let (status, words) = stream.ended().await;
    if samples.count() == 0 {
        return Err(match (words.as_str(), status) {
            ("", Some(status)) if !stopping => format!("recorded nothing ({status})"),
            ("", _) => "recorded nothing".to_owned(),
            (words, _) => format!("recorded nothing: {words}"),
        });
    }
    if samples.peak(0) < SILENCE {
        return Err("heard only silence; is the microphone muted?".to_owned());
    }
    samples.wav()
}
