//! Linear and convolutional layers.

use crate::{
    Scope, Value,
    error::{Error, Result},
    init::Init,
    primitives::ConvSettings,
};

/// y = x Wᵀ + b on the last axis of x \[..., I\]; parameters `weight` \[O, I\] and, with `bias`, `bias` \[O\].
///
/// # Errors
/// When x is a scalar.
pub fn linear(scope: &mut Scope, x: Value, outputs: usize, bias: bool) -> Result<Value> {
    let shape = scope.shape(x);
    let inputs = *shape.last().ok_or_else(|| Error::shape("linear", "the input is a scalar"))?;
    let rules = scope.init_rules();
    let init = rules.linear_weight.at(inputs, outputs);
    let weight = scope.parameter("weight", &[outputs, inputs], init)?;
    let y = scope.graph().linear(x, weight)?;
    let init = rules.linear_bias.at(inputs, outputs);
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
    let (rules, taps) = (scope.init_rules(), kernel * kernel);
    let init = rules.conv_weight.at(inputs * taps, channels * taps);
    let weight = scope.parameter("weight", &[channels, inputs, kernel, kernel], init)?;
    let y = scope.graph().conv2d(x, weight, settings)?;
    let init = rules.conv_bias.at(inputs * taps, channels * taps);
    if bias { add_bias(scope, y, 1, channels, init) } else { Ok(y) }
}

fn add_bias(scope: &mut Scope, y: Value, axis: usize, size: usize, init: Init) -> Result<Value> {
    let bias = scope.parameter("bias", &[size], init)?;
    let shape = scope.shape(y);
    let graph = scope.graph();
    let bias = graph.broadcast_along(bias, axis, &shape)?;
    graph.add(y, bias)
}
