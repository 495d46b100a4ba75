//! The command line of this repository, which is [`eigenscape_cli`]'s with every plugin of it.

pub use eigenscape_cli::{plugins, run};
