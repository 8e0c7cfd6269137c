//! The boundary around everything that runs for the model.
