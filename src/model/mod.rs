//! Clients of model endpoints.
//!
//! [`ChatModel`] is what the engine sees; [`OpenAiChat`] is the one implementation: any endpoint that speaks the
//! OpenAI-compatible `/chat/completions`. [`Transcriber`] is the client of `/audio/transcriptions`. Not here: what goes into a request (`vm::request`) and what becomes of a
//! reply (`vm::engine`).

mod chat;
mod error;
mod hint;
mod media;
mod openai;
mod retry;

pub use crate::config::schema::Endpoint;
pub use chat::{ChatModel, ChatRequest, ModelEvent, Reply};
pub use error::ModelError;
pub use media::{
    EffectMaker, MadePicture, MadeSound, PictureMaker, Progress, Sound, SoundFormat, Speaker, Spoken, Tell, Voice,
    Voices,
};
pub use openai::{
    Assembler, Fault, Frame, FrameDecoder, LARGEST_RECORDING, OpenAiChat, Recording, Timing, Transcriber, ask_once,
    list_models,
};
