//! One step of a recurrent layer.

use super::{Cell, CellWeights, gru, lstm};
use crate::{
    Graph, Value,
    error::{Error, Result},
    nn::linear::add_bias,
};

/// The states after one step of a cell, given its input x \[N, I\] and the states before it: h
/// \[N, H\], and for an LSTM also c. As `torch.nn.RNNCell`, `LSTMCell` and `GRUCell`.
///
/// # Errors
/// When the number of states is not the cell's, the weights or the states do not fit, or there is a
/// projection.
pub fn recurrent_step(
    graph: &mut Graph,
    x: Value,
    cell: Cell,
    weights: &CellWeights,
    states: &[Value],
) -> Result<Vec<Value>> {
    let unfit = |problem: String| Error::shape("recurrent_step", problem);
    let needed = if cell == Cell::Lstm { 2 } else { 1 };
    let (&[samples, _], Some(&h)) = (graph.shape(x), states.first()) else {
        return Err(unfit(format!("{} states for the input {:?}", states.len(), graph.shape(x))));
    };
    let hidden = graph.shape(h).last().copied().unwrap_or(0);
    let fits = states.iter().all(|state| graph.shape(*state) == [samples, hidden]);
    let rows = cell.gates().checked_mul(hidden);
    let rows_fit = graph.shape(weights.of_input).first().copied() == rows;
    if states.len() != needed || !fits || !rows_fit || weights.projection.is_some() {
        let shapes: Vec<&[usize]> = states.iter().map(|state| graph.shape(*state)).collect();
        return Err(unfit(format!("{shapes:?} are not {needed} states of {cell:?} for {samples} samples")));
    }
    let mut input = graph.linear(x, weights.of_input)?;
    let mut own = graph.linear(h, weights.of_state)?;
    if let Some([of_input, of_state]) = weights.biases {
        input = add_bias(graph, input, of_input, 1)?;
        own = add_bias(graph, own, of_state, 1)?;
    }
    match cell {
        Cell::Rnn(nonlinearity) => {
            let sum = graph.add(input, own)?;
            Ok(vec![graph.function(nonlinearity.function(), sum)?])
        }
        Cell::Gru => Ok(vec![gru::next(graph, h, input, own, hidden)?]),
        Cell::Lstm => {
            let gates = graph.add(input, own)?;
            Ok(lstm::step(graph, states[1], gates, hidden)?.into())
        }
    }
}
