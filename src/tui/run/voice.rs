//! The task that records and understands speech.

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::Loop;
use crate::support::host_command::HostCommand;
use crate::tui::app::Msg;
use crate::tui::input::EventSource;
use crate::tui::output::Sink;
use crate::tui::voice::{LONGEST_SECONDS, RATE, Samples, Sound, Transcribe, VoiceEvent, VoiceWish};

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
                    let work = record(recorder.clone(), transcribe.clone(), finished, teller);
                    let task = AbortOnDropHandle::new(tokio::spawn(work));
                    self.voice = Some(VoiceTask { finish: Some(finish), _task: task });
                }
            },
            VoiceWish::File(file) => match &services.transcribe {
                Err(why) => teller.tell(VoiceEvent::Failed(why.clone())),
                Ok(transcribe) => {
                    let understood = transcribe(Sound::File(file));
                    let work = async move { teller.outcome(understood.await) };
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

    fn outcome(&self, understood: Result<String, String>) {
        self.tell(match understood {
            Ok(text) => VoiceEvent::Text(text),
            Err(why) => VoiceEvent::Failed(why),
        });
    }
}

async fn record(recorder: HostCommand, transcribe: Transcribe, finished: oneshot::Receiver<()>, teller: Teller) {
    match listen(&recorder, finished, &teller).await {
        Err(why) => teller.tell(VoiceEvent::Failed(format!("{}: {why}", recorder.name()))),
        Ok(wav) => {
            teller.tell(VoiceEvent::Transcribing);
            teller.outcome(transcribe(Sound::Recording(wav)).await);
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
        if !stopping && samples.seconds() >= LONGEST_SECONDS {
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
