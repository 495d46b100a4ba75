//! Recurrent layers with given weights and initial states.

use super::{Layer, MOST_LAYERS, Nonlinearity, RecurrentSettings, gru, lstm, rnn};
use crate::{
    Graph, Mode, Scope, Value,
    error::{Error, Result},
    nn::dropout,
    operations::Direction,
};

/// The cell of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// The cell of [`rnn`](super::rnn()).
    Rnn(Nonlinearity),
    /// The cell of [`lstm`](super::lstm()).
    Lstm,
    /// The cell of [`gru`](super::gru()).
    Gru,
}

impl Cell {
    /// G, the number of gates.
    pub(super) fn gates(self) -> usize {
        match self {
            Self::Rnn(_) => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }
}

/// The weights of one direction of one layer, with H rows for each of the G gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellWeights {
    /// W_ih \[G·H, I\].
    pub of_input: Value,
    /// W_hh \[G·H, H\], or \[4H, P\] with a projection.
    pub of_state: Value,
    /// b_ih and b_hh \[G·H\].
    pub biases: Option<[Value; 2]>,
    /// W_hr \[P, H\] of an LSTM whose states h are W_hr (o ∘ tanh(c)).
    pub projection: Option<Value>,
}

/// The results of recurrent layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurred {
    /// The states h of the last layer at all times.
    pub outputs: Value,
    /// The last states \[layers · directions, N, H\]: h (of size P with a projection), and for an
    /// LSTM also c.
    pub last: Vec<Value>,
}

/// Recurrent layers on x \[T, N, I\], or \[N, T, I\] with `batch_first`. `weights` lists the layers
/// in order, and for each layer its directions, forward first. `start` has the initial states h,
/// and for an LSTM also c, in the shapes of [`Recurred::last`]; if it is empty, they are 0. In
/// train mode, elements between layers are dropped with this probability.
///
/// # Errors
/// When x does not have three axes or is empty, there are more than 1000 layers or none, or the
/// weights or initial states do not fit.
pub fn recurrent_by(
    scope: &mut Scope,
    x: Value,
    cell: Cell,
    settings: &RecurrentSettings,
    (weights, start): (&[CellWeights], &[Value]),
    probability: f64,
) -> Result<Recurred> {
    let shape = scope.shape(x);
    let directions = settings.directions();
    let wrong = weights.len() != settings.num_layers * directions.len() || settings.num_layers > MOST_LAYERS;
    let wrong = wrong || (cell != Cell::Lstm && weights.iter().any(|own| own.projection.is_some()));
    if shape.len() != 3 || shape.contains(&0) || weights.is_empty() || wrong {
        let problem = format!("{} weights of {settings:?} do not fit {shape:?}", weights.len());
        return Err(Error::shape("recurrent", problem));
    }
    let mut last = vec![Vec::new(); if cell == Cell::Lstm { 2 } else { 1 }];
    if !start.is_empty() && start.len() != last.len() {
        let problem = format!("{} initial states are given, and {} needed", start.len(), last.len());
        return Err(Error::shape("recurrent", problem));
    }
    let swapped = [1, 0, 2];
    let mut y = if settings.batch_first { scope.graph().permute(x, &swapped)? } else { x };
    for (number, weights) in weights.chunks(directions.len()).enumerate() {
        if number > 0 {
            y = between_layers(scope, y, probability)?;
        }
        let graph = scope.graph();
        let mut both = Vec::new();
        for (place, (&direction, weights)) in directions.iter().zip(weights).enumerate() {
            let samples = graph.shape(y)[1];
            let start = starts(graph, start, number * directions.len() + place)?;
            let layer = Layer {
                input: graph.linear(y, weights.of_input)?,
                weight: weights.of_state,
                biases: weights.biases,
                direction,
                samples,
                hidden: settings.hidden_size,
                projection: weights.projection,
                start: (!start.is_empty()).then_some(start),
            };
            let states = states(graph, cell, &layer)?;
            for (last, states) in last.iter_mut().zip(&states) {
                last.push(at_end(graph, *states, direction)?);
            }
            both.push(states[0]);
        }
        y = graph.concat(&both, 2)?;
    }
    let graph = scope.graph();
    let last = last.iter().map(|parts| graph.concat(parts, 0)).collect::<Result<_>>()?;
    let outputs = if settings.batch_first { graph.permute(y, &swapped)? } else { y };
    Ok(Recurred { outputs, last })
}

/// Dropout of y \[T, N, D\] in train mode, with a separate mask for each sample.
fn between_layers(scope: &mut Scope, y: Value, probability: f64) -> Result<Value> {
    if scope.mode() == Mode::Eval || probability == 0.0 {
        return Ok(y);
    }
    let by_sample = scope.graph().permute(y, &[1, 0, 2])?;
    let dropped = dropout(scope, by_sample, probability)?;
    scope.graph().permute(dropped, &[1, 0, 2])
}

/// The initial states \[N, H\] of one direction of one layer: entry `place` of each of `all`.
fn starts(graph: &mut Graph, all: &[Value], place: usize) -> Result<Vec<Value>> {
    let own = |start: &Value| {
        let own = graph.slice(*start, 0, place, 1)?;
        let shape = graph.shape(own)[1..].to_vec();
        graph.reshape(own, &shape)
    };
    all.iter().map(own).collect()
}

/// The states \[T, N, H\] at all times: h, and for an LSTM also c.
fn states(graph: &mut Graph, cell: Cell, layer: &Layer) -> Result<Vec<Value>> {
    Ok(match cell {
        Cell::Rnn(nonlinearity) => vec![rnn::states(graph, layer, nonlinearity.function())?],
        Cell::Gru => vec![gru::states(graph, layer)?],
        Cell::Lstm if layer.projection.is_some() => lstm::projected_states(graph, layer)?,
        Cell::Lstm => {
            let both = lstm::both_states(graph, layer)?;
            vec![lstm::state(graph, both, 0)?, lstm::state(graph, both, 1)?]
        }
    })
}

/// The state \[1, N, H\] that is computed last in this direction.
fn at_end(graph: &mut Graph, states: Value, direction: Direction) -> Result<Value> {
    let place = match direction {
        Direction::Forward => graph.shape(states)[0] - 1,
        Direction::Reverse => 0,
    };
    graph.slice(states, 0, place, 1)
}
