//! Gated feed-forward layers.

use super::{Activation, activation, linear};
use crate::{
    Scope, Value,
    error::{Error, Result},
};

/// SwiGLU: w2(silu(w1 x) ∘ w3 x) on the last axis of x \[..., D\] (Shazeer 2020); children `w1` and
/// `w3`, linear layers to `hidden`, and `w2`, one back to D.
///
/// # Errors
/// When x is a scalar.
pub fn swiglu(scope: &mut Scope, x: Value, hidden: usize, bias: bool) -> Result<Value> {
    let width = scope.shape(x).last().copied();
    let width = width.ok_or_else(|| Error::shape("swiglu", "the input is a scalar"))?;
    let gate = linear(&mut scope.at("w1"), x, hidden, bias)?;
    let gate = activation(scope, gate, Activation::Silu)?;
    let value = linear(&mut scope.at("w3"), x, hidden, bias)?;
    let product = scope.graph().mul(gate, value)?;
    linear(&mut scope.at("w2"), product, width, bias)
}
