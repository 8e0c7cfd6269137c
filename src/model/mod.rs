//! Clients of model endpoints.
