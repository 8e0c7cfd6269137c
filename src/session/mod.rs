//! One session on disk: its folder, log, lock and operation history.
