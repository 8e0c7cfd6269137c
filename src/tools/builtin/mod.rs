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
    /// Makes what stands behind it.
    pub make: fn() -> Arc<dyn Tool>,
}

const fn row(name: &'static str, make: fn() -> Arc<dyn Tool>) -> Row {
    Row { name, make }
}

/// Every tool of the contract.
pub const TABLE: &[Row] = &[
    row("mshtools-todo_read", || Arc::new(todo::TodoRead)),
    row("mshtools-todo_write", || Arc::new(todo::TodoWrite)),
    row(IPYTHON, || Arc::new(ipython::Ipython)),
    row("mshtools-read_file", || Arc::new(read_file::ReadFile)),
    row("mshtools-edit_file", || Arc::new(edit_file::EditFile)),
    row("mshtools-write_file", || Arc::new(write_file::WriteFile)),
    row("mshtools-shell", || Arc::new(shell::Shell)),
    row("mshtools-browser_click", || Arc::new(browser::BrowserTool::Click)),
    row("mshtools-browser_find", || Arc::new(browser::BrowserTool::Find)),
    row("mshtools-browser_input", || Arc::new(browser::BrowserTool::Input)),
    row("mshtools-browser_scroll_down", || Arc::new(browser::BrowserTool::ScrollDown)),
    row("mshtools-browser_scroll_up", || Arc::new(browser::BrowserTool::ScrollUp)),
    row("mshtools-browser_state", || Arc::new(browser::BrowserTool::State)),
    row("mshtools-browser_visit", || Arc::new(browser::BrowserTool::Visit)),
    row("mshtools-web_search", || Arc::new(search::WebSearch)),
    row("mshtools-image_search", || Arc::new(search::ImageSearch)),
    row("mshtools-generate_image", || Arc::new(media::GenerateImage)),
    row("mshtools-get_available_voices", || Arc::new(media::GetAvailableVoices)),
    row("mshtools-generate_speech", || Arc::new(media::GenerateSpeech)),
    row("mshtools-generate_sound_effects", || Arc::new(media::GenerateSoundEffects)),
    row("mshtools-get_data_source_desc", || Arc::new(data::Describe)),
    row("mshtools-get_data_source", || Arc::new(data::Ask)),
    row(DEPLOY, || Arc::new(deploy::DeployWebsite)),
    row("mshtools-slides_generator", || Arc::new(slides::SlidesGenerator)),
];
