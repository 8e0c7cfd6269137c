//! Snapshots of files and conversation in a bare repository of the session's own.
