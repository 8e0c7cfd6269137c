//! Prompt and tool manifest: the bundle in the program, or one from a folder.
