//! What the engine knows of a model: a request goes in, a stream of events comes out.

use std::time::Duration;

use futures::stream::BoxStream;

use super::error::ModelError;
use crate::protocol::{Message, ToolCall, ToolSpec};

/// Everything that one request tells the model.
#[derive(Debug, Clone, Default)]
pub struct ChatRequest {
    /// The conversation, oldest first, with the system prompt.
    pub messages: Vec<Message>,
    /// The tools it may call.
    pub tools: Vec<ToolSpec>,
}

/// What happens while a reply comes in. The last event of a good reply is [`ModelEvent::Finished`].
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// More of the text.
    Text(String),
    /// More of the reasoning.
    Reasoning(String),
    /// Text and reasoning of this request so far are void: the connection broke and the request is sent again. No
    /// tool call of the broken reply was handed out, so nothing ran twice.
    Restarted {
        /// Why.
        reason: String,
    },
    /// The request failed and is sent again after a wait.
    Retrying {
        /// How long the wait is.
        after: Duration,
        /// Which attempt comes next, from 2.
        attempt: u32,
        /// Why the last one failed.
        reason: String,
    },
    /// Tokens of this request as the endpoint counted them; at most once, just before the end.
    Usage {
        /// Tokens read.
        input: u64,
        /// Tokens written.
        output: u64,
        /// Of `input`, tokens that came from the endpoint's cache.
        cached: u64,
    },
    /// The whole reply.
    Finished(Reply),
}

/// A whole reply. Whether the turn goes on is decided by `tool_calls`, never by `finish_reason`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The text; empty when there are only calls.
    pub text: String,
    /// The reasoning, where the endpoint tells it.
    pub reasoning: Option<String>,
    /// The calls, in the model's order; their ids are distinct within the reply and never empty.
    pub tool_calls: Vec<ToolCall>,
    /// What the endpoint named as the reason for the end, for the log only.
    pub finish_reason: Option<String>,
}

/// A model that answers conversations.
pub trait ChatModel: Send + Sync {
    /// The model's name, for people.
    fn name(&self) -> &str;

    /// Sends the request. Nothing happens before the stream is polled; dropping it closes the connection. The last
    /// item is [`ModelEvent::Finished`] or an error.
    fn stream(&self, request: ChatRequest) -> BoxStream<'static, Result<ModelEvent, ModelError>>;
}
