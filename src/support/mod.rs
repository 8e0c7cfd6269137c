//! Helpers that know nothing of our domain. A further file needs a reason.

pub mod address;
pub mod atomic_file;
pub mod clock;
pub mod encoding;
pub mod folder;
pub mod hash;
pub mod host;
pub mod host_command;
pub mod retry_after;
pub mod sanitize;
pub mod secret;
pub mod truncate;
pub mod utf8_stream;
