//! Analyses of results: functions from `results.json` to numbers and verdicts, independent of how
//! experiments run and how figures look.
//!
//! Analyses are not plugins: an experiment states what it *expects* ([`expectation`]), and every
//! report shows the other analyses for which it has data.

pub mod against_trace;
pub mod batches;
pub mod depth;
pub mod depth_summary;
mod digits;
pub mod embedding;
pub mod expectation;
pub mod measured;
pub mod outliers;
pub mod regression;
pub mod reruns;
pub mod statistics;
pub mod uncertainty;
pub mod verdict;

pub use digits::{significant, with_error};
pub use expectation::Expectation;
