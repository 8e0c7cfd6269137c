//! Helpers that know nothing of our domain. An eighth file needs a reason.

pub mod atomic_file;
pub mod clock;
pub mod folder;
pub mod host_command;
pub mod sanitize;
pub mod secret;
pub mod truncate;
