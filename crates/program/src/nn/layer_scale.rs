//! Learned scales of residual branches.

use crate::{
    Scope, Value,
    error::{Error, Result},
    init::Init,
};

/// x times a learned number for each feature along `axis`; parameter `gamma`, initialised to `init`
/// (Touvron et al. 2021).
///
/// # Errors
/// When x has no such axis.
pub fn layer_scale(scope: &mut Scope, x: Value, axis: usize, init: f64) -> Result<Value> {
    let shape = scope.shape(x);
    let size = shape.get(axis).copied();
    let size = size.ok_or_else(|| Error::shape("layer_scale", format!("{shape:?} has no axis {axis}")))?;
    let gamma = scope.parameter("gamma", &[size], Init::Constant { value: init })?;
    let gamma = scope.graph().broadcast_along(gamma, axis, &shape)?;
    scope.graph().mul(x, gamma)
}
