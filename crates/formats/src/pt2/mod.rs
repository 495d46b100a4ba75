//! Networks written by `torch.export.save`: zip archives of a graph in JSON and raw tensors.
//!
//! A [`Package`] is the content of a file; this module does not interpret the graph's operations.
//! Files of PyTorch 2.6 to 2.15 are supported. Their archives have three layouts (`layout.rs`), and
//! their graphs have major version 8 of the schema. Unknown fields are ignored.
//!
//! No code in a file is executed. Tensors stay in the file's bytes. The graph takes at most a few
//! times the memory of its JSON text, because no value takes more than twice the length of its
//! shortest text.

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
pub use package::{Package, Range};
pub use scalar_type::ScalarType;
pub use signature::{InputSpec, OutputSpec, Signature};
pub use tensors::{Storage, Tensor};
