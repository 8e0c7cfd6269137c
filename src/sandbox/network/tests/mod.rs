//! The proxy against servers of its own on loopback. Names ending in `.test` are resolved by a table.

mod http;
mod limits;
mod tunnel;
mod world;
