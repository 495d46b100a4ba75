//! Recurrent layers by given weights and from given states.

use super::{Layer, MOST_LAYERS, Nonlinearity, RecurrentSettings, gru, lstm, rnn};
use crate::{
    Graph, Mode, Scope, Value,
    error::{Error, Result},
    nn::dropout,
    operations::Direction,
};

/// What a recurrent layer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// That of [`rnn`](super::rnn()).
    Rnn(Nonlinearity),
    /// That of [`lstm`](super::lstm()).
    Lstm,
    /// That of [`gru`](super::gru()).
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

/// The weights of one direction of one layer, whose rows are those of G gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellWeights {
    /// W_ih \[G·H, I\].
    pub of_input: Value,
    /// W_hh \[G·H, H\].
    pub of_state: Value,
    /// b_ih and b_hh \[G·H\].
    pub biases: Option<[Value; 2]>,
}

/// What a recurrent layer gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurred {
    /// The states of the last layer at all times.
    pub outputs: Value,
    /// The last states \[layers · directions, N, H\]: h, and c where the cell has it.
    pub last: Vec<Value>,
}

/// The states of x by given weights, those of one layer after the other, both directions of each; from
/// `start`, h and perhaps c \[layers · directions, N, H\], or zeros where it is empty. In train mode `probability` is that with
/// which elements between layers are dropped.
///
/// # Errors
/// When shapes or numbers do not fit together.
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
    if shape.len() != 3 || shape.contains(&0) || weights.is_empty() || wrong {
        let problem = format!("{} weights of {settings:?} do not fit {shape:?}", weights.len());
        return Err(Error::shape("recurrent", problem));
    }
    let swapped = [1, 0, 2];
    let mut y = if settings.batch_first { scope.graph().permute(x, &swapped)? } else { x };
    let mut last = vec![Vec::new(); if cell == Cell::Lstm { 2 } else { 1 }];
    for (number, weights) in weights.chunks(directions.len()).enumerate() {
        if number > 0 {
            y = between_layers(scope, y, probability)?;
        }
        let graph = scope.graph();
        let mut both = Vec::new();
        for (place, (&direction, weights)) in directions.iter().zip(weights).enumerate() {
            let samples = graph.shape(y)[1];
            let start =
                starts(graph, start, number * directions.len() + place, [samples, settings.hidden_size])?;
            let layer = Layer {
                input: graph.linear(y, weights.of_input)?,
                weight: weights.of_state,
                biases: weights.biases,
                direction,
                samples,
                hidden: settings.hidden_size,
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

/// Dropout of \[T, N, D\] in train mode; masks belong to samples.
fn between_layers(scope: &mut Scope, y: Value, probability: f64) -> Result<Value> {
    if scope.mode() == Mode::Eval || probability == 0.0 {
        return Ok(y);
    }
    let by_sample = scope.graph().permute(y, &[1, 0, 2])?;
    let dropped = dropout(scope, by_sample, probability)?;
    scope.graph().permute(dropped, &[1, 0, 2])
}

/// The states \[N, H\] with which one direction of one layer starts.
fn starts(graph: &mut Graph, all: &[Value], place: usize, shape: [usize; 2]) -> Result<Vec<Value>> {
    let own = |start: &Value| {
        let own = graph.slice(*start, 0, place, 1)?;
        graph.reshape(own, &shape)
    };
    all.iter().map(own).collect()
}

/// The states \[T, N, H\] at all times: h, and c where the cell has it.
fn states(graph: &mut Graph, cell: Cell, layer: &Layer) -> Result<Vec<Value>> {
    Ok(match cell {
        Cell::Rnn(nonlinearity) => vec![rnn::states(graph, layer, nonlinearity.function())?],
        Cell::Gru => vec![gru::states(graph, layer)?],
        Cell::Lstm => {
            let both = lstm::both_states(graph, layer)?;
            vec![lstm::state(graph, both, 0)?, lstm::state(graph, both, 1)?]
        }
    })
}

/// The state \[1, N, H\] after the last time that a direction comes to.
fn at_end(graph: &mut Graph, states: Value, direction: Direction) -> Result<Value> {
    let place = match direction {
        Direction::Forward => graph.shape(states)[0] - 1,
        Direction::Reverse => 0,
    };
    graph.slice(states, 0, place, 1)
}
