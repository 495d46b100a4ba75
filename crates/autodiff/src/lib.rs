//! Differentiable programs on Candle tensors: derivatives to any order, curvature products and affinity proofs.
//!
//! A model is traced once, with shapes, into a [`Graph`] over primitives. Everything else is a function from programs to
//! programs: [`transforms`] derive, [`Program`] evaluates, and [`Objective`] puts them together into gradients, products
//! with the Hessian, the Gauss-Newton matrix and their difference, per-sample Jacobian rows and third derivatives.
//!
//! What is deliberately absent: no primitive knows of networks, losses or Hessians, and no derivative of a network is
//! written by hand.

mod activation;
mod error;
mod factor;
mod graph;
mod identity;
mod init;
mod kernels;
#[cfg(test)]
mod laws;
mod loss;
mod network;
pub mod nn;
mod objective;
mod parts;
mod penalty;
mod point;
mod primitive;
mod primitives;
mod product;
mod program;
mod residuals;
mod scope;
mod softmax;
mod streamed;
mod targets;
#[cfg(test)]
mod testing;
mod trace;
pub mod transforms;
mod variables;

pub use error::{Error, Result};
pub use factor::{Factor, RowSize, Rows};
pub use graph::{Graph, Value};
pub use identity::{Identity, Real};
pub use init::{Init, InitRule, InitRules};
pub use loss::{Categorical, DiagonalRoot, Loss, LossFunction, LossRoot, Needs};
pub use network::Network;
pub use objective::{Function, Objective};
pub use penalty::{KnownLoss, Over, Penalty, PenaltyFunction, PenaltyScope};
pub use point::Point;
pub use primitive::{Affinity, ElementWise, Linearity, NodeRef, Operand, Place, Primitive, Storage};
pub use primitives::{ConvSettings, Function as ElementwiseFunction, PoolSettings};
pub use product::{Product, ProductProgram};
pub use program::Program;
pub use scope::{Mask, Mode, Parameter, Scope};
pub use softmax::Odds;
pub use streamed::{LossGradient, MeanLoss, Predictions, StreamedColumns, StreamedFactor, StreamedProduct};
pub use targets::{ClassCoding, TargetRows, class_targets};
pub use trace::{TraceEstimate, TraceFunction};
pub use variables::Variables;
