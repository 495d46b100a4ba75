//! Dropout.

use crate::{
    Scope, Value,
    error::{Error, Result},
    scope::Mode,
};

/// Dropout (Srivastava et al. 2014): in train mode each element of x \[N, ...\] is dropped with
/// this probability and the others are scaled by 1/(1 − probability), through multiplication by a
/// [mask](Scope::mask); in eval mode the identity.
///
/// # Errors
/// When the probability is not in \[0, 1), or x is a scalar.
pub fn dropout(scope: &mut Scope, x: Value, probability: f64) -> Result<Value> {
    let shape = scope.shape(x);
    masked(scope, x, probability, shape.get(1..).unwrap_or_default())
}

/// Dropout of whole channels of x \[N, C, ...\] (Tompson et al. 2015); otherwise as [`dropout`].
///
/// # Errors
/// When the probability is not in \[0, 1), or x has no axis 1.
pub fn channel_dropout(scope: &mut Scope, x: Value, probability: f64) -> Result<Value> {
    let shape = scope.shape(x);
    let &[_, channels, ref rest @ ..] = shape.as_slice() else {
        return Err(Error::shape("dropout2d", format!("needs an input [N, C, ...], not {shape:?}")));
    };
    let mask: Vec<usize> = std::iter::once(channels).chain(rest.iter().map(|_| 1)).collect();
    masked(scope, x, probability, &mask)
}

/// x times a mask \[N, `shape`...\] that is broadcast along its axes of size 1.
fn masked(scope: &mut Scope, x: Value, probability: f64, shape: &[usize]) -> Result<Value> {
    if !(0.0..1.0).contains(&probability) {
        return Err(Error::shape("dropout", format!("the probability is {probability}, not in [0, 1)")));
    }
    if probability == 0.0 || scope.mode() == Mode::Eval {
        return scope.graph().again(x);
    }
    let mask = scope.mask(shape, 1.0 - probability);
    let full = scope.shape(x);
    let graph = scope.graph();
    let mask = graph.broadcast(mask, &full)?;
    graph.mul(x, mask)
}
