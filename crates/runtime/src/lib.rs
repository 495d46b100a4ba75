//! Planning and running programs: from a [`Program`](eigenscape_program::Program) to numbers.
//!
//! A program is [lowered](Lowered) once, which fuses its steps for a backend. For the types and
//! leading axes of a run's inputs, a [`Plan`] decides all memory and shapes: which results are
//! views, which are written over an operand, where each lies in the plan's arena, and how many
//! bytes are held and moved. A [`Backend`] runs the plan on [`Buffer`]s in its own memory.
//! [`split()`] is partial evaluation: it separates the part of a program that does not depend on
//! some inputs from the rest.
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
mod placement;
mod plan;
mod prepared;
mod product;
mod samples;
mod scan;
mod simd;
mod split;
mod workspace;

pub use backend::{Backend, Fusion, Planning};
pub use buffer::{Buffer, DeviceBuffer};
pub use definitions::{Array, Definitions};
pub use each::each;
pub use error::{Error, Result};
pub use executable::Executable;
pub use interrupt::Interrupt;
pub use kernel::{Chain, ElementWise, Instruction, Kernel};
pub use layout::Layout;
pub use lowered::Lowered;
pub use memory::{Footprint, Home};
pub use placement::{ALIGNMENT, aligned};
pub use plan::{Conversion, Input, Plan, PlannedStep, Signature};
pub use product::{ProductAxes, lead_is_rows};
pub use samples::{Part, Parts};
pub use scan::LoweredScan;
pub use simd::{SIMD, arch, check_simd, simd};
pub use split::split;
pub use workspace::{Bound, Operand, Workspace};
