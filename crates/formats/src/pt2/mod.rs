//! Networks that `torch.export.save` wrote: a zip archive of a graph in JSON and of raw tensors.
//!
//! A [`Package`] is what such a file says, and no more: what the operations of its graph mean is not
//! known here. Files of PyTorch 2.5 to 2.15 are read, whose archives are laid out in three ways
//! (`layout.rs`); all have the graph's schema of major version 8, whose unknown fields are passed
//! over.
//!
//! Nothing in a file is run. Tensors stay where they lie in the file, apart from those that are
//! pickled or not contiguous; the graph takes a few times the memory of its text, since the shortest
//! text of anything that is kept is half as long as what is kept of it.

mod argument;
mod graph;
mod layout;
mod package;
mod scalar_type;
mod signature;
mod tensors;
mod union;

pub use argument::{Argument, NamedArgument, Size};
pub use graph::{Graph, MetaSize, Metadata, Node, TensorMeta};
pub use package::Package;
pub use scalar_type::ScalarType;
pub use signature::{InputSpec, OutputSpec, Signature};
pub use tensors::{Storage, Tensor};
