//! Penalties: scalars at a point, possibly random, with their gradients. They are emitted into the
//! program of the loss itself; training adds them to the loss.
//!
//! A penalty is defined by its value alone ([`PenaltyScope`]); its gradient is derived. Random
//! inputs (probes) are inputs of the program: the caller of an evaluation draws them, and the
//! penalty is the mean over the draws. An estimate of a trace ([`TraceEstimate`]) is one of these
//! penalties.

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
