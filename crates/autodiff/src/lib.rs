//! Differentiable programs.
pub mod error;
mod factor;
mod scope;
pub use error::{Error, Result};
pub use factor::{Factor, Rows};
pub use scope::{Init, Parameter, Scope};
/// A value of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(crate) u32);
