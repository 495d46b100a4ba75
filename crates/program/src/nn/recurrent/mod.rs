//! Recurrent layers, by PyTorch's names and layouts.
//!
//! What comes from the input is computed for all times at once; the recurrence itself is one
//! [scan](crate::operations::Scan).

mod given;
mod gru;
mod lstm;
mod rnn;

pub use self::{
    given::{Cell, CellWeights, Recurred, recurrent_by},
    gru::gru,
    lstm::lstm,
    rnn::{Nonlinearity, rnn},
};
use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
    init::Init,
    nn::linear::add_bias,
    operations::Direction,
};

/// More layers are taken for a mistake.
const MOST_LAYERS: usize = 1_000;

/// The settings of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecurrentSettings {
    /// H, the size of a state.
    pub hidden_size: usize,
    /// How many layers there are, each on the states of the one before it.
    pub num_layers: usize,
    /// Whether biases are added.
    pub bias: bool,
    /// Whether the input is \[N, T, I\], not \[T, N, I\].
    pub batch_first: bool,
    /// Whether each layer also goes from the last time to the first, and hands on both states.
    pub bidirectional: bool,
}

impl RecurrentSettings {
    /// One layer of states of this size, from the first time to the last, with biases: PyTorch's
    /// defaults.
    #[must_use]
    pub fn new(hidden_size: usize) -> Self {
        Self { hidden_size, num_layers: 1, bias: true, batch_first: false, bidirectional: false }
    }

    fn directions(&self) -> &'static [Direction] {
        if self.bidirectional { &[Direction::Forward, Direction::Reverse] } else { &[Direction::Forward] }
    }
}

/// One direction of one layer, whose weights have H rows for each gate.
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
    /// The states \[N, H\] before the first time, where they are not 0.
    start: Option<Vec<Value>>,
}

impl Layer {
    /// The state \[N, H\] before the first time.
    fn start(&self, graph: &mut Graph) -> Result<Value> {
        match self.start.as_deref() {
            Some(&[start, ..]) => Ok(start),
            _ => graph.fill(0.0, &[self.samples, self.hidden]),
        }
    }

    /// The input with a bias added for all times and samples.
    fn biased_input(&self, graph: &mut Graph, bias: Value) -> Result<Value> {
        add_bias(graph, self.input, bias, 2)
    }

    /// The input with both biases, where the states' part is used as it is.
    fn fully_biased_input(&self, graph: &mut Graph) -> Result<Value> {
        let Some([of_input, of_state]) = self.biases else { return Ok(self.input) };
        let bias = graph.add(of_input, of_state)?;
        self.biased_input(graph, bias)
    }
}

/// Columns `index`·H to (`index` + 1)·H of \[N, G·H\].
fn gate(graph: &mut Graph, gates: Value, index: usize, hidden: usize) -> Result<Value> {
    graph.slice(gates, 1, index * hidden, hidden)
}

/// All layers of a cell, from zeros, with parameters that it declares.
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

/// The parameters of one direction of a layer on I inputs, for G gates: `weight_ih_l0` \[G·H, I\],
/// `weight_hh_l0` \[G·H, H\], `bias_ih_l0` and `bias_hh_l0` \[G·H\]; the names of the reverse
/// direction end in `_reverse`. All are initialised uniformly within ±1/√H.
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
    Ok(CellWeights { of_input, of_state, biases })
}
