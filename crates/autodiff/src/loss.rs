//! Losses: means over samples of a function that is convex in the network's outputs.

use crate::{
    Graph, Value,
    error::{Error, Result},
    primitives::{Dot, Function},
};

/// A loss of outputs z \[N, C\] and targets t \[N, C\], a mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// −(1/N) Σₙ Σ_c t log softmax(z), with t one-hot.
    CrossEntropy,
    /// (1/NC) Σ (z − t)².
    MeanSquaredError,
    /// (1/NC) Σ log(1 + e^z) − t z: binary cross-entropy on logits.
    BinaryCrossEntropy,
}

impl Loss {
    /// Emits the loss, a scalar of shape \[\].
    ///
    /// # Errors
    /// When targets and outputs differ in shape.
    pub fn emit(self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let shape = graph.shape(z).to_vec();
        let Some((_, rows)) = shape.split_last() else {
            return Err(Error::shape("loss", "the outputs are a scalar"));
        };
        let (elements, rows) = (shape.iter().product::<usize>(), rows.iter().product::<usize>());
        match self {
            Self::CrossEntropy => {
                let normaliser = graph.log_sum_exp(z)?;
                let normaliser = graph.sum_all(normaliser)?;
                let hits = graph.mul(target, z)?;
                let hits = graph.sum_all(hits)?;
                let total = graph.sub(normaliser, hits)?;
                graph.scale(total, 1.0 / rows as f64)
            }
            Self::MeanSquaredError => {
                let difference = graph.sub(z, target)?;
                let square = graph.mul(difference, difference)?;
                let total = graph.sum_all(square)?;
                graph.scale(total, 1.0 / elements as f64)
            }
            Self::BinaryCrossEntropy => {
                let softplus = graph.function(Function::Softplus, z)?;
                let hits = graph.mul(target, z)?;
                let difference = graph.sub(softplus, hits)?;
                let total = graph.sum_all(difference)?;
                graph.scale(total, 1.0 / elements as f64)
            }
        }
    }

    /// Emits S \[N, C, R\] with Aₙ = Sₙ Sₙᵀ, where Aₙ is the Hessian of the loss in the n-th output, 1/N included.
    ///
    /// For the cross-entropy Aₙ = (diag(p) − ppᵀ)/N has rank R = C − 1. With s = √p and the Householder reflection
    /// Q = I − 2uuᵀ, u ∝ s + e_C, which maps s to −e_C, the columns of diag(s) Q but the last are
    /// S_ik = s_i δ_ik − s_i (s_i + δ_iC) s_k / (1 + s_C), k < C: no cancellation, and full rank.
    ///
    /// # Errors
    /// When z is not \[N, C\].
    pub fn factor(self, graph: &mut Graph, z: Value) -> Result<Value> {
        let &[n, c] = graph.shape(z) else {
            let problem = format!("needs outputs [N, C], not {:?}", graph.shape(z));
            return Err(Error::shape("the loss' factor", problem));
        };
        match self {
            Self::CrossEntropy => cross_entropy_factor(graph, z, n, c),
            Self::MeanSquaredError => {
                let scale = graph.fill((2.0 / (n * c) as f64).sqrt(), &[n, c])?;
                diagonal(graph, scale, n, c)
            }
            Self::BinaryCrossEntropy => {
                let negative = graph.scale(z, -1.0)?;
                let p = graph.function(Function::Sigmoid, z)?;
                let q = graph.function(Function::Sigmoid, negative)?;
                let variance = graph.mul(p, q)?;
                let deviation = graph.function(Function::Sqrt, variance)?;
                let scale = graph.scale(deviation, (1.0 / (n * c) as f64).sqrt())?;
                diagonal(graph, scale, n, c)
            }
        }
    }
}

fn cross_entropy_factor(graph: &mut Graph, z: Value, n: usize, c: usize) -> Result<Value> {
    if c < 2 {
        return Err(Error::shape("cross-entropy", format!("needs at least two classes, not {c}")));
    }
    let normaliser = graph.log_sum_exp(z)?;
    let normaliser = graph.broadcast(normaliser, &[n, c])?;
    let log_p = graph.sub(z, normaliser)?;
    let half = graph.scale(log_p, 0.5)?;
    let s = graph.function(Function::Exp, half)?;
    let last = graph.slice(s, 1, c - 1, 1)?;
    // g_i = s_i (s_i + δ_iC), h_k = s_k / (1 + s_C)
    let unit = graph.fill(1.0, &[n, 1])?;
    let one_plus = graph.add(last, unit)?;
    let unit = graph.pad(unit, 1, c - 1, 0)?;
    let shifted = graph.add(s, unit)?;
    let g = graph.mul(s, shifted)?;
    let inverse = graph.function(Function::Recip, one_plus)?;
    let inverse = graph.broadcast(inverse, &[n, c - 1])?;
    let first = graph.slice(s, 1, 0, c - 1)?;
    let h = graph.mul(first, inverse)?;
    let outer = graph.dot(g, h, Dot { batch: vec![[0, 0]], contract: vec![] })?;
    let diagonal = diagonal(graph, s, n, c)?;
    let diagonal = graph.slice(diagonal, 2, 0, c - 1)?;
    let factor = graph.sub(diagonal, outer)?;
    graph.scale(factor, (1.0 / n as f64).sqrt())
}

/// diag(sₙ) for each row of s \[N, C\]: \[N, C, C\].
fn diagonal(graph: &mut Graph, s: Value, n: usize, c: usize) -> Result<Value> {
    let identity = graph.identity(c)?;
    let identity = graph.reshape(identity, &[1, c, c])?;
    let identity = graph.broadcast(identity, &[n, c, c])?;
    let s = graph.reshape(s, &[n, c, 1])?;
    let s = graph.broadcast(s, &[n, c, c])?;
    graph.mul(s, identity)
}
