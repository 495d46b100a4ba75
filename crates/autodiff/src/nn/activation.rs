//! Activation functions.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Scope, Value, error::Result, primitives::Function};

/// An activation function by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x for x > 0, otherwise 0.01·x
    LeakyRelu,
    /// tanh(x)
    Tanh,
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// x·Φ(x), the erf form
    Gelu,
    /// x·sigmoid(x)
    Silu,
    /// x for x > 0, otherwise e^x − 1
    Elu,
    /// log(1 + e^x)
    Softplus,
}

/// The activation of each element of x.
///
/// # Errors
/// None at present; the signature is that of all layers.
pub fn activation(scope: &mut Scope, x: Value, activation: Activation) -> Result<Value> {
    let graph = scope.graph();
    match activation {
        Activation::Relu => graph.function(Function::Relu, x),
        Activation::LeakyRelu => graph.function(Function::LeakyRelu { slope: 0.01 }, x),
        Activation::Tanh => graph.function(Function::Tanh, x),
        Activation::Sigmoid => graph.function(Function::Sigmoid, x),
        Activation::Elu => graph.function(Function::Elu { order: 0 }, x),
        Activation::Softplus => graph.function(Function::Softplus, x),
        Activation::Gelu => {
            let gate = graph.function(Function::NormalCdf, x)?;
            graph.mul(x, gate)
        }
        Activation::Silu => {
            let gate = graph.function(Function::Sigmoid, x)?;
            graph.mul(x, gate)
        }
    }
}
