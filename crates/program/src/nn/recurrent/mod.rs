//! Recurrent layers with PyTorch's names and layouts.
//!
//! The input's contribution to the gates is computed for all times at once; the recurrence itself
//! is one [scan](crate::operations::Scan).

mod given;
mod gru;
mod lstm;
mod rnn;
mod step;

pub use self::{
    given::{Cell, CellWeights, Recurred, recurrent_by},
    gru::gru,
    lstm::lstm,
    rnn::{Nonlinearity, rnn},
    step::recurrent_step,
};
use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
    init::Init,
    nn::linear::add_bias,
    operations::Direction,
};

/// The largest allowed number of layers; more are taken for a mistake.
const MOST_LAYERS: usize = 1_000;

/// The settings of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecurrentSettings {
    /// H, the size of a state.
    pub hidden_size: usize,
    /// The number of layers; each takes the states of the previous one as input.
    pub num_layers: usize,
    /// Whether biases are added.
    pub bias: bool,
    /// Whether the input is \[N, T, I\], not \[T, N, I\].
    pub batch_first: bool,
    /// Whether each layer also runs in the reverse direction and outputs the states of both
    /// directions.
    pub bidirectional: bool,
}

impl RecurrentSettings {
    /// PyTorch's defaults: one layer with states of this size, forward only, with biases.
    #[must_use]
    pub fn new(hidden_size: usize) -> Self {
        Self { hidden_size, num_layers: 1, bias: true, batch_first: false, bidirectional: false }
    }

    fn directions(&self) -> &'static [Direction] {
        if self.bidirectional { &[Direction::Forward, Direction::Reverse] } else { &[Direction::Forward] }
    }
}

/// One direction of one layer, with H rows of the weights for each of the G gates.
struct Layer {
    /// x W_ihᵀ \[T, N, G·H\].
    input: Value,
    /// W_hh \[G·H, H\].
    weight: Value,
    /// b_ih and b_hh \[G·H\].
    biases: Option<[Value; 2]>,
    direction: Direction,
    samples: usize,
    hidden: usize,
    /// W_hr \[P, H\] of an LSTM with a projection.
    projection: Option<Value>,
    /// The initial states \[N, H\]; `None`: zeros.
    start: Option<Vec<Value>>,
}

impl Layer {
    /// The initial state h \[N, H\].
    fn start(&self, graph: &mut Graph) -> Result<Value> {
        match self.start.as_deref() {
            Some(&[start, ..]) => Ok(start),
            _ => graph.fill(0.0, &[self.samples, self.hidden]),
        }
    }

    /// The input plus `bias` at all times and for all samples.
    fn biased_input(&self, graph: &mut Graph, bias: Value) -> Result<Value> {
        add_bias(graph, self.input, bias, 2)
    }

    /// The input plus both biases, for cells that only add up the contributions of input and state.
    fn fully_biased_input(&self, graph: &mut Graph) -> Result<Value> {
        let Some([of_input, of_state]) = self.biases else { return Ok(self.input) };
        let bias = graph.add(of_input, of_state)?;
        self.biased_input(graph, bias)
    }
}

/// Gate `index` of `gates` \[N, G·H\]: columns `index`·H to (`index` + 1)·H.
fn gate(graph: &mut Graph, gates: Value, index: usize, hidden: usize) -> Result<Value> {
    graph.slice(gates, 1, index * hidden, hidden)
}

/// Emits all layers of a cell, starting from zeros, with parameters that it declares.
fn recurrent(
    scope: &mut Scope,
    name: &str,
    x: Value,
    settings: &RecurrentSettings,
    cell: Cell,
) -> Result<Value> {
    let shape = scope.shape(x);
    let RecurrentSettings { hidden_size, num_layers, .. } = *settings;
    if shape.len() != 3 || shape.contains(&0) {
        return Err(Error::shape(name, format!("needs sequences of vectors, three axes, not {shape:?}")));
    }
    if hidden_size == 0 || !(1..=MOST_LAYERS).contains(&num_layers) {
        let problem =
            format!("needs a hidden size and 1 to {MOST_LAYERS} layers, not {hidden_size} and {num_layers}");
        return Err(Error::shape(name, problem));
    }
    let directions = settings.directions();
    let mut weights = Vec::new();
    for layer in 0..num_layers {
        let inputs = if layer == 0 { shape[2] } else { hidden_size.saturating_mul(directions.len()) };
        for &direction in directions {
            weights.push(declare(scope, [inputs, cell.gates()], settings, layer, direction)?);
        }
    }
    Ok(recurrent_by(scope, x, cell, settings, (&weights, &[]), 0.0)?.outputs)
}

/// Declares the parameters of one direction of a layer on I inputs, for G gates: `weight_ih_l0`
/// \[G·H, I\], `weight_hh_l0` \[G·H, H\], `bias_ih_l0` and `bias_hh_l0` \[G·H\]; for the reverse
/// direction the names end in `_reverse`. All are initialised uniformly within ±1/√H.
fn declare(
    scope: &mut Scope,
    [inputs, gates]: [usize; 2],
    settings: &RecurrentSettings,
    layer: usize,
    direction: Direction,
) -> Result<CellWeights> {
    let hidden = settings.hidden_size;
    let rows = gates.saturating_mul(hidden);
    let suffix = if direction == Direction::Reverse { "_reverse" } else { "" };
    let init = Init::Uniform { bound: (hidden as f64).sqrt().recip() };
    let mut declare =
        |name: &str, shape: &[usize]| scope.parameter(&format!("{name}_l{layer}{suffix}"), shape, init);
    let of_input = declare("weight_ih", &[rows, inputs])?;
    let of_state = declare("weight_hh", &[rows, hidden])?;
    let biases = match settings.bias {
        true => Some([declare("bias_ih", &[rows])?, declare("bias_hh", &[rows])?]),
        false => None,
    };
    Ok(CellWeights { of_input, of_state, biases, projection: None })
}
