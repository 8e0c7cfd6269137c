//! THE TABLE: the 24 tools of the contract, one row each. The code of a family lies in a file beside it.

mod browser;
pub(super) mod content;
mod data;
mod deploy;
mod edit_file;
mod files;
mod ipython;
mod media;
pub(super) mod picture;
mod read_file;
mod search;
mod shell;
mod slides;
mod text;
mod todo;
mod watched;
mod write_file;

use std::sync::Arc;

use super::tool::Tool;
use super::{DEPLOY, IPYTHON};

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// The name in the manifest.
    pub name: &'static str,
    /// What stands behind it.
    pub code: Code,
}

/// What stands behind a name.
#[derive(Debug, Clone, Copy)]
pub enum Code {
    /// A tool.
    Built(fn() -> Arc<dyn Tool>),
    /// Nothing yet, and how that is told.
    NotBuilt(&'static str),
}

const fn built(name: &'static str, make: fn() -> Arc<dyn Tool>) -> Row {
    Row { name, code: Code::Built(make) }
}

/// Every tool of the contract.
pub const TABLE: &[Row] = &[
    built("mshtools-todo_read", || Arc::new(todo::TodoRead)),
    built("mshtools-todo_write", || Arc::new(todo::TodoWrite)),
    built(IPYTHON, || Arc::new(ipython::Ipython)),
    built("mshtools-read_file", || Arc::new(read_file::ReadFile)),
    built("mshtools-edit_file", || Arc::new(edit_file::EditFile)),
    built("mshtools-write_file", || Arc::new(write_file::WriteFile)),
    built("mshtools-shell", || Arc::new(shell::Shell)),
    built("mshtools-browser_click", || Arc::new(browser::BrowserTool::Click)),
    built("mshtools-browser_find", || Arc::new(browser::BrowserTool::Find)),
    built("mshtools-browser_input", || Arc::new(browser::BrowserTool::Input)),
    built("mshtools-browser_scroll_down", || Arc::new(browser::BrowserTool::ScrollDown)),
    built("mshtools-browser_scroll_up", || Arc::new(browser::BrowserTool::ScrollUp)),
    built("mshtools-browser_state", || Arc::new(browser::BrowserTool::State)),
    built("mshtools-browser_visit", || Arc::new(browser::BrowserTool::Visit)),
    built("mshtools-web_search", || Arc::new(search::WebSearch)),
    built("mshtools-image_search", || Arc::new(search::ImageSearch)),
    built("mshtools-generate_image", || Arc::new(media::GenerateImage)),
    built("mshtools-get_available_voices", || Arc::new(media::GetAvailableVoices)),
    built("mshtools-generate_speech", || Arc::new(media::GenerateSpeech)),
    built("mshtools-generate_sound_effects", || Arc::new(media::GenerateSoundEffects)),
    built("mshtools-get_data_source_desc", || Arc::new(data::Describe)),
    built("mshtools-get_data_source", || Arc::new(data::Ask)),
    built(DEPLOY, || Arc::new(deploy::DeployWebsite)),
    built("mshtools-slides_generator", || Arc::new(slides::SlidesGenerator)),
];
