//! Turns an experiment's TOML file into a checked plan, and the plan into results.
//!
//! From a file to a plan: [`document`] (a tree with source locations), with inherited files
//! ([`extends`]) and possibly several experiments ([`cases`]) → [`choices`] of the command line
//! (profile, `--set` flags: [`overrides`]) and [`sweep`] → [`raw`] (serde types) → [`check`] →
//! [`plan`] (types in which every value is valid).
//!
//! From a plan to results: [`prepare`] (data, network, weights, groups; the last errors that the
//! file can cause) → [`run`]. Each run alternates between [`mod@train`] and [`measure`] and writes
//! into a folder of [`artifacts`], which one process writes at a time ([`lock`]). An interrupted
//! plan keeps its finished runs ([`resume`]) and, for an unfinished run, the training's state and
//! spectra ([`state_folder`]). Earlier results in the folder are kept, too ([`earlier`]).

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
pub mod device;
pub mod diagnostic;
pub mod distances;
pub mod document;
pub mod earlier;
pub mod epoch;
pub mod evaluate;
mod excerpt;
pub mod executed;
pub mod extends;
mod findings;
pub mod identity;
mod inputs;
pub mod keeper;
pub mod kept_spectra;
pub mod labels;
pub mod limits;
pub mod lock;
pub mod masks;
pub mod measure;
pub mod measured;
pub mod memory;
pub mod notes;
pub mod objective;
pub mod optimizer;
pub mod overrides;
pub mod pace;
pub mod plan;
pub mod prepare;
pub mod progress;
mod pulse;
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
pub mod tables;
pub mod tensorboard;
pub mod train;
pub mod training_state;
pub mod vectors;
pub mod verify;
pub mod work;

pub use eigenscape_core::weights;

pub use diagnostic::{ConfigError, Failure, Result};
