//! What the integration tests share: homes, endpoints, key drivers, redactions.
