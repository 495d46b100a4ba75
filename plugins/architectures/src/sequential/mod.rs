//! Networks written as a list of layers, in PyTorch's terms.
//!
//! [`Layer`] is the vocabulary; each family of layers stands in a file of its own, which holds its keys and what they emit.

mod activation;
mod attention;
mod branches;
mod conv;
mod layer;
mod norm;
mod pool;
mod shape;
mod sides;
mod tokens;

pub use layer::Layer;

use eigenscape_autodiff::{Error, Result, Scope, Value};
use eigenscape_core::Architecture;
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of `sequential`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The layers, in order; the i-th one's parameters are named `i.weight`, `i.bias`, ...
    pub layers: Vec<Layer>,
}

/// A network written as a list of layers.
#[derive(Debug, Clone)]
pub struct Sequential {
    layers: Vec<Layer>,
}

impl Sequential {
    /// The network of these layers.
    #[must_use]
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers }
    }
}

impl Architecture for Sequential {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let y = branches::chain(scope, x, &self.layers, "layers")?;
        let shape = scope.shape(y);
        if shape.len() > 1 && shape.last() == Some(&outputs) {
            return Ok(y);
        }
        let problem = format!(
            "the last one gives {:?} for one sample, and the data has {outputs} outputs: end with flatten and linear {{ out = {outputs} }}",
            shape.get(1..).unwrap_or_default()
        );
        Err(Error::Shape { operation: "layers".to_owned(), problem })
    }

    fn description(&self) -> String {
        format!("a sequence of {} layers", self.layers.len())
    }
}
