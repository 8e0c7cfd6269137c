//! The conversation as the engine holds it, independent of any endpoint's wire format.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::event::ToolStatus;
use super::ids::CallId;

/// A file that the user gave along with a message, already copied into the mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// File name as the user knows it.
    pub name: String,
    /// Path under the mount.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
}

impl Attachment {
    /// Attached files of a session at most.
    pub const MOST_FILES: usize = 100;
    /// Bytes of one attached file at most.
    pub const MOST_BYTES: u64 = 100 * 1024 * 1024;
}

/// A picture for a vision model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageData {
    /// Media type, such as `image/png`.
    pub media_type: String,
    /// The file's bytes, base64 (RFC 4648, standard alphabet, padded).
    pub base64: String,
    /// Path under the mount that it was read from, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// How screens name a picture that is no file of the workspace: this, and the SHA-256 of its bytes. It lies beside the
/// log, as long texts do.
pub const KEPT_PICTURE: &str = "picture:";

/// A tool call as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique within the conversation.
    pub id: CallId,
    /// The name that the model used; it may be no tool at all.
    pub name: String,
    /// The arguments, as text: what the model wrote need not be JSON.
    pub arguments: String,
}

/// What a tool call gave back to the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolReply {
    /// The call that this answers.
    pub call: CallId,
    /// The tool's name.
    pub tool: String,
    /// How it ended.
    pub status: ToolStatus,
    /// Whether it was cut off: nobody knows how far it came.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// Text for the model, already clipped.
    pub output: String,
    /// Pictures for a vision model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageData>,
}

impl ToolReply {
    /// Takes the pictures out, which an endpoint refused; a line says so in their place.
    pub fn leave_pictures_out(&mut self) {
        for image in self.images.drain(..) {
            let path = image.path.map(|path| format!(" {path}")).unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = write!(
                self.output,
                "\n[The picture{path} ({}) is not shown: the endpoint of the model refused it.]",
                image.media_type
            );
        }
    }
}

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name, such as `mshtools-shell`.
    pub name: String,
    /// What it does, in prose from the manifest.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: serde_json::Value,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// Rules of the house.
    System {
        /// The text.
        text: String,
    },
    /// What the user said.
    User {
        /// The text.
        text: String,
        /// Files given along.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
    },
    /// What the model said and asked for.
    Assistant {
        /// The text of the reply; empty when there are only calls.
        #[serde(default)]
        text: String,
        /// The model's reasoning, where the endpoint tells it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reasoning: Option<String>,
        /// The calls it made.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// What one of those calls gave back.
    Tool(ToolReply),
}
