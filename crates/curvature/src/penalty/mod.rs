//! Penalties: random scalars at a point with their gradients, emitted into the program of the loss
//! itself; training adds them to the loss.
//!
//! Whoever defines a penalty says what its value is ([`PenaltyScope`]); its gradient is derived.
//! Random inputs (probes) are data of the program: whoever evaluates it draws them, and the penalty
//! is the mean over the draws. An estimate of a trace ([`TraceEstimate`]) is one penalty of these.

mod function;
mod sample_mean;
mod scope;
mod squared_norm;
mod trace;

pub use self::{
    function::{KnownLoss, Over, Penalty, PenaltyFunction},
    scope::PenaltyScope,
    trace::TraceEstimate,
};
