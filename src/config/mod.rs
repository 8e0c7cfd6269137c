//! Configuration: what can be set, where each value came from, and how it is written back.

pub mod schema;
