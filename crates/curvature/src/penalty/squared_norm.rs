//! Squared norms of cotangents.

use eigenscape_program::operations::MatMul;
use eigenscape_program::{Graph, Result, Value};

/// Emits ‖g‖² for a cotangent g. Where g = Σ_p l_p ⊗ r_p is a sum of P outer products of o and i
/// elements and Σ_pq (l_p·l_q)(r_p·r_q) takes fewer operations, g itself is never formed: for a
/// linear layer it is ‖l‖²‖r‖².
pub(super) fn squared_norm(graph: &mut Graph, cotangent: Value) -> Result<Value> {
    if let Some(norm) = norm_of_outer_products(graph, cotangent)? {
        return Ok(norm);
    }
    let square = graph.mul(cotangent, cotangent)?;
    graph.sum_all(square)
}

fn norm_of_outer_products(graph: &mut Graph, cotangent: Value) -> Result<Option<Value>> {
    let Some(node) = graph.operation(cotangent) else { return Ok(None) };
    let Some(factors) = node.operation.rules().outer_products(graph, &node)? else { return Ok(None) };
    let [(positions, left), (_, right)] = factors.map(|factor| match graph.shape(factor) {
        &[positions, len] => (positions, len),
        _ => (usize::MAX, 0),
    });
    // P² (o + i) against P·o·i operations.
    if positions.saturating_mul(left + right) >= left * right {
        return Ok(None);
    }
    let mut products = Vec::with_capacity(2);
    for factor in factors {
        products.push(graph.matmul(factor, factor, MatMul { batch: vec![], contract: vec![[1, 1]] })?);
    }
    let product = graph.mul(products[0], products[1])?;
    graph.sum_all(product).map(Some)
}
