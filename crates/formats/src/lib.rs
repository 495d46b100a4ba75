//! Reading what others wrote, damaged or hostile: nothing in a file is run, no length in it is
//! believed, and memory is bounded by the file's size.
//!
//! | module | format |
//! | --- | --- |
//! | [`pickle`] | Python's pickles: `torch.save`'s tensors, NumPy's arrays |
//! | [`safetensors`] | safetensors files |
//! | [`checkpoint`] | weights of either kind, recognised by how they begin |
//! | [`pt2`] | networks that `torch.export.save` wrote: a graph and its tensors |
//! | [`zip`], [`archive`] | zip archives; files out of them, or out of gzipped tar archives |
//! | [`mat`], [`idx`] | MATLAB's arrays of level 5, MNIST's arrays of bytes |
//!
//! [`regular_file`] opens files, [`memory`] is how much a machine has for them, and [`checksum`]
//! tells whether they are what was published. What networks, data sets and experiments make of the
//! contents is not known here.

pub mod archive;
pub mod checkpoint;
pub mod checksum;
pub mod error;
pub mod idx;
pub mod mat;
pub mod memory;
pub mod pickle;
pub mod pt2;
pub mod regular_file;
pub mod safetensors;
pub mod stored;
pub mod zip;

pub use error::{Error, Refusal, Result};
pub use stored::Stored;
