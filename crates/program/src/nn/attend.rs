//! Attention of given queries, keys and values.

use super::dropout;
use crate::{
    Scope, Value,
    error::{Error, Result},
    operations::MatMul,
};

/// The settings of attention on given queries, keys and values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// The factor of the scores; 1/√E for `None`.
    pub scale: Option<f64>,
    /// Whether a position attends only to itself and to earlier ones.
    pub causal: bool,
    /// A mask that is added to the scores, in their shape \[..., L, S\].
    pub mask: Option<Value>,
    /// The probability of dropping an attention weight in train mode.
    pub dropout: f64,
}

/// softmax(scale · q kᵀ + mask) v \[..., L, V\] of queries \[..., L, E\], keys \[..., S, E\] and
/// values \[..., S, V\] (Vaswani et al. 2017).
///
/// # Errors
/// When the shapes do not fit together.
pub fn attend(scope: &mut Scope, [q, k, v]: [Value; 3], settings: &Attention) -> Result<Value> {
    let (shape, keys) = (scope.shape(q), scope.shape(k));
    let &[ref batch @ .., positions, width] = shape.as_slice() else {
        return Err(Error::shape("attention", format!("needs queries [..., L, E], not {shape:?}")));
    };
    let last = batch.len();
    let others = keys.get(last).copied().unwrap_or(0);
    let each: Vec<[usize; 2]> = (0..last).map(|axis| [axis, axis]).collect();
    let graph = scope.graph();
    let product = MatMul { batch: each.clone(), contract: vec![[last + 1, last + 1]] };
    let scale = settings.scale.unwrap_or_else(|| (width as f64).sqrt().recip());
    // The queries are usually far smaller than the scores, and every derivative scales again.
    let mut scores = if width <= others {
        let q = graph.scale(q, scale)?;
        graph.matmul(q, k, product)?
    } else {
        let scores = graph.matmul(q, k, product)?;
        graph.scale(scores, scale)?
    };
    let full = graph.shape(scores).to_vec();
    if settings.causal {
        if positions != others {
            let problem = format!("causal attention of {positions} positions to {others}");
            return Err(Error::shape("attention", problem));
        }
        let mask = graph.causal_mask(positions)?;
        let aligned: Vec<usize> = batch.iter().map(|_| 1).chain([positions; 2]).collect();
        let mask = graph.reshape(mask, &aligned)?;
        let mask = graph.broadcast(mask, &full)?;
        scores = graph.add(scores, mask)?;
    }
    if let Some(mask) = settings.mask {
        scores = graph.add(scores, mask)?;
    }
    let weights = graph.softmax(scores)?;
    let weights = dropout(scope, weights, settings.dropout)?;
    scope.graph().matmul(weights, v, MatMul { batch: each, contract: vec![[last + 1, last]] })
}
