//! Gated recurrent units.

use super::{Cell, Layer, RecurrentSettings, gate, recurrent};
use crate::{ElementwiseFunction as Function, Graph, Scope, Value, error::Result, nn::linear::add_bias};

/// h_t = (1 − z) ∘ n + z ∘ h_{t−1} with r, z = σ(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh) and n =
/// tanh(W_in x_t + b_in + r ∘ (W_hn h_{t−1} + b_hn)) (Cho et al. 2014), from h₀ = 0, as
/// `torch.nn.GRU`. Maps x \[T, N, I\] to the states \[T, N, H\], or \[T, N, 2H\] if it is
/// bidirectional; with `batch_first`, both are \[N, T, ...\]. Parameters `weight_ih_l0` \[3H, I\],
/// `weight_hh_l0` \[3H, H\], `bias_ih_l0` and `bias_hh_l0` \[3H\], each with the rows of r, z and n
/// in this order; likewise for each further layer. The names for the reverse direction end in
/// `_reverse`.
///
/// # Errors
/// When x does not have three axes, a size is 0, or `num_layers` is not 1 to 1000.
pub fn gru(scope: &mut Scope, x: Value, settings: &RecurrentSettings) -> Result<Value> {
    recurrent(scope, "gru", x, settings, Cell::Gru)
}

pub(super) fn states(graph: &mut Graph, layer: &Layer) -> Result<Value> {
    let mut input = layer.input;
    let mut constants = vec![layer.weight];
    if let Some([of_input, of_state]) = layer.biases {
        input = layer.biased_input(graph, of_input)?;
        constants.push(of_state);
    }
    let start = layer.start(graph)?;
    graph.scan(start, &[input], &constants, layer.direction, |graph, h, x, constants| {
        let mut own = graph.linear(h, constants[0])?;
        if let Some(bias) = constants.get(1) {
            own = add_bias(graph, own, *bias, 1)?;
        }
        next(graph, h, x[0], own, layer.hidden)
    })
}

/// The next state, given the contributions \[N, 3H\] of the input and of the state to the gates.
pub(super) fn next(graph: &mut Graph, h: Value, input: Value, own: Value, hidden: usize) -> Result<Value> {
    let mut sum = |index: usize| {
        let [input, own] = [input, own].map(|part| gate(graph, part, index, hidden));
        graph.add(input?, own?)
    };
    let (r, z) = (sum(0)?, sum(1)?);
    let r = graph.function(Function::Sigmoid, r)?;
    let [input, own] = [input, own].map(|part| gate(graph, part, 2, hidden));
    let reset = graph.mul(r, own?)?;
    let n = graph.add(input?, reset)?;
    let n = graph.function(Function::Tanh, n)?;
    let [new, kept] = [(Function::SigmoidComplement, n), (Function::Sigmoid, h)].map(|(function, part)| {
        let factor = graph.function(function, z)?;
        graph.mul(factor, part)
    });
    graph.add(new?, kept?)
}
