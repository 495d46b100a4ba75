//! Activation functions.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
    identity::Real,
    init::Init,
    operations::Function,
};

/// An activation function by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x
    Identity,
    /// max(x, 0)
    Relu,
    /// max(0, min(x, 6))
    Relu6,
    /// x for x > 0, otherwise 0.01·x
    LeakyRelu,
    /// max(−1, min(x, 1))
    Hardtanh,
    /// tanh(x)
    Tanh,
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// relu6(x + 3) / 6
    Hardsigmoid,
    /// x·Φ(x), the erf form
    Gelu,
    /// x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))): an approximation of gelu
    GeluTanh,
    /// x·sigmoid(x)
    Silu,
    /// x·hardsigmoid(x)
    Hardswish,
    /// x·tanh(softplus(x))
    Mish,
    /// x for x > 0, otherwise e^x − 1
    Elu,
    /// 1.0507·elu with α = 1.6733, which preserve mean and variance
    Selu,
    /// log(1 + e^x); x for x > 20
    Softplus,
}

/// The activation of each element of x.
///
/// # Errors
/// When x belongs to another graph.
pub fn activation(scope: &mut Scope, x: Value, activation: Activation) -> Result<Value> {
    let graph = scope.graph();
    match activation {
        Activation::Identity => graph.again(x),
        Activation::Relu => graph.function(Function::Relu, x),
        Activation::Relu6 => clamp(graph, x, 0.0, 6.0),
        Activation::LeakyRelu => leaky_relu(scope, x, 0.01),
        Activation::Hardtanh => clamp(graph, x, -1.0, 1.0),
        Activation::Tanh => graph.function(Function::Tanh, x),
        Activation::Sigmoid => graph.function(Function::Sigmoid, x),
        Activation::Hardsigmoid => hardsigmoid(graph, x),
        Activation::Elu => elu(scope, x, 1.0),
        Activation::Selu => {
            // Klambauer et al. 2017, equation (14).
            const ALPHA: f64 = 1.673_263_242_354_377_2;
            const SCALE: f64 = 1.050_700_987_355_480_5;
            let elu = elu(scope, x, ALPHA)?;
            scope.graph().scale(elu, SCALE)
        }
        Activation::Softplus => softplus(scope, x, 1.0),
        Activation::Gelu => {
            let gate = graph.function(Function::NormalCdf, x)?;
            graph.mul(x, gate)
        }
        Activation::GeluTanh => {
            let gate = tanh_gate(graph, x)?;
            graph.mul(x, gate)
        }
        Activation::Silu => {
            let gate = graph.function(Function::Sigmoid, x)?;
            graph.mul(x, gate)
        }
        Activation::Hardswish => {
            let gate = hardsigmoid(graph, x)?;
            graph.mul(x, gate)
        }
        Activation::Mish => {
            let softplus = graph.function(Function::Softplus, x)?;
            let gate = graph.function(Function::Tanh, softplus)?;
            graph.mul(x, gate)
        }
    }
}

/// x for x > 0, otherwise `slope`·x.
///
/// # Errors
/// When `slope` is not finite.
pub fn leaky_relu(scope: &mut Scope, x: Value, slope: f64) -> Result<Value> {
    finite("leaky_relu", "slope", slope)?;
    scope.graph().function(Function::LeakyRelu { slope: Real(slope) }, x)
}

/// x for x > 0, otherwise a·x with a learned slope a, shared or one for each channel: parameter
/// `weight` \[`slopes`\] (He et al. 2015).
///
/// # Errors
/// When `slopes` is neither 1 nor the size of axis 1.
pub fn prelu(scope: &mut Scope, x: Value, slopes: usize) -> Result<Value> {
    let shape = scope.shape(x);
    if slopes == 0 || (slopes > 1 && shape.get(1) != Some(&slopes)) {
        let problem =
            format!("{slopes} slopes for the input {shape:?}; there is one, or one for each of axis 1");
        return Err(Error::shape("prelu", problem));
    }
    let slope = scope.parameter("weight", &[slopes], Init::Constant { value: 0.25 })?;
    prelu_by(scope, x, slope)
}

/// As [`prelu`], with given slopes, one or one a channel.
///
/// # Errors
/// When there is neither one slope nor one for each of axis 1.
pub fn prelu_by(scope: &mut Scope, x: Value, slope: Value) -> Result<Value> {
    let shape = scope.shape(x);
    let slopes: usize = scope.shape(slope).iter().product();
    let graph = scope.graph();
    let slope = if slopes == 1 {
        let slope = graph.reshape(slope, &vec![1; shape.len()])?;
        graph.broadcast(slope, &shape)?
    } else {
        graph.broadcast_along(slope, 1, &shape)?
    };
    // a·x + (1 − a)·relu(x): the slope at 0 is a, as in PyTorch.
    let one = graph.fill(1.0, &shape)?;
    let rest = graph.sub(one, slope)?;
    let above = graph.function(Function::Relu, x)?;
    let above = graph.mul(rest, above)?;
    let everywhere = graph.mul(slope, x)?;
    graph.add(everywhere, above)
}

