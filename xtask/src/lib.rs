//! The command line of this repository: [`eigenscape_cli`] with all of its plugins.

pub use eigenscape_cli::{plugins, run};
