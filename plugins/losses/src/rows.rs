//! Means over the rows of outputs, and over all elements.

use eigenscape_program::{Error, Graph, Result, Value};

/// The axis of a row's outputs, which is the last one, and the number R of rows over all other
/// axes.
pub(crate) fn rows(graph: &Graph, z: Value) -> Result<(usize, usize)> {
    match graph.shape(z).split_last() {
        Some((_, rows)) => Ok((rows.len(), rows.iter().product())),
        None => Err(Error::shape("loss", "the outputs are a scalar")),
    }
}

/// The mean of all elements, a scalar.
pub(crate) fn mean(graph: &mut Graph, each: Value) -> Result<Value> {
    let elements: usize = graph.shape(each).iter().product();
    let total = graph.sum_all(each)?;
    graph.scale(total, 1.0 / elements as f64)
}
