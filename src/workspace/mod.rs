//! The session's files as tools may touch them: confined paths and nothing else.
