//! Integration tests, one binary: what a user or a script sees.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a helper of a test fails the test")]
#![allow(
    clippy::similar_names,
    clippy::items_after_statements,
    clippy::non_octal_unix_permissions,
    clippy::format_collect,
    clippy::needless_borrowed_reference,
    reason = "said where it is used, as a test reads"
)]
#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests say what they skip")]

mod abuse;
mod browser;
mod cancel;
mod cli;
mod config_files;
mod config_save;
mod decoder;
mod demo;
mod deploy;
mod documents;
mod documents_hostile;
mod files;
mod headless;
mod hostile;
mod journey;
mod kernel;
mod keys;
mod keys_files;
mod layers;
mod market_data;
mod media;
mod model;
mod model_shapes;
mod pictures;
mod preview;
mod project;
mod python;
mod read_file;
mod readme;
mod resume;
mod sandbox_escape;
mod sandbox_landlock;
mod sandbox_life;
mod sandbox_nested;
mod sandbox_network;
mod screens;
mod search;
mod search_refusals;
mod slides;
mod snapshot;
mod speech;
mod start;
#[allow(dead_code, unused_imports, reason = "each helper serves some of the tests")]
mod support;
mod tools_contract;
mod turn;
