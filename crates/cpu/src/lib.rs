//! The CPU backend: programs on Candle tensors, by kernels of our own.
//!
//! [`Cpu`] follows a [`Plan`](eigenscape_runtime::Plan): `evaluate` has a kernel for each
//! operation, `kernels` are plain functions from tensors to tensors. Reductions run in an order
//! that depends on shapes alone, so that results are the same bits for any number of threads.
//!
//! [`Plain`] is the specification: every operation by its definition, element by element, without
//! vectors, threads or fusion. Backends are compared with it.

mod evaluate;
mod kernels;
mod plain;
mod run;

use eigenscape_runtime::{Error, Result};
pub use plain::Plain;
pub use run::Cpu;
