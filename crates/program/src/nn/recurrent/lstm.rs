//! Long short-term memory.

use super::{Cell, Layer, RecurrentSettings, gate, recurrent};
use crate::{ElementwiseFunction as Function, Graph, Scope, Value, error::Result};

/// c_t = f ∘ c_{t−1} + i ∘ g and h_t = o ∘ tanh(c_t), with i, f, o = σ(·) and g = tanh(·) of W_ih
/// x_t + b_ih + W_hh h_{t−1} + b_hh (Hochreiter & Schmidhuber 1997, Gers et al. 2000), from zeros,
/// as `torch.nn.LSTM`. Maps x \[T, N, I\] to the states h \[T, N, H\], or \[T, N, 2H\] if it is
/// bidirectional; with `batch_first`, both are \[N, T, ...\]. Parameters `weight_ih_l0` \[4H, I\],
/// `weight_hh_l0` \[4H, H\], `bias_ih_l0` and `bias_hh_l0` \[4H\], each with the rows of i, f, g
/// and o in this order; likewise for each further layer. The names for the reverse direction end in
/// `_reverse`.
///
/// # Errors
/// When x does not have three axes, a size is 0, or `num_layers` is not 1 to 1000.
pub fn lstm(scope: &mut Scope, x: Value, settings: &RecurrentSettings) -> Result<Value> {
    recurrent(scope, "lstm", x, settings, Cell::Lstm)
}

/// Selects h (`index` 0) or c (`index` 1) \[T, N, H\] from `states` \[T, 2, N, H\].
pub(super) fn state(graph: &mut Graph, states: Value, index: usize) -> Result<Value> {
    let state = graph.slice(states, 1, index, 1)?;
    let shape = graph.shape(state).to_vec();
    graph.reshape(state, &[shape[0], shape[2], shape[3]])
}

/// The states h and c at all times, stacked: \[T, 2, N, H\].
pub(super) fn both_states(graph: &mut Graph, layer: &Layer) -> Result<Value> {
    let Layer { samples, hidden, .. } = *layer;
    let input = layer.fully_biased_input(graph)?;
    let start = start(graph, layer)?;
    graph.scan(start, &[input], &[layer.weight], layer.direction, |graph, state, x, weight| {
        let [h, c] = [0, 1].map(|index| part(graph, state, index, [samples, hidden]));
        let own = graph.linear(h?, weight[0])?;
        let gates = graph.add(own, x[0])?;
        next(graph, c?, gates, [samples, hidden])
    })
}

/// The states h \[T, N, P\] and c \[T, N, H\] at all times of a layer with a projection, h = W_hr
/// (o ∘ tanh(c)) (Sak et al. 2014).
pub(super) fn projected_states(graph: &mut Graph, layer: &Layer) -> Result<Vec<Value>> {
    let Layer { samples, hidden, .. } = *layer;
    let Some(projection) = layer.projection else { return Ok(Vec::new()) };
    let projected = graph.shape(projection)[0];
    let input = layer.fully_biased_input(graph)?;
    let start = match layer.start.as_deref() {
        Some(both) => graph.concat(both, 1)?,
        None => graph.fill(0.0, &[samples, projected + hidden])?,
    };
    let weights = [layer.weight, projection];
    let states = graph.scan(start, &[input], &weights, layer.direction, |graph, state, x, weights| {
        let (h, c) = (graph.slice(state, 1, 0, projected)?, graph.slice(state, 1, projected, hidden)?);
        let own = graph.linear(h, weights[0])?;
        let gates = graph.add(own, x[0])?;
        let [h, c] = step(graph, c, gates, hidden)?;
        let h = graph.linear(h, weights[1])?;
        graph.concat(&[h, c], 1)
    })?;
    Ok(vec![graph.slice(states, 2, 0, projected)?, graph.slice(states, 2, projected, hidden)?])
}

/// The initial h and c, stacked: \[2, N, H\].
fn start(graph: &mut Graph, layer: &Layer) -> Result<Value> {
    let Layer { samples, hidden, .. } = *layer;
    let Some(&[h, c]) = layer.start.as_deref() else { return graph.fill(0.0, &[2, samples, hidden]) };
    let [h, c] = [h, c].map(|part| graph.reshape(part, &[1, samples, hidden]));
    graph.concat(&[h?, c?], 0)
}

/// Selects h (`index` 0) or c (`index` 1) from `state` \[2, N, H\].
fn part(graph: &mut Graph, state: Value, index: usize, shape: [usize; 2]) -> Result<Value> {
    let part = graph.slice(state, 0, index, 1)?;
    graph.reshape(part, &shape)
}

/// The next h and c, stacked \[2, N, H\], given c and the gates before their activation functions.
fn next(graph: &mut Graph, c: Value, gates: Value, [samples, hidden]: [usize; 2]) -> Result<Value> {
    let [h, c] = step(graph, c, gates, hidden)?.map(|part| graph.reshape(part, &[1, samples, hidden]));
    graph.concat(&[h?, c?], 0)
}

/// The next h and c \[N, H\], before any projection.
pub(super) fn step(graph: &mut Graph, c: Value, gates: Value, hidden: usize) -> Result<[Value; 2]> {
    let mut of_gate = |index: usize, function: Function| {
        let gate = gate(graph, gates, index, hidden)?;
        graph.function(function, gate)
    };
    let (i, f) = (of_gate(0, Function::Sigmoid)?, of_gate(1, Function::Sigmoid)?);
    let (g, o) = (of_gate(2, Function::Tanh)?, of_gate(3, Function::Sigmoid)?);
    let (kept, new) = (graph.mul(f, c)?, graph.mul(i, g)?);
    let c = graph.add(kept, new)?;
    let squashed = graph.function(Function::Tanh, c)?;
    Ok([graph.mul(o, squashed)?, c])
}
