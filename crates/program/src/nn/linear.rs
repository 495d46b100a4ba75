//! Linear layers.

use crate::{
    Scope, Value,
    error::{Error, Result},
    init::Init,
};

/// y = x Wᵀ + b on the last axis of x \[..., I\]; parameters `weight` \[O, I\] and, with `bias`,
/// `bias` \[O\].
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

/// y plus the parameter `bias` \[`size`\] along `axis`.
pub(super) fn add_bias(scope: &mut Scope, y: Value, axis: usize, size: usize, init: Init) -> Result<Value> {
    let bias = scope.parameter("bias", &[size], init)?;
    let shape = scope.shape(y);
    let graph = scope.graph();
    let bias = graph.broadcast_along(bias, axis, &shape)?;
    graph.add(y, bias)
}
