//! Layers as compositions of primitives, with PyTorch's parameter names, shapes and initialisation.

use crate::{
    Scope, Value,
    error::{Error, Result},
    primitives::{ConvSettings, Function, PoolSettings},
    scope::Init,
};

/// y = x Wᵀ + b on the last axis of x \[..., I\]; parameters `weight` \[O, I\] and, with `bias`, `bias` \[O\].
///
/// # Errors
/// When x is a scalar.
pub fn linear(scope: &mut Scope, x: Value, outputs: usize, bias: bool) -> Result<Value> {
    let shape = scope.shape(x);
    let inputs = *shape.last().ok_or_else(|| Error::shape("linear", "the input is a scalar"))?;
    let init = uniform(inputs);
    let weight = scope.parameter("weight", &[outputs, inputs], init)?;
    let y = scope.graph().linear(x, weight)?;
    if bias { add_bias(scope, y, shape.len() - 1, outputs, init) } else { Ok(y) }
}

/// A convolution of x \[N, C, H, W\]; parameters `weight` \[O, C/groups, k, k\] and, with `bias`, `bias` \[O\].
///
/// # Errors
/// When the kernel does not fit the input.
pub fn conv2d(
    scope: &mut Scope,
    x: Value,
    channels: usize,
    kernel: usize,
    settings: ConvSettings,
    bias: bool,
) -> Result<Value> {
    let &[_, inputs, _, _] = scope.shape(x).as_slice() else {
        return Err(Error::shape("conv2d", format!("needs an input [N, C, H, W], not {:?}", scope.shape(x))));
    };
    let inputs = inputs / settings.groups.max(1);
    let init = uniform(inputs * kernel * kernel);
    let weight = scope.parameter("weight", &[channels, inputs, kernel, kernel], init)?;
    let y = scope.graph().conv2d(x, weight, settings)?;
    if bias { add_bias(scope, y, 1, channels, init) } else { Ok(y) }
}

/// PyTorch's default for linear and convolutional layers: uniform within 1/√fan-in.
fn uniform(fan_in: usize) -> Init {
    Init::Uniform { bound: 1.0 / (fan_in.max(1) as f64).sqrt() }
}

fn add_bias(scope: &mut Scope, y: Value, axis: usize, size: usize, init: Init) -> Result<Value> {
    let bias = scope.parameter("bias", &[size], init)?;
    let shape = scope.shape(y);
    let graph = scope.graph();
    let bias = graph.broadcast_along(bias, axis, &shape)?;
    graph.add(y, bias)
}

/// Batch normalisation with the running statistics (eval mode): y = (x − μ) / √(σ² + ε) · γ + β along axis 1, ε = 1e-5;
/// parameters `weight` (γ) and `bias` (β), buffers `running_mean` (μ) and `running_var` (σ²).
///
/// # Errors
/// When x has no axis 1.
pub fn batch_norm_eval(scope: &mut Scope, x: Value) -> Result<Value> {
    const EPSILON: f64 = 1e-5;
    let shape = scope.shape(x);
    let &[_, features, ..] = shape.as_slice() else {
        return Err(Error::shape("batch_norm", format!("needs an input [N, C, ...], not {shape:?}")));
    };
    let gamma = scope.parameter("weight", &[features], Init::Ones)?;
    let beta = scope.parameter("bias", &[features], Init::Zeros)?;
    let mean = scope.buffer("running_mean", &[features], Init::Zeros)?;
    let variance = scope.buffer("running_var", &[features], Init::Ones)?;
    let graph = scope.graph();
    let epsilon = graph.fill(EPSILON, &[features])?;
    let variance = graph.add(variance, epsilon)?;
    let deviation = graph.function(Function::Sqrt, variance)?;
    let inverse = graph.function(Function::Recip, deviation)?;
    let scale = graph.mul(gamma, inverse)?;
    let shift = graph.mul(mean, scale)?;
    let shift = graph.sub(beta, shift)?;
    let scale = graph.broadcast_along(scale, 1, &shape)?;
    let shift = graph.broadcast_along(shift, 1, &shape)?;
    let scaled = graph.mul(x, scale)?;
    graph.add(scaled, shift)
}

/// An activation function by name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x for x > 0, otherwise 0.01·x
    LeakyRelu,
    /// tanh(x)
    Tanh,
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// x·Φ(x), the erf form
    Gelu,
    /// x·sigmoid(x)
    Silu,
    /// x for x > 0, otherwise e^x − 1
    Elu,
    /// log(1 + e^x)
    Softplus,
}

/// The activation of each element of x.
///
/// # Errors
/// None at present; the signature is that of all layers.
pub fn activation(scope: &mut Scope, x: Value, activation: Activation) -> Result<Value> {
    let graph = scope.graph();
    match activation {
        Activation::Relu => graph.function(Function::Relu, x),
        Activation::LeakyRelu => graph.function(Function::LeakyRelu { slope: 0.01 }, x),
        Activation::Tanh => graph.function(Function::Tanh, x),
        Activation::Sigmoid => graph.function(Function::Sigmoid, x),
        Activation::Elu => graph.function(Function::Elu { order: 0 }, x),
        Activation::Softplus => graph.function(Function::Softplus, x),
        Activation::Gelu => {
            let gate = graph.function(Function::NormalCdf, x)?;
            graph.mul(x, gate)
        }
        Activation::Silu => {
            let gate = graph.function(Function::Sigmoid, x)?;
            graph.mul(x, gate)
        }
    }
}

/// The largest element of each window.
///
/// # Errors
/// When the windows do not fit.
pub fn max_pool2d(scope: &mut Scope, x: Value, settings: PoolSettings) -> Result<Value> {
    scope.graph().max_pool2d(x, settings)
}

/// The mean of each window, the zeros of the padding included.
///
/// # Errors
/// When the windows do not fit.
pub fn avg_pool2d(scope: &mut Scope, x: Value, settings: PoolSettings) -> Result<Value> {
    scope.graph().avg_pool2d(x, settings)
}

/// The mean over the image: x \[N, C, H, W\] to \[N, C, 1, 1\].
///
/// # Errors
/// When x is not an image.
pub fn global_avg_pool(scope: &mut Scope, x: Value) -> Result<Value> {
    if scope.shape(x).len() != 4 {
        let problem = format!("needs an input [N, C, H, W], not {:?}", scope.shape(x));
        return Err(Error::shape("global_avg_pool", problem));
    }
    scope.graph().mean(x, &[2, 3])
}

/// x \[N, ...\] as \[N, D\].
///
/// # Errors
/// When x is a scalar.
pub fn flatten(scope: &mut Scope, x: Value) -> Result<Value> {
    scope.graph().flatten_from(x, 1)
}
