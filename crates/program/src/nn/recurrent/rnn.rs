//! Elman's recurrent network.

use super::{Cell, Layer, RecurrentSettings, recurrent};
use crate::{ElementwiseFunction as Function, Graph, Scope, Value, error::Result};

/// What a state of an [`rnn`] passes through.
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

/// h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh) from h₀ = 0 (Elman 1990), as `torch.nn.RNN`:
/// the states \[T, N, H\] of x \[T, N, I\], 2H of them where it is bidirectional; with
/// `batch_first` both are \[N, T, ...\]. Parameters `weight_ih_l0` \[H, I\], `weight_hh_l0` \[H,
/// H\], `bias_ih_l0` and `bias_hh_l0` \[H\], and so on for each layer; `_reverse` is behind the
/// names of the other direction.
///
/// # Errors
/// When x has not three axes, or a size is 0.
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
