//! Imports shared by the tests of all operations.

pub use candle_core::{DType, Device, Tensor};
pub use eigenscape_cpu::Cpu;
pub use eigenscape_laws::{Numbers, Subject, evaluate, evaluate_in};
pub use eigenscape_program::{
    ConvSettings, ElementwiseFunction, Graph, PoolSettings, Real, Value, operations::*, transforms::linearize,
};
pub use eigenscape_runtime::{Executable, Result};
