//! Differentiable programs: derivatives to any order and proofs of affinity.
//!
//! A model is traced once, with shapes, into a [`Graph`] of [operations](Operation). [`transforms`]
//! emit derivatives into the same graph, and a [`Program`] is the part of a graph that given
//! outputs depend on. Nothing is evaluated here: the crate `eigenscape-runtime` plans how a program
//! runs, and a backend runs the plan.
//!
//! By design, operations know nothing of networks, losses or Hessians, and no derivative of a
//! network is written by hand.
//!
//! This crate is an API boundary: plugins define architectures, losses and operations with it.

mod batched;
mod error;
mod graph;
mod identity;
mod init;
mod loss;
mod module_output;
mod network;
pub mod nn;
mod operation;
pub mod operations;
mod primitive;
mod program;
mod scope;
mod softmax;
pub mod transforms;
mod variables;

pub use batched::Batched;
pub use error::{Error, Result};
pub use graph::{Graph, Value, check_size};
pub use identity::{Identity, Real};
pub use init::{Init, InitRule, InitRules};
pub use loss::{Categorical, ClassCoding, DiagonalRoot, Loss, LossFunction, LossRoot, Needs, Predictions};
pub use module_output::activation;
pub use network::{Network, Traced};
pub use operation::Operation;
pub use operations::{ConvSettings, Function as ElementwiseFunction, PoolSettings};
pub use primitive::{Affinity, Linearity, NodeRef, Primitive};
pub use program::{Program, Step};
pub use scope::{Mask, Mode, Parameter, Scope};
pub use softmax::Odds;
pub use variables::{Slice, Variables, selected};
