//! Strided selection along an axis, and insertion of zeros between the elements of an axis.

use crate::{Graph, Value, error::Result};

/// The `count` elements `start`, `start + step`, ... of x along `axis`, which must contain them
/// all.
///
/// # Errors
/// When the axis ends before the last element; not always detected if `step` is greater than 1.
pub(super) fn every(
    graph: &mut Graph,
    x: Value,
    axis: usize,
    start: usize,
    step: usize,
    count: usize,
) -> Result<Value> {
    if step == 1 || count <= 1 {
        return graph.slice(x, axis, start, count);
    }
    let mut shape = graph.shape(x).to_vec();
    let len = step.saturating_mul(count).min(shape[axis].saturating_sub(start));
    let x = graph.slice(x, axis, start, len)?;
    let x = graph.pad(x, axis, 0, step.saturating_mul(count) - len)?;
    shape[axis] = count;
    let mut rows = shape.clone();
    rows.insert(axis + 1, step);
    let x = graph.reshape(x, &rows)?;
    let x = graph.slice(x, axis + 1, 0, 1)?;
    graph.reshape(x, &shape)
}

/// x with `step` − 1 zeros between its elements along `axis`.
///
/// # Errors
/// When the result is too large.
pub(super) fn spread(graph: &mut Graph, x: Value, axis: usize, step: usize) -> Result<Value> {
    let mut shape = graph.shape(x).to_vec();
    let size = shape[axis];
    if step == 1 || size <= 1 {
        return Ok(x);
    }
    let mut rows = shape.clone();
    rows.insert(axis + 1, 1);
    let x = graph.reshape(x, &rows)?;
    let x = graph.pad(x, axis + 1, 0, step - 1)?;
    shape[axis] = size.saturating_mul(step);
    let x = graph.reshape(x, &shape)?;
    graph.slice(x, axis, 0, (size - 1) * step + 1)
}
