//! Activations that have keys, softmax and dropout.

use eigenscape_program::{Result, Scope, Value, nn};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{shape::axis, sides::Size};

/// The keys of `leaky_relu`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakyRelu {
    /// The slope below zero.
    #[serde(default = "hundredth")]
    pub(super) slope: f64,
}

fn hundredth() -> f64 {
    0.01
}

/// The keys of `prelu`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prelu {
    /// The number of slopes: 1, or the number of channels.
    #[serde(default = "one")]
    pub(super) num: Size,
}

fn one() -> Size {
    Size::MIN
}

/// The keys of `hardtanh`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hardtanh {
    /// The lower bound.
    #[serde(default = "minus_unit")]
    pub(super) min: f64,
    /// The upper bound.
    #[serde(default = "unit")]
    pub(super) max: f64,
}

fn minus_unit() -> f64 {
    -1.0
}

fn unit() -> f64 {
    1.0
}

/// The keys of `gelu`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gelu {
    /// How the normal distribution function Φ is computed.
    #[serde(default)]
    approximate: Approximate,
}

/// How the normal distribution function Φ is computed.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approximate {
    /// By the error function.
    #[default]
    None,
    /// By a hyperbolic tangent.
    Tanh,
}

impl Gelu {
    pub(super) fn activation(&self) -> nn::Activation {
        match self.approximate {
            Approximate::None => nn::Activation::Gelu,
            Approximate::Tanh => nn::Activation::GeluTanh,
        }
    }
}

/// The keys of `elu`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Elu {
    /// The limit below zero is −alpha.
    #[serde(default = "unit")]
    pub(super) alpha: f64,
}

/// The keys of `softplus`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Softplus {
    /// The sharpness of the bend at zero.
    #[serde(default = "unit")]
    pub(super) beta: f64,
}

/// The keys of `softmax` and `log_softmax`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Softmax {
    /// The axis: 1 is the first after the samples; −1 (default) is the last.
    #[serde(default = "minus_one", alias = "dim")]
    axis: isize,
}

fn minus_one() -> isize {
    -1
}

impl Softmax {
    pub(super) fn emit(
        &self,
        scope: &mut Scope,
        x: Value,
        layer: impl Fn(&mut Scope, Value, usize) -> Result<Value>,
    ) -> Result<Value> {
        let axis = axis(scope, x, self.axis)?;
        layer(scope, x, axis)
    }
}

/// The keys of `dropout` and `dropout2d`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The probability with which an element or a channel is dropped.
    #[serde(default = "half")]
    pub(super) p: f64,
}

fn half() -> f64 {
    0.5
}
