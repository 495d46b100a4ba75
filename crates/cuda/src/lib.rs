//! The CUDA backend: runs plans on one NVIDIA GPU.
//!
//! Building it does not need CUDA. The driver, NVRTC (which compiles kernels) and cuBLAS (matrix
//! products) are loaded at run time; if one is missing, the error message names it.
//!
//! A [`Plan`](eigenscape_runtime::Plan) is compiled to a list of commands once (`compile`): each
//! step is emitted by its file in `emit`, kernels are generated for chains of element-wise
//! operations, and all intermediate memory is placed in one arena. A run fills in the addresses of
//! inputs and outputs and enqueues the commands on one stream. When the same addresses recur, a
//! recording of the commands (a CUDA graph) is replayed.
//!
//! No kernel uses atomic operations, shared memory or a barrier: each element of a result is
//! computed by one thread in an order that depends on shapes alone, and long sums are computed in
//! stages. So the same program on the same card gives the same bits, and kernels can be compiled as
//! C and tested without a card.

// The driver and its libraries are C: each call is in a function that says why the call is sound.
#![allow(unsafe_code)]

mod basis;
mod buffer;
mod builder;
mod command;
mod compile;
mod cublas;
mod cuda;
mod cusolver;
mod device;
mod driver;
mod eigenvalues;
mod emit;
mod error;
mod host;
mod kernel;
mod library;
mod nvrtc;
mod profile;
mod run;
mod source;
mod vectors;
mod workspace;

pub use cuda::{Cuda, Settings};
use eigenscape_runtime::Result;
pub use library::Folders;
pub use profile::Spent;
