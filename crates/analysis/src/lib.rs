//! From results to what they say: functions from `results.json` to numbers and verdicts, of which
//! neither an experiment nor a figure knows how they come about.
//!
//! These are no plugins: an experiment states what it *expects* ([`expectation`]), and every report
//! shows the rest where there is data for it.

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

pub use digits::significant;
pub use expectation::Expectation;
