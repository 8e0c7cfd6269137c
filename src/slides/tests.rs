//! Tests of the writer and of what comes before it.
