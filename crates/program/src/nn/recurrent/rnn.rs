//! Elman's recurrent neural network.

use super::{Cell, Layer, RecurrentSettings, recurrent};
use crate::{ElementwiseFunction as Function, Graph, Scope, Value, error::Result};

/// The activation function of an [`rnn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nonlinearity {
    /// tanh(x)
    #[default]
    Tanh,
    /// max(x, 0)
    Relu,
}

impl Nonlinearity {
    pub(super) fn function(self) -> Function {
        match self {
            Self::Tanh => Function::Tanh,
            Self::Relu => Function::Relu,
        }
    }
}

/// h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh) (or with ReLU for tanh) from h₀ = 0 (Elman
/// 1990), as `torch.nn.RNN`. Maps x \[T, N, I\] to the states \[T, N, H\], or \[T, N, 2H\] if it is
/// bidirectional; with `batch_first`, both are \[N, T, ...\]. Parameters `weight_ih_l0` \[H, I\],
/// `weight_hh_l0` \[H, H\], `bias_ih_l0` and `bias_hh_l0` \[H\]; likewise for each further layer.
/// The names for the reverse direction end in `_reverse`.
///
/// # Errors
/// When x does not have three axes, a size is 0, or `num_layers` is not 1 to 1000.
pub fn rnn(
    scope: &mut Scope,
    x: Value,
    settings: &RecurrentSettings,
    nonlinearity: Nonlinearity,
) -> Result<Value> {
    recurrent(scope, "rnn", x, settings, Cell::Rnn(nonlinearity))
}

pub(super) fn states(graph: &mut Graph, layer: &Layer, function: Function) -> Result<Value> {
    let input = layer.fully_biased_input(graph)?;
    let start = layer.start(graph)?;
    graph.scan(start, &[input], &[layer.weight], layer.direction, |graph, h, x, weight| {
        let own = graph.linear(h, weight[0])?;
        let sum = graph.add(own, x[0])?;
        graph.function(function, sum)
    })
}
