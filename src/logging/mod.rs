//! The log for us: a rotated file, never the terminal.
