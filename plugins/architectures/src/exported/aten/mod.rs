//! PyTorch's operations, by families: each in terms of the emitter's few, and of the layers of
//! `program::nn`.

mod activation;
mod attention;
mod bags;
mod convolution;
mod creation;
mod diagonals;
mod dropout;
mod einsum;
mod elementwise;
mod functions;
mod indexing;
mod joining;
mod linear_algebra;
mod logic;
mod losses;
mod normalisation;
mod norms;
mod padding;
mod pairs;
mod places;
mod pooling;
mod recurrent;
mod reduction;
mod rounding;
mod running;
mod scattering;
mod shape;
mod slicing;
mod sliding;
mod sorting;
mod strided;
mod symbolic;
mod table;
mod upsampling;

use eigenscape_program::Result;
pub(super) use table::{find, is_view};

use super::{arguments::Arguments, emitter::Emitter, tensor::Item};

/// How an operation is translated.
pub(super) type Operation = fn(&Arguments, &mut Emitter) -> Result<Item>;
