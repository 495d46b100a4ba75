//! Network architectures.

use eigenscape_program::Result;
use eigenscape_program::{Scope, Value};

/// Builds a network's program.
pub trait Architecture: Send + Sync {
    /// Emits the network from its input `x` \[N, ...\] to its outputs \[N, C\] (`outputs` is C).
    /// Parameters are taken from `scope`, which names them as PyTorch does (`features.0.weight`),
    /// so that a PyTorch checkpoint loads as it is.
    ///
    /// # Errors
    /// When the input's shape does not fit the architecture.
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value>;

    /// The architecture with its settings, in one line for the report.
    fn description(&self) -> String;
}
