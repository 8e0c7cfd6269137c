//! Text on the screen: Markdown, code, differences, and the breaking of lines.
//!
//! Everything here turns clean text (it has passed `support::sanitize`) into `Vec<Line<'static>>` that fit a width.
//! Nothing here knows panes, keys or the engine, and nothing waits.

mod code;
pub mod diff;
pub mod highlight;
pub mod link;
pub mod markdown;
pub mod output;
pub mod stream;
mod table;
pub mod window;
pub mod wrap;
