//! Layers of transformers: embedding and attention.

use super::linear;
use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
    primitives::Dot,
};

/// Rows of a table by index: x \[...\] of integers to \[..., D\]; parameter `weight` \[V, D\].
///
/// # Errors
/// None at present; the signature is that of all layers.
pub fn embedding(scope: &mut Scope, x: Value, rows: usize, width: usize) -> Result<Value> {
    let init = scope.init_rules().embedding.at(rows, width);
    let weight = scope.parameter("weight", &[rows, width], init)?;
    scope.graph().take(weight, x)
}

/// Multi-head self-attention of x \[N, T, D\]: softmax(q kᵀ / √(D/heads)) v for each head, `causal` or not (Vaswani et al. 2017);
/// children `qkv` (a linear layer to 3D: queries, keys, values) and `proj` (a linear layer).
///
/// # Errors
/// When the heads do not divide D.
pub fn attention(scope: &mut Scope, x: Value, heads: usize, causal: bool) -> Result<Value> {
    let &[_, _, d] = scope.shape(x).as_slice() else {
        return Err(Error::shape("attention", format!("needs an input [N, T, D], not {:?}", scope.shape(x))));
    };
    let qkv = linear(&mut scope.at("qkv"), x, 3 * d, true)?;
    let mixed = attend(scope, qkv, heads, causal)?;
    linear(&mut scope.at("proj"), mixed, d, true)
}

/// The part of multi-head self-attention that has no parameters: from queries, keys and values side by side, `qkv` \[N, T, 3D\],
/// to softmax(q kᵀ / √(D/heads)) v \[N, T, D\], the heads side by side.
///
/// # Errors
/// When the input has no such shape or the heads do not divide D.
pub fn attend(scope: &mut Scope, qkv: Value, heads: usize, causal: bool) -> Result<Value> {
    let shape = scope.shape(qkv);
    let &[n, t, width] = shape.as_slice() else {
        return Err(Error::shape("attention", format!("needs an input [N, T, 3D], not {shape:?}")));
    };
    let d = width / 3;
    if width % 3 != 0 || heads == 0 || d % heads != 0 {
        return Err(Error::shape("attention", format!("{heads} heads do not divide {d}")));
    }
    let graph = scope.graph();
    let part = |graph: &mut Graph, i: usize| {
        let part = graph.slice(qkv, 2, i * d, d)?;
        let part = graph.reshape(part, &[n, t, heads, d / heads])?;
        graph.permute(part, &[0, 2, 1, 3])
    };
    let (q, k, v) = (part(graph, 0)?, part(graph, 1)?, part(graph, 2)?);
    let per_head = vec![[0, 0], [1, 1]];
    let scores = graph.dot(q, k, Dot { batch: per_head.clone(), contract: vec![[3, 3]] })?;
    let mut scores = graph.scale(scores, ((d / heads) as f64).sqrt().recip())?;
    if causal {
        let mask = graph.causal_mask(t)?;
        let mask = graph.reshape(mask, &[1, 1, t, t])?;
        let mask = graph.broadcast(mask, &[n, heads, t, t])?;
        scores = graph.add(scores, mask)?;
    }
    let weights = graph.softmax(scores)?;
    let mixed = graph.dot(weights, v, Dot { batch: per_head, contract: vec![[3, 2]] })?;
    let mixed = graph.permute(mixed, &[0, 2, 1, 3])?;
    graph.reshape(mixed, &[n, t, d])
}
