//! Linear layers.

use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
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
    if !bias {
        return Ok(y);
    }
    let bias = scope.parameter("bias", &[outputs], rules.linear_bias.at(inputs, outputs))?;
    add_bias(scope.graph(), y, bias, shape.len() - 1)
}

/// y plus a bias \[O\] along `axis`, whose size is O.
pub(super) fn add_bias(graph: &mut Graph, y: Value, bias: Value, axis: usize) -> Result<Value> {
    let shape = graph.shape(y).to_vec();
    let bias = graph.broadcast_along(bias, axis, &shape)?;
    graph.add(y, bias)
}
