//! okcvm: an "OK Computer" agent in a terminal.

pub mod cli;
pub mod config;
pub mod demo;
pub mod headless;
pub mod logging;
pub mod model;
pub mod protocol;
pub mod sandbox;
pub mod session;
pub mod snapshot;
pub mod spec;
pub mod support;
pub mod tools;
pub mod tui;
pub mod vm;
pub mod workspace;
