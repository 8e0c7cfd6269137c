//! What only tests of the whole can tell.
