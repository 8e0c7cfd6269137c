//! The scripted chat endpoint of the demo: it speaks the real wire format on loopback.