/// x for x > 0, otherwise `alpha`·(e^x − 1).
///
/// # Errors
/// When `alpha` is not finite.
pub fn elu(scope: &mut Scope, x: Value, alpha: f64) -> Result<Value> {
    finite("elu", "alpha", alpha)?;
    let graph = scope.graph();
    let unit = graph.function(Function::Elu { order: 0 }, x)?;
    if alpha == 1.0 {
        return Ok(unit);
    }
    // α·elu(x) + (1 − α)·relu(x)
    let below = graph.scale(unit, alpha)?;
    let above = graph.function(Function::Relu, x)?;
    let above = graph.scale(above, 1.0 - alpha)?;
    graph.add(above, below)
}

/// log(1 + e^(`beta`·x)) / `beta`, and x for `beta`·x > 20 as in PyTorch, where all derivatives are
/// those of x.
///
/// # Errors
/// When `beta` is not positive.
pub fn softplus(scope: &mut Scope, x: Value, beta: f64) -> Result<Value> {
    const THRESHOLD: f64 = 20.0;
    if !(beta > 0.0 && beta.is_finite()) {
        return Err(Error::shape("softplus", format!("beta is {beta}, not a positive number")));
    }
    let graph = scope.graph();
    let scaled = graph.scale(x, beta)?;
    let softplus = graph.function(Function::Softplus, scaled)?;
    let over = shift(graph, scaled, -THRESHOLD)?;
    let over = graph.function(Function::Step { slope: Real(0.0) }, over)?;
    let under = graph.one_minus(over)?;
    let (bent, straight) = (graph.mul(under, softplus)?, graph.mul(over, scaled)?);
    let sum = graph.add(bent, straight)?;
    graph.scale(sum, beta.recip())
}

/// x clamped to \[`min`, `max`\].
///
/// # Errors
/// When `min` is not below `max`, or one of them is not finite.
pub fn hardtanh(scope: &mut Scope, x: Value, min: f64, max: f64) -> Result<Value> {
    if !(min < max && (max - min).is_finite()) {
        let problem = format!("its lower bound {min} is not below the upper one {max}, or one is not finite");
        return Err(Error::shape("hardtanh", problem));
    }
    clamp(scope.graph(), x, min, max)
}

/// min + relu((max − min) − relu(max − x)): composed of relus, so that it is proved piecewise
/// affine, with slope 0 at both bounds as in PyTorch.
fn clamp(graph: &mut Graph, x: Value, min: f64, max: f64) -> Result<Value> {
    let negative = graph.scale(x, -1.0)?;
    let below_max = shift(graph, negative, max)?;
    let below_max = graph.function(Function::Relu, below_max)?;
    let negative = graph.scale(below_max, -1.0)?;
    let above_min = shift(graph, negative, max - min)?;
    let above_min = graph.function(Function::Relu, above_min)?;
    shift(graph, above_min, min)
}

fn finite(layer: &str, key: &str, value: f64) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::shape(layer, format!("`{key}` is {value}, not a finite number")))
}

fn shift(graph: &mut Graph, x: Value, by: f64) -> Result<Value> {
    if by == 0.0 {
        return Ok(x);
    }
    let shape = graph.shape(x).to_vec();
    let by = graph.fill(by, &shape)?;
    graph.add(x, by)
}

fn hardsigmoid(graph: &mut Graph, x: Value) -> Result<Value> {
    let shifted = shift(graph, x, 3.0)?;
    let clamped = clamp(graph, shifted, 0.0, 6.0)?;
    graph.scale(clamped, 1.0 / 6.0)
}

/// (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2, an approximation of Φ (Hendrycks & Gimpel 2016).
fn tanh_gate(graph: &mut Graph, x: Value) -> Result<Value> {
    let square = graph.mul(x, x)?;
    let cube = graph.mul(square, x)?;
    let cube = graph.scale(cube, 0.044_715)?;
    let inner = graph.add(x, cube)?;
    let inner = graph.scale(inner, (2.0 / std::f64::consts::PI).sqrt())?;
    let tanh = graph.function(Function::Tanh, inner)?;
    let shifted = shift(graph, tanh, 1.0)?;
    graph.scale(shifted, 0.5)
}
