//! Curvature of a network's loss: products with the Hessian, the Gauss-Newton matrix and their
//! difference, per-sample Jacobian rows, traces and third derivatives.
//!
//! An [`Objective`] is the mean loss of a network on N samples as a program, with every derivative
//! of it. [`Programs`] caches these programs. A [`Point`] holds the parameters and data, and the
//! backend that stores them. [`MeanLoss`] is the mean over any number of samples, in micro-batches
//! that fit into memory.
//!
//! This crate is an API boundary: estimators and regularizers of plugins use it.

mod factor;
mod objective;
mod parts;
mod penalty;
mod placed;
mod point;
mod product;
mod programs;
mod residuals;
mod streamed;
mod targets;
#[cfg(test)]
mod testing;

pub use factor::{Factor, PlacedProduct, PlacedRows, RowSize, Rows};
pub use objective::{Function, Objective};
pub use penalty::{KnownLoss, Over, Penalty, PenaltyFunction, PenaltyScope, TraceEstimate};
pub use point::Point;
pub use product::{Product, ProductProgram};
pub use programs::Programs;
pub use residuals::Residuals;
pub use streamed::{
    LossGradient, MeanLoss, StreamedColumns, StreamedFactor, StreamedProduct, samples_are_independent,
};
pub use targets::{TargetRows, class_targets};
