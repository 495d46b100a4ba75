//! Recurrent layers.

use eigenscape_program::{
    Error, Result, Scope, Value,
    nn::{self, RecurrentSettings},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    layer::Emit,
    shape::{check, last},
    sides::Size,
};

fn yes() -> bool {
    true
}

fn one() -> Size {
    Size::MIN
}

/// The keys of `lstm` and `gru`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recurrent {
    /// I, the number of features of the input; checked against the input if given.
    #[serde(default)]
    input_size: Option<usize>,
    /// H, the size of a state.
    hidden_size: Size,
    /// The number of layers; each takes the states of the previous one as input.
    #[serde(default = "one")]
    num_layers: Size,
    /// Whether biases are added.
    #[serde(default = "yes")]
    bias: bool,
    /// Must be true: the first axis of the data is that of the samples.
    #[serde(default = "yes")]
    batch_first: bool,
    /// Whether each layer also runs in the reverse direction, and outputs 2H features.
    #[serde(default)]
    bidirectional: bool,
}

impl Recurrent {
    /// The number of layers.
    pub(super) fn layers(self) -> usize {
        self.num_layers.get()
    }

    /// Emits `layer` with these settings on x \[N, T, I\].
    pub(super) fn emit(
        self,
        scope: &mut Scope,
        x: Value,
        layer: impl Fn(&mut Scope, Value, &RecurrentSettings) -> Result<Value>,
    ) -> Result<Value> {
        let Self { input_size, bias, batch_first, bidirectional, .. } = self;
        check(scope, x, last(scope, x), "input_size", input_size)?;
        if !batch_first {
            let problem = "is false, and the data has the samples first: leave it out, or write true";
            return Err(Error::shape("`batch_first`", problem));
        }
        let (hidden_size, num_layers) = (self.hidden_size.get(), self.num_layers.get());
        layer(scope, x, &RecurrentSettings { hidden_size, num_layers, bias, batch_first, bidirectional })
    }
}

/// The keys of `rnn`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rnn {
    /// The activation function.
    #[serde(default)]
    nonlinearity: Nonlinearity,
    /// I, the number of features of the input; checked against the input if given.
    #[serde(default)]
    input_size: Option<usize>,
    /// H, the size of a state.
    hidden_size: Size,
    /// The number of layers; each takes the states of the previous one as input.
    #[serde(default = "one")]
    num_layers: Size,
    /// Whether biases are added.
    #[serde(default = "yes")]
    bias: bool,
    /// Must be true: the first axis of the data is that of the samples.
    #[serde(default = "yes")]
    batch_first: bool,
    /// Whether each layer also runs in the reverse direction, and outputs 2H features.
    #[serde(default)]
    bidirectional: bool,
}

/// The activation function.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nonlinearity {
    /// tanh(x)
    #[default]
    Tanh,
    /// max(x, 0)
    Relu,
}

impl Rnn {
    /// The number of layers.
    pub(super) fn layers(&self) -> usize {
        self.num_layers.get()
    }
}

impl Emit for Rnn {
    fn emit(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let Self { input_size, hidden_size, num_layers, bias, batch_first, bidirectional, .. } = *self;
        let shared = Recurrent { input_size, hidden_size, num_layers, bias, batch_first, bidirectional };
        let nonlinearity = match self.nonlinearity {
            Nonlinearity::Tanh => nn::Nonlinearity::Tanh,
            Nonlinearity::Relu => nn::Nonlinearity::Relu,
        };
        shared.emit(scope, x, |scope, x, settings| nn::rnn(scope, x, settings, nonlinearity))
    }
}
