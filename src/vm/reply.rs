//! The model's side of the engine: sends the request, and turns what comes back into inputs of the machine.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;

use crate::model::{ChatRequest, ModelError, ModelEvent, Reply};
use crate::support::secret::RedactedStream;
use crate::tools::ToolEffect;

use super::effect::{Input, PlannedCall};
use super::engine::Engine;
use super::request;

/// What a stream brings.
pub(super) type ModelItem = Result<ModelEvent, ModelError>;
/// A reply that is coming in.
pub(super) type ModelStream = BoxStream<'static, ModelItem>;

impl Engine {
    pub(super) fn call_model(&mut self) {
        if self.turn.as_ref().is_none_or(|turn| turn.disk_failed || turn.token.is_cancelled()) {
            return;
        }
        self.text = RedactedStream::new(self.redactor.clone());
        self.reasoning = RedactedStream::new(self.redactor.clone());
        let messages = request::messages(&self.prompt, &self.place, self.today, &self.history);
        let (toolbox, model) = (Arc::clone(&self.toolbox), Arc::clone(&self.model));
        let start = async move {
            // The first look at the sandbox takes a while.
            toolbox.warm().await;
            model.stream(ChatRequest { messages, tools: toolbox.specs() })
        };
        self.stream = Some(futures::stream::once(start).flatten().boxed());
    }

    pub(super) fn model_item(&mut self, item: Option<ModelItem>) {
        let input = match item {
            Some(Ok(ModelEvent::Text(text))) => Input::Text(self.text.push(&text)),
            Some(Ok(ModelEvent::Reasoning(text))) => Input::Reasoning(self.reasoning.push(&text)),
            Some(Ok(ModelEvent::Restarted { reason })) => {
                self.text = RedactedStream::new(self.redactor.clone());
                self.reasoning = RedactedStream::new(self.redactor.clone());
                Input::Restarted { reason: self.clean(&reason) }
            }
            Some(Ok(ModelEvent::Retrying { after, attempt, reason })) => {
                let seconds = after.as_secs() + u64::from(after.subsec_millis() >= 500);
                Input::Retrying { seconds, attempt, reason: self.clean(&reason) }
            }
            Some(Ok(ModelEvent::Usage { input, output, cached })) => Input::Usage { input, output, cached },
            Some(Ok(ModelEvent::Finished(reply))) => {
                self.stream = None;
                self.replied(reply)
            }
            Some(Err(error)) => {
                self.stream = None;
                let (message, hint) = (error.to_string(), error.hint());
                if error.refuses_pictures() {
                    Input::PicturesRefused { message }
                } else if error.is_empty_reply() {
                    Input::EmptyReply { message, hint }
                } else {
                    Input::ModelFailed { message, hint }
                }
            }
            None => {
                self.stream = None;
                let message = "the model's reply ended before it was whole".to_owned();
                Input::ModelFailed { message, hint: Some("Send the message again.".to_owned()) }
            }
        };
        // Nothing but a held back ending came.
        if !matches!(&input, Input::Text(text) | Input::Reasoning(text) if text.is_empty()) {
            self.feed(input);
        }
    }

    /// The one place where replies are redacted, before they become record, event or message.
    fn replied(&self, reply: Reply) -> Input {
        let Reply { text, reasoning, mut tool_calls, finish_reason } = reply;
        tracing::debug!(?finish_reason, calls = tool_calls.len(), "the model replied");
        self.history.make_unique(&mut tool_calls);
        let calls = tool_calls.into_iter().map(|mut call| {
            call.arguments = self.clean(&call.arguments);
            PlannedCall { writes: self.toolbox.effect(&call.name) == ToolEffect::Writes, call }
        });
        Input::Replied {
            text: self.clean(&text),
            reasoning: reasoning.filter(|text| !text.is_empty()).map(|text| self.clean(&text)),
            calls: calls.collect(),
        }
    }
}

/// The next item of a stream; for ever nothing when there is none. Safe to drop while waiting.
pub(super) async fn next(stream: &mut Option<ModelStream>) -> Option<ModelItem> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}
