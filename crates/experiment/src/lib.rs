//! From an experiment's TOML file to a checked plan, to results.
//!
//! The way of a file: [`document`] (a tree that knows where everything was written) with what it
//! inherits ([`extends`]), of several experiments in it each ([`cases`]) → [`choices`] of the
//! command line (profile, `--set` flags: [`overrides`]) and [`sweep`] → [`raw`] (serde types) →
//! [`check`] → [`plan`] (other types, with nothing left to doubt).
//!
//! The way of a plan: [`prepare`] (data, network, weights, groups; the last errors that are the
//! file's) → [`run`], each run of which alternates between [`mod@train`] and [`measure`], and which
//! leaves everything in a folder of [`artifacts`] that it alone writes ([`lock`]). What an
//! interrupted plan has done is kept: finished runs ([`resume`]), and of an unfinished one the
//! training's state and its spectra ([`state_folder`]). So is what stood in the folder before
//! ([`earlier`]).

pub mod account;
pub mod artifacts;
pub mod augment;
mod capacity;
pub mod cases;
pub mod check;
pub mod checkpoint;
pub mod choices;
pub mod claims;
pub mod course;
pub mod diagnostic;
pub mod document;
pub mod earlier;
pub mod evaluate;
mod excerpt;
pub mod executed;
pub mod extends;
pub mod identity;
mod inputs;
pub mod keeper;
pub mod kept_spectra;
pub mod labels;
pub mod limits;
pub mod lock;
pub mod masks;
pub mod measure;
pub mod memory;
pub mod moment;
pub mod notes;
pub mod objective;
pub mod optimizer;
pub mod overrides;
pub mod pace;
pub mod plan;
pub mod prepare;
pub mod progress;
pub mod raw;
pub mod read;
pub mod resolved;
pub mod resume;
pub mod run;
pub mod sampling;
pub mod schedule;
pub mod schema;
pub mod sealed;
mod shapes;
pub mod shared;
pub mod state_folder;
mod sums;
pub mod surveyed;
pub mod sweep;
pub mod tensorboard;
pub mod train;
pub mod training_state;
pub mod verify;

pub use eigenscape_core::weights;

pub use diagnostic::{ConfigError, Failure, Result};
