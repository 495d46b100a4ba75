//! The square root of a cross-entropy's Hessian in the outputs, in the three forms that are used.
//!
//! The Hessian of a row of weight w is w (diag(p) − ppᵀ)/R, of rank C − 1. With s = √p, S =
//! diag(s)(I − ssᵀ) is a root of diag(p) − ppᵀ with C columns, whose product with a vector costs no
//! more than the softmax: [`LossRoot::times`].
//!
//! With the Householder reflection Q = I − 2uuᵀ, u ∝ s + e_m, which maps s to −e_m for a class m, S
//! is diag(s) Q (I − e_m e_mᵀ) Q. The columns of diag(s) Q except the m-th are a root of full rank,
//! [`LossRoot::emit`]: F_ik = s_i δ_ik − s_i (s_i + δ_im) s_k / (1 + s_m). Nothing cancels if m is
//! a likely class: the reference of the [odds](Odds). The columns are in the order of k, with the
//! last one in the place of the m-th.
//!
//! The rows of Q except the m-th give the columns of S, which are the extended gradients of the
//! classes, as combinations of the columns of F: [`combination`].

use eigenscape_program::{
    ElementwiseFunction, Error, Graph, LossRoot, Odds, Result, Value, operations::MatMul,
};

use super::CrossEntropy;
use crate::rows::rows;

impl LossRoot for CrossEntropy {
    fn columns(&self, outputs: usize) -> usize {
        outputs.saturating_sub(1)
    }

    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let &[rows, c] = graph.shape(z) else {
            return Err(Error::shape("cross-entropy", "needs rows [R, C]"));
        };
        if c < 2 {
            return Err(Error::shape("cross-entropy", format!("needs at least two classes, not {c}")));
        }
        let odds = Odds::new(graph, z)?;
        let s = odds.root_probabilities(graph)?;
        let unit = graph.one_hot(odds.reference, c)?;
        // g_i = s_i (s_i + δ_im), h_k = s_k / (1 + s_m)
        let likely = graph.mul(unit, s)?;
        let likely = graph.sum(likely, &[1])?;
        let one = graph.fill(1.0, &[rows, 1])?;
        let one_plus = graph.add(likely, one)?;
        let shifted = graph.add(s, unit)?;
        let g = graph.mul(s, shifted)?;
        let inverse = graph.function(ElementwiseFunction::Recip, one_plus)?;
        let inverse = graph.broadcast(inverse, &[rows, c])?;
        let h = graph.mul(s, inverse)?;
        let outer = graph.matmul(g, h, MatMul { batch: vec![[0, 0]], contract: vec![] })?;
        let diagonal = graph.diagonal(s)?;
        let all = graph.sub(diagonal, outer)?;
        let factor = without_column(graph, all, unit)?;
        let weight = root_of_weight(graph, target)?;
        let weight = graph.broadcast_along(weight, 0, &[rows, c, c - 1])?;
        graph.mul(factor, weight)
    }

    /// Since 1ᵀ S = 0, the element of the product that belongs to the odds' reference is computed
    /// as −Σ of the others; computed by itself it would lose its accuracy to cancellation.
    fn times(&self, graph: &mut Graph, z: Value, target: Value, signs: Value) -> Result<Value> {
        let shape = graph.shape(z).to_vec();
        let (last, _) = rows(graph, z)?;
        let odds = Odds::new(graph, z)?;
        let root = odds.root_probabilities(graph)?;
        let scaled = graph.mul(root, signs)?;
        let along = graph.sum(scaled, &[last])?;
        let along = graph.broadcast(along, &shape)?;
        let p = graph.mul(root, root)?;
        let mean = graph.mul(p, along)?;
        let product = graph.sub(scaled, mean)?;
        let product = graph.differences_transpose(product, odds.reference)?;
        let weight = root_of_weight(graph, target)?;
        let weight = graph.broadcast(weight, &shape)?;
        graph.mul(product, weight)
    }
}

/// Column `class` of B, C − 1 numbers, with diag(s)(I − ssᵀ) = F B: the rows of Q except the
/// `reference`-th, with the last one in its place.
pub(super) fn combination(s: &[f64], reference: usize, class: usize) -> Vec<f64> {
    let (last, m) = (s.len() - 1, reference);
    let axis = s[class] + f64::from(u8::from(class == m));
    let unit = |row: usize| f64::from(u8::from(row == class));
    let rows = (0..last).map(|row| if row == m { last } else { row });
    rows.map(|row| unit(row) - s[row] * axis / (1.0 + s[m])).collect()
}

/// √(w/R) of each row of targets, \[..., 1\].
fn root_of_weight(graph: &mut Graph, target: Value) -> Result<Value> {
    let (last, rows) = rows(graph, target)?;
    let weight = graph.sum(target, &[last])?;
    let weight = graph.scale(weight, 1.0 / rows as f64)?;
    graph.function(ElementwiseFunction::Sqrt, weight)
}

/// Removes the column that `unit` \[R, C\] marks from each of the matrices \[R, C, C\], and puts
/// the last column in its place: \[R, C, C − 1\].
fn without_column(graph: &mut Graph, all: Value, unit: Value) -> Result<Value> {
    let &[rows, c, _] = graph.shape(all) else { return Err(Error::shape("columns", "needs [R, C, C]")) };
    let shape = [rows, c, c - 1];
    let first = graph.slice(all, 2, 0, c - 1)?;
    let last = graph.slice(all, 2, c - 1, 1)?;
    let last = graph.broadcast(last, &shape)?;
    let gone = graph.slice(unit, 1, 0, c - 1)?;
    let gone = graph.reshape(gone, &[rows, 1, c - 1])?;
    let gone = graph.broadcast(gone, &shape)?;
    let stays = graph.one_minus(gone)?;
    let first = graph.mul(first, stays)?;
    let last = graph.mul(last, gone)?;
    graph.add(first, last)
}
