//! The Python behind the notebook tool.

pub mod python;
