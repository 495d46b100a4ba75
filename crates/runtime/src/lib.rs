//! How a program runs: from a [`Program`](eigenscape_program::Program) to numbers.
//!
//! A program is [lowered](Lowered) once, which fuses its steps for a backend. For the inputs of a
//! run, their types and leading axes, a [`Plan`] answers every question of memory and shape: which
//! result is a view, which one is written over an operand, where memory becomes free, how many
//! bytes are held and moved. A [`Backend`] follows the plan, from [`Buffer`]s to [`Buffer`]s:
//! numbers stay where it keeps them. [`split()`] is partial evaluation: a program as what does not
//! depend on some inputs, and the rest.
//!
//! This crate is an API boundary: a new backend implements [`Backend`].

mod backend;
mod buffer;
mod definitions;
mod each;
mod error;
mod executable;
mod facts;
mod fuse;
mod interrupt;
mod kernel;
mod layout;
mod lowered;
mod memory;
mod pairs;
mod plan;
mod prepared;
mod product;
mod samples;
mod scan;
mod split;
mod workspace;

pub use backend::{Backend, Fusion};
pub use buffer::{Buffer, DeviceBuffer};
pub use definitions::{Array, Definitions};
pub use each::each;
pub use error::{Error, Result};
pub use executable::Executable;
pub use interrupt::Interrupt;
pub use kernel::{Chain, ElementWise, Instruction, Kernel};
pub use layout::Layout;
pub use lowered::Lowered;
pub use memory::Footprint;
pub use plan::{Input, Plan, PlannedStep, Signature};
pub use product::{ProductAxes, lead_is_rows};
pub use samples::{Part, Parts};
pub use scan::LoweredScan;
pub use split::split;
