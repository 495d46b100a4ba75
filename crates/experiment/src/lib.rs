//! From an experiment's TOML file to a checked plan, to results.
//!
//! The way of a file: [`document`] (a tree that knows where everything was written) → `--set` flags ([`overrides`]) and
//! [`sweep`] → [`raw`] (serde types) → [`check`] → [`plan`] (other types, with nothing left to doubt).

pub mod artifacts;
pub mod check;
pub mod diagnostic;
pub mod document;
pub mod overrides;
pub mod plan;
pub mod progress;
pub mod raw;
pub mod read;
pub mod resolved;
pub mod schema;
pub mod sweep;

pub use diagnostic::{ConfigError, Failure, Result};
