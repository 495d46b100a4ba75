//! The CPU backend: runs programs on Candle tensors with its own kernels.
//!
//! [`Cpu`] executes a [`Plan`](eigenscape_runtime::Plan). All intermediate results of a run lie in
//! one `arena`; inputs and outputs have their own memory. `evaluate` has a kernel for each
//! operation; `kernels` are plain functions on slices of numbers. Reductions run in an order that
//! depends on shapes alone, so that results are bitwise the same for any number of threads.
//!
//! `bounds` says how much memory a step takes beside its operands and its result.
//!
//! [`Plain`] is the specification: it evaluates every operation by its definition, element by
//! element, without SIMD, threads or fusion. Other backends are compared with it.

mod arena;
mod backend;
mod bounds;
mod evaluate;
mod kernels;
mod numbers;
mod outside;
mod plain;
mod run;

pub use backend::{Cpu, PLANNING};
use eigenscape_runtime::{Error, Result};
pub use plain::Plain;
