//! Files of other programs. Readers, of files that may be damaged or hostile: nothing in a file is
//! run, no length in it is trusted, and memory is bounded by the file's size. And writers of tables.
//!
//! | module | format |
//! | --- | --- |
//! | [`pickle`] | Python's pickles: `torch.save`'s tensors, NumPy's arrays |
//! | [`safetensors`] | safetensors files |
//! | [`checkpoint`] | weights of either kind, recognised by their first bytes |
//! | [`pt2`] | networks written by `torch.export.save`: a graph and its tensors |
//! | [`zip`], [`archive`] | zip archives; files in zip or gzipped tar archives |
//! | [`mat`], [`idx`] | MATLAB's arrays of level 5, MNIST's arrays of bytes |
//! | [`npz`], [`parquet`] | written only: NumPy's archives; tables for pandas |
//!
//! [`regular_file`] opens files, [`memory`] gives the machine's memory, and [`checksum`] detects
//! damaged files. What networks, data sets and experiments make of the contents is outside this
//! crate.

pub mod archive;
pub mod checkpoint;
pub mod checksum;
pub mod error;
pub mod idx;
pub mod mat;
pub mod memory;
pub mod npz;
pub mod parquet;
pub mod pickle;
pub mod pt2;
pub mod regular_file;
pub mod safetensors;
pub mod stored;
pub mod zip;

pub use error::{Error, Refusal, Result};
pub use stored::Stored;
