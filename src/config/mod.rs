//! Configuration: what can be set, where each value came from, and how it is written back.
//!
//! [`mod@fields`] is the table of everything; [`mod@load`] puts the layers together; [`mod@save`] writes single lines back. Nothing
//! here reads the process's own environment or current directory except [`LoadOptions::of_process`].

mod build;
mod change;
mod checks;
mod dotenv;
pub mod fields;
pub mod load;
mod loaded;
mod outline;
pub mod paths;
pub mod presets;
pub mod problem;
mod read;
pub mod save;
pub mod schema;
mod settings;
mod validate;
mod value;
mod variables;
mod write;

pub use fields::{ENDPOINT_VARIABLES, ENDPOINTS, EXAMPLE, EndpointName, Field, FieldKind, field, fields};
pub use load::{Flags, KeyQuestion, LoadOptions, Loaded, ShownValue, check_text, key_variable, load, load_keyless};
pub use paths::{Paths, paths};
pub use presets::{PRESETS, Preset};
pub use problem::{ConfigError, Problem};
pub use save::{CannotEdit, Change, SaveError, edit, save};
pub use schema::*;
pub use settings::Source;
pub use value::{check_value, may_pass};
