//! Network architectures.

use std::collections::BTreeMap;

use candle_core::Tensor;
use eigenscape_program::{Result, Scope, Value};

/// A tensor of an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInput {
    /// Its name, that of an argument of PyTorch's `forward`.
    pub name: String,
    /// Its sizes for one example; `None` where any fits.
    pub shape: Vec<Option<usize>>,
}

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

    /// The numbers with which parameters and buffers start, by their names, where the architecture
    /// brings some: then none are drawn.
    fn weights(&self) -> Option<&BTreeMap<String, Tensor>> {
        None
    }

    /// The tensors that an example consists of, where they have names; in this order they are one
    /// after the other in x \[N, D\] where there are several.
    fn inputs(&self) -> &[ModelInput] {
        &[]
    }
}
