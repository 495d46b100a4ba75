//! Softmax and its logarithm over any axis.

use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
};

/// exp(x) / Σ exp(x) over `axis`.
///
/// # Errors
/// When x has no such axis.
pub fn softmax(scope: &mut Scope, x: Value, axis: usize) -> Result<Value> {
    on_last_axis(scope, x, axis, Graph::softmax)
}

/// x − log Σ exp(x) over `axis`.
///
/// # Errors
/// When x has no such axis.
pub fn log_softmax(scope: &mut Scope, x: Value, axis: usize) -> Result<Value> {
    on_last_axis(scope, x, axis, Graph::log_softmax)
}

/// Applies `f`, which works along the last axis, along `axis`.
fn on_last_axis(
    scope: &mut Scope,
    x: Value,
    axis: usize,
    f: impl Fn(&mut Graph, Value) -> Result<Value>,
) -> Result<Value> {
    let rank = scope.shape(x).len();
    if axis >= rank {
        return Err(Error::shape("softmax", format!("{:?} has no axis {axis}", scope.shape(x))));
    }
    let mut exchange: Vec<usize> = (0..rank).collect();
    exchange.swap(axis, rank - 1);
    let graph = scope.graph();
    let x = graph.permute(x, &exchange)?;
    let y = f(graph, x)?;
    graph.permute(y, &exchange)
}
