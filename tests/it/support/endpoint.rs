//! A scripted chat endpoint on loopback whose answers and faults a test decides.
