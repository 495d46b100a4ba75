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
    /// I.
    #[serde(default)]
    input_size: Option<usize>,
    /// H, the size of a state.
    hidden_size: Size,
    /// Layers, each on the states of the one before it.
    #[serde(default = "one")]
    num_layers: Size,
    /// Whether biases are added.
    #[serde(default = "yes")]
    bias: bool,
    /// Always true: the data has the samples first.
    #[serde(default = "yes")]
    batch_first: bool,
    /// Whether each layer also goes from the last time to the first: 2H features.
    #[serde(default)]
    bidirectional: bool,
}

impl Recurrent {
    /// Emits a layer of these settings on x \[N, T, I\].
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
    /// What a state passes through.
    #[serde(default)]
    nonlinearity: Nonlinearity,
    /// I.
    #[serde(default)]
    input_size: Option<usize>,
    /// H, the size of a state.
    hidden_size: Size,
    /// Layers, each on the states of the one before it.
    #[serde(default = "one")]
    num_layers: Size,
    /// Whether biases are added.
    #[serde(default = "yes")]
    bias: bool,
    /// Always true: the data has the samples first.
    #[serde(default = "yes")]
    batch_first: bool,
    /// Whether each layer also goes from the last time to the first: 2H features.
    #[serde(default)]
    bidirectional: bool,
}

/// What a state passes through.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nonlinearity {
    /// tanh(x)
    #[default]
    Tanh,
    /// max(x, 0)
    Relu,
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
