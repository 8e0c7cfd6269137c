//! Everything that can go wrong between a request and a whole reply.
//!
//! Texts carry the server's own words; the client removes the key from them before an error is made.

use std::time::Duration;

/// Why there is no reply. `url` is the address without user, password and query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The configuration cannot work.
    #[error("{field} of the endpoint {problem}")]
    Configuration {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// No connection.
    #[error("cannot connect to {url}: {reason}")]
    Connect {
        /// Where to.
        url: String,
        /// Why.
        reason: String,
        /// Whether another attempt can help (a wrong certificate stays wrong).
        passing: bool,
    },
    /// The connection broke before the reply was whole.
    #[error("the connection to {url} broke before the reply was whole: {reason}")]
    Broken {
        /// Where to.
        url: String,
        /// Why.
        reason: String,
    },
    /// Nothing came for too long.
    #[error("nothing came from {url} for {} s", after.as_secs_f32())]
    Idle {
        /// Where from.
        url: String,
        /// For how long.
        after: Duration,
    },
    /// The server refused.
    #[error("{url} answered {status}: {message}")]
    Status {
        /// Who.
        url: String,
        /// HTTP status.
        status: u16,
        /// The server's own words.
        message: String,
        /// The server's own name for the error, such as `insufficient_quota`.
        code: Option<String>,
    },
    /// The server wants a longer wait than anybody would sit through.
    #[error("{url} answered {status} and asks to wait {} before the next request: {message}", minutes(*.wait))]
    WaitTooLong {
        /// Who.
        url: String,
        /// HTTP status.
        status: u16,
        /// How long.
        wait: Duration,
        /// The server's own words.
        message: String,
    },
    /// An error object arrived where the reply should have been.
    #[error("{url} reported an error in its reply: {message}")]
    InReply {
        /// Who.
        url: String,
        /// The server's own words.
        message: String,
        /// The HTTP status that the error object names, if it names one.
        status: Option<u16>,
        /// The server's own name for the error.
        code: Option<String>,
    },
    /// The answer is not the protocol's.
    #[error("{url} did not answer with {expected}: {excerpt}")]
    NotUnderstood {
        /// Who.
        url: String,
        /// What was expected.
        expected: &'static str,
        /// How the answer begins.
        excerpt: String,
    },
    /// The server sends requests elsewhere; the key does not follow.
    #[error("{url} redirects to {target}")]
    Redirected {
        /// Who.
        url: String,
        /// Where to.
        target: String,
    },
    /// The answer has more bytes than any reply.
    #[error("the reply from {url} is longer than {limit} bytes")]
    TooLong {
        /// Who.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The reply ended well and has neither text nor calls.
    #[error("{url} sent an empty reply{}", reason_words(.finish_reason.as_deref()))]
    EmptyReply {
        /// Who.
        url: String,
        /// What the endpoint named as the reason for the end.
        finish_reason: Option<String>,
    },
    /// The recording cannot be sent.
    #[error("{0}")]
    Recording(String),
    /// A sound or picture that came cannot be used.
    #[error("{url} sent {what}: {why}")]
    Unusable {
        /// Who.
        url: String,
        /// What it sent.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The endpoint names an address from which nothing is fetched.
    #[error("{url} keeps the picture at {target}, which is not fetched: {why}")]
    NotFetched {
        /// The endpoint.
        url: String,
        /// Where the picture is said to be, without the query.
        target: String,
        /// Why not.
        why: String,
    },
    /// The picture was made, and only its address came to anything.
    #[error("the picture was made and may be charged, but could not be fetched: {0}")]
    PictureLost(Box<ModelError>),
    /// The server refused a request with pictures in it, and they may be why.
    #[error("{0}")]
    PicturesRefused(Box<ModelError>),
    /// Every attempt failed.
    #[error("{last} (tried {attempts} times)")]
    GaveUp {
        /// How many requests were sent.
        attempts: u32,
        /// Why the last one failed.
        last: Box<ModelError>,
    },
}

fn minutes(wait: Duration) -> String {
    let seconds = wait.as_secs();
    if seconds < 120 { format!("{seconds} s") } else { format!("{} minutes", seconds.div_ceil(60)) }
}

fn reason_words(finish_reason: Option<&str>) -> String {
    finish_reason.map(|reason| format!(" (finish_reason {reason:?})")).unwrap_or_default()
}

/// Words with which servers say that the conversation is too long for the model.
const OVERFLOW: [&str; 9] = [
    "context length",
    "context_length",
    "context window",
    "context size",
    "maximum context",
    "too many tokens",
    "prompt is too long",
    "input is too long",
    "exceeds the limit of tokens",
];

/// Words with which servers name a picture.
const PICTURE: [&str; 4] = ["image", "picture", "vision", "multimodal"];

impl ModelError {
    /// The error of the last attempt, for errors that came after several.
    pub fn root(&self) -> &Self {
        match self {
            Self::GaveUp { last, .. } | Self::PicturesRefused(last) => last.root(),
            other => other,
        }
    }

    /// The HTTP status, where the server gave one.
    pub fn status(&self) -> Option<u16> {
        match self.root() {
            Self::Status { status, .. } | Self::WaitTooLong { status, .. } => Some(*status),
            Self::InReply { status, .. } => *status,
            _ => None,
        }
    }

    /// Whether the reply ended well and has neither text nor calls. The client does not send such a request again.
    pub fn is_empty_reply(&self) -> bool {
        matches!(self.root(), Self::EmptyReply { .. })
    }

    /// Whether the request is worth sending once more without its pictures.
    pub fn refuses_pictures(&self) -> bool {
        matches!(self, Self::PicturesRefused(_))
    }

    /// Whether pictures in the request may be why it was refused: the server says so, or it does not and they are
    /// `new`, so that nothing else is as likely.
    pub(crate) fn may_mean_pictures(&self, new: bool) -> bool {
        let (Self::Status { message, code, .. } | Self::InReply { message, code, .. }) = self.root() else {
            return false;
        };
        let words = format!("{message} {}", code.as_deref().unwrap_or_default()).to_lowercase();
        let named = PICTURE.iter().any(|sign| words.contains(sign));
        match self.status() {
            // Pictures are most of what is too much.
            Some(413) => true,
            Some(400 | 415 | 422) => named || (new && !self.is_context_overflow()),
            Some(500) => named,
            _ => false,
        }
    }

    /// Whether the server says that the conversation is too long for the model.
    pub fn is_context_overflow(&self) -> bool {
        let (status, message, code) = match self.root() {
            Self::Status { status, message, code, .. } => (Some(*status), message, code),
            Self::InReply { status, message, code, .. } => (*status, message, code),
            _ => return false,
        };
        if status == Some(413) {
            return true;
        }
        if matches!(status, Some(401..=404 | 429)) {
            return false;
        }
        let words = format!("{} {}", message, code.as_deref().unwrap_or_default()).to_lowercase();
        OVERFLOW.iter().any(|sign| words.contains(sign))
    }

    /// Whether the account has no credit left: waiting does not help, whatever the status says.
    pub(crate) fn is_out_of_credit(&self) -> bool {
        let (Self::Status { code, .. } | Self::InReply { code, .. }) = self.root() else {
            return self.status() == Some(402);
        };
        let by_name = matches!(
            code.as_deref(),
            Some(
                "insufficient_quota" | "exceeded_current_quota_error" | "quota_exceeded" | "billing_hard_limit_reached"
            )
        );
        by_name || self.status() == Some(402)
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn is_passing(&self) -> bool {
        if self.is_out_of_credit() {
            return false;
        }
        match self {
            Self::Broken { .. } | Self::Idle { .. } => true,
            Self::Connect { passing, .. } => *passing,
            Self::Status { status, .. } => retried(*status),
            Self::InReply { status, code, .. } => {
                status.is_some_and(retried) || code.as_deref().is_some_and(overloaded)
            }
            _ => false,
        }
    }

    /// Whether the endpoint may have done, and charged, what it was asked for, though no good answer came: the request was
    /// sent, and then the answer broke off, took too long, or a gateway in between gave up or lost the server behind it.
    pub(crate) fn may_be_charged(&self) -> bool {
        match self.root() {
            Self::Broken { .. } | Self::Idle { .. } | Self::TooLong { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 502 | 504 | 520 | 522..=524),
            _ => false,
        }
    }

    /// What to do next, as a sentence.
    pub fn hint(&self) -> Option<String> {
        if self.is_context_overflow() {
            return Some(
                "The conversation is too long for this model: start a new session, roll back to an earlier snapshot, \
                 or choose a model with a larger context."
                    .to_owned(),
            );
        }
        if self.is_out_of_credit() {
            return Some(
                "The account has no credit left: top it up, or choose another endpoint with /setup.".to_owned(),
            );
        }
        let words = match self.root() {
            Self::Configuration { .. } => "Change it with /setup or in the configuration file.",
            Self::Connect { url, reason, .. } if reason.contains("certificate") => {
                return Some(format!(
                    "Check the address and this machine's clock and ca-certificates, or use http:// if {url} has no TLS."
                ));
            }
            Self::Connect { url, .. } if is_loopback_text(url) => {
                "Start the model server, or correct chat.base_url with /setup."
            }
            Self::Connect { .. } => "Check the network, chat.base_url, and HTTPS_PROXY if a proxy is needed.",
            Self::Broken { .. } => "Check the network and send the message again.",
            Self::Idle { .. } => "Raise chat.idle_timeout_secs if the model needs longer before it says something.",
            Self::Status { status, .. } => return status_hint(*status).map(str::to_owned),
            Self::WaitTooLong { .. } => {
                "Send the message again after that time, or choose another endpoint with /setup."
            }
            Self::InReply { status, .. } => {
                return status.and_then(status_hint).map(str::to_owned);
            }
            Self::NotUnderstood { .. } => "Check chat.base_url: most base URLs end in /v1.",
            Self::Redirected { target, .. } => {
                return Some(format!(
                    "Set chat.base_url to the new address if it is right ({target}); the key was not sent there."
                ));
            }
            Self::EmptyReply { finish_reason, .. } => match finish_reason.as_deref() {
                Some("length") => "The model used all its tokens before it said something: raise its limit.",
                Some("content_filter") => "The endpoint's filter removed the reply: word the request differently.",
                _ => "Send the message again; if it stays so, choose another model with /setup.",
            },
            Self::TooLong { .. }
            | Self::PicturesRefused(_)
            | Self::GaveUp { .. }
            | Self::Recording(_)
            | Self::Unusable { .. }
            | Self::NotFetched { .. }
            | Self::PictureLost(_) => return None,
        };
        Some(words.to_owned())
    }
}

/// Statuses after which the same request may succeed.
fn retried(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// Names under which servers report that they are busy or broken for the moment.
fn overloaded(code: &str) -> bool {
    matches!(
        code,
        "server_error"
            | "internal_error"
            | "internal_server_error"
            | "api_error"
            | "overloaded_error"
            | "engine_overloaded_error"
            | "rate_limit_error"
            | "rate_limit_exceeded"
            | "rate_limit_reached_error"
            | "service_unavailable"
            | "timeout"
    )
}

fn status_hint(status: u16) -> Option<&'static str> {
    Some(match status {
        401 => "Check the key of the chat endpoint: /setup changes it, `okcvm config show` tells where it comes from.",
        403 => "The key is known but may not do this: check its rights, the model's name and the region.",
        404 => "Check chat.model and chat.base_url: most base URLs end in /v1.",
        405 => "Check chat.base_url: it must be the part before /chat/completions.",
        400 | 422 => "The endpoint does not accept this request: check that the model takes tools (and pictures).",
        429 => "The endpoint limits how often it may be asked: wait a little, then send the message again.",
        408 | 500..=599 => "The endpoint has trouble on its side: send the message again later.",
        _ => return None,
    })
}

/// Whether the host of a shown URL is this machine.
fn is_loopback_text(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| super::openai::is_loopback(&url))
}

#[cfg(test)]
mod tests;
