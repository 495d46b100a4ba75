//! The CPU backend: programs from Candle tensors to Candle tensors, by kernels of our own.
//!
//! [`Cpu`] follows a [`Plan`](eigenscape_runtime::Plan): a run has one `arena`, in which all lies
//! that is no input and no output. `evaluate` has a kernel for each operation, `kernels` are plain
//! functions from numbers to numbers. Reductions run in an order that depends on shapes alone, so
//! that results are the same bits for any number of threads.
//!
//! [`Plain`] is the specification: every operation by its definition, element by element, without
//! vectors, threads or fusion. Backends are compared with it.

mod arena;
mod backend;
mod evaluate;
mod kernels;
mod numbers;
mod outside;
mod plain;
mod run;

pub use backend::Cpu;
use eigenscape_runtime::{Error, Result};
pub use plain::Plain;
