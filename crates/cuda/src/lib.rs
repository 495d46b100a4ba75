//! The CUDA backend: plans on one NVIDIA GPU.
//!
//! Nothing of CUDA is needed to build it. The driver, NVRTC (which compiles kernels) and cuBLAS
//! (products of matrices) are found at run time; what is missing is said.
//!
//! A [`Plan`](eigenscape_runtime::Plan) becomes a list of commands once (`compile`): each step is
//! emitted by its file in `emit`, all memory within one arena is decided, and kernels for its
//! chains of element-wise operations are generated. A run fills in the addresses of inputs and
//! outputs and starts the commands on one stream; when the same addresses come again, a recording
//! of them is replayed.
//!
//! No kernel uses atomic operations, shared memory or a barrier: each element of a result is made
//! by one thread in an order that depends on shapes alone, long sums in stages. So the same program
//! on the same card gives the same bits, and kernels can be compiled as C and tested without a
//! card.

// The driver and its libraries are C: each call stands behind a function that says why it is sound.
#![allow(unsafe_code)]

mod basis;
mod buffer;
mod command;
mod compile;
mod cublas;
mod cuda;
mod device;
mod driver;
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

pub use cuda::{Cuda, Settings};
use eigenscape_runtime::Result;
pub use library::Folders;
pub use profile::Spent;
