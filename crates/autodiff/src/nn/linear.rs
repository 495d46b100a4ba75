//! Linear and convolutional layers.

use crate::{
    Scope, Value,
    error::{Error, Result},
    primitives::ConvSettings,
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
