//! Gradients and products with a transposed Jacobian: transpose(linearize(·)).

use super::{linearize, transpose};
use crate::{Graph, Value, error::Result};

/// A value with its tangent.
pub type Seed = (Value, Value);

/// Adds an input for each value, as its tangent.
pub fn seeds(graph: &mut Graph, values: &[Value]) -> Vec<Seed> {
    let tangent = |value: &Value| {
        let shape = graph.shape(*value).to_vec();
        (*value, graph.input("direction", &shape))
    };
    values.iter().map(tangent).collect()
}

/// ∂output/∂value of a scalar for each of `values`: transpose(linearize(output)).
///
/// # Errors
/// When the output is not a scalar, or a rule fails.
pub fn gradient(graph: &mut Graph, output: Value, values: &[Value]) -> Result<Vec<Value>> {
    let one = graph.fill(1.0, &[])?;
    pull_back(graph, output, one, values)
}

/// Jᵀ·cotangent for the Jacobian J of `output` in each of `values`.
///
/// # Errors
/// When the cotangent has another shape than the output, or a rule fails.
pub fn pull_back(graph: &mut Graph, output: Value, cotangent: Value, values: &[Value]) -> Result<Vec<Value>> {
    let seeds = seeds(graph, values);
    let tangents: Vec<Value> = seeds.iter().map(|(_, tangent)| *tangent).collect();
    let cotangents = match linearize(graph, &[output], &seeds)?[0] {
        Some(tangent) => transpose(graph, &[(tangent, cotangent)], &tangents)?,
        None => vec![None; values.len()],
    };
    zeros_where_none(graph, cotangents, values)
}

/// The values, with each `None` replaced by zeros in the shape of the value in `like`.
///
/// # Errors
/// When a shape is too large.
pub fn zeros_where_none(graph: &mut Graph, values: Vec<Option<Value>>, like: &[Value]) -> Result<Vec<Value>> {
    let fill = |(value, like): (Option<Value>, &Value)| {
        let shape = graph.shape(*like).to_vec();
        or_zero(graph, value, &shape)
    };
    values.into_iter().zip(like).map(fill).collect()
}

/// The value, or zeros of this shape for `None`.
///
/// # Errors
/// When a shape is too large.
pub fn or_zero(graph: &mut Graph, value: Option<Value>, shape: &[usize]) -> Result<Value> {
    value.map_or_else(|| graph.fill(0.0, shape), Ok)
}
