//! Hostile text from everywhere, and every byte that okcvm writes because of it.
//!
//! What a model, an endpoint, a tool, a file name or a title holds must not command the terminal. Each row of the corpus
//! goes through everything that the screen shows, and the real binary goes through it in a real terminal; a strict
//! reader takes nothing but what the screen's own writer makes.

mod corpus;
mod facts;
mod program;
pub mod strict;

use corpus::{Row, rows};
use strict::{Writer, faults};
