//! Losses: means over samples of a function that is convex in the network's outputs.

use crate::{
    Graph, Value,
    error::{Error, Result},
    identity::Real,
    operations::{Dot, Function},
    softmax::Odds,
};

/// A loss of outputs z and targets t of one shape, \[N, C\] or, for outputs by token, \[N, T, C\] (any axes may stand between N
/// and C): a mean over the R rows, which are all axes but the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// (1/R) Σᵣ \[(Σ_c t) log Σ_c e^z − Σ_c t z\], the cross-entropy −Σ_c t log softmax(z) of each row.
    ///
    /// A row of targets holds non-negative weights of the classes: one-hot for a class, smoothed labels, soft targets. A row of
    /// zeros is ignored; for a mean over the others, the rows are scaled so that their sums have the mean 1, as
    /// `eigenscape_curvature::class_targets` does.
    CrossEntropy,
    /// (1/RC) Σ (z − t)².
    MeanSquaredError,
    /// (1/RC) Σ log(1 + e^z) − t z: binary cross-entropy on logits.
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
                // −Σ t log p with log p = z − z_m + log p_m for the reference m of the odds.
                let odds = Odds::new(graph, z)?;
                let normaliser = odds.normaliser(graph)?;
                let weight = graph.sum(target, &[shape.len() - 1])?;
                let normaliser = graph.mul(weight, normaliser)?;
                let normaliser = graph.sum_all(normaliser)?;
                let hits = graph.mul(target, odds.differences)?;
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
                // log(1 + e^−z) + z on the side of z > 0: of a confident output no derivative is a small difference from t = 1.
                let side = graph.function(Function::Step { slope: Real(0.0) }, z)?;
                let sign = graph.scale(side, -2.0)?;
                let one = graph.fill(1.0, &shape)?;
                let sign = graph.add(sign, one)?;
                let unlikely = graph.mul(sign, z)?;
                let softplus = graph.function(Function::Softplus, unlikely)?;
                let missed = graph.sub(side, target)?;
                let missed = graph.mul(missed, z)?;
                let loss = graph.add(softplus, missed)?;
                let total = graph.sum_all(loss)?;
                graph.scale(total, 1.0 / elements as f64)
            }
        }
    }

    /// K, the columns of [`Self::factor`] for samples with outputs of this shape \[..., C\].
    pub fn rank(self, outputs: &[usize]) -> usize {
        let (classes, rows) = outputs.split_last().map_or((0, &[] as &[usize]), |(last, rows)| (*last, rows));
        let columns = if self == Self::CrossEntropy { classes.saturating_sub(1) } else { classes };
        rows.iter().product::<usize>() * columns
    }

    /// Emits S \[N, D, K\] with Aₙ = Sₙ Sₙᵀ, where Aₙ is the Hessian of the loss in the D outputs of sample n, flattened; the
    /// mean's factor included. Rows do not see each other, so that S is block diagonal over the T rows (tokens) of a sample:
    /// D = T·C and K = T·K₁, with K₁ = C − 1 columns a row for the cross-entropy and K₁ = C otherwise.
    ///
    /// For the cross-entropy of a row of weight w the Hessian w (diag(p) − ppᵀ)/R has rank C − 1. With s = √p and the
    /// Householder reflection Q = I − 2uuᵀ, u ∝ s + e_m, which maps s to −e_m for a class m, the columns of diag(s) Q but the m-th are
    /// those of F with F_ik = s_i δ_ik − s_i (s_i + δ_im) s_k / (1 + s_m): full rank, and no cancellation for a likely class m (one of the
    /// odds' reference, see `softmax.rs`). Column k of S is that of F, the last taking the place of the m-th.
    ///
    /// # Errors
    /// When z has fewer than two axes, or another shape than the targets.
    pub fn factor(self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let shape = graph.shape(z).to_vec();
        let &[samples, ref tokens @ .., classes] = shape.as_slice() else {
            return Err(Error::shape(
                "the loss' factor",
                format!("needs outputs [N, ..., C], not {shape:?}"),
            ));
        };
        if graph.shape(target) != shape {
            let problem = format!("targets {:?} do not fit outputs {shape:?}", graph.shape(target));
            return Err(Error::shape("the loss' factor", problem));
        }
        let tokens: usize = tokens.iter().product();
        let rows = samples * tokens;
        let z = graph.reshape(z, &[rows, classes])?;
        let by_row = match self {
            Self::CrossEntropy => {
                let target = graph.reshape(target, &[rows, classes])?;
                cross_entropy_factor(graph, z, target)?
            }
            Self::MeanSquaredError => {
                let scale = graph.fill((2.0 / (rows * classes) as f64).sqrt(), &[rows, classes])?;
                diagonal(graph, scale)?
            }
            Self::BinaryCrossEntropy => {
                let p = graph.function(Function::Sigmoid, z)?;
                let q = graph.function(Function::SigmoidComplement, z)?;
                let variance = graph.mul(p, q)?;
                let deviation = graph.function(Function::Sqrt, variance)?;
                let scale = graph.scale(deviation, (1.0 / (rows * classes) as f64).sqrt())?;
                diagonal(graph, scale)?
            }
        };
        block_diagonal(graph, by_row, samples, tokens)
    }
}

/// S \[R, C, C − 1\] of each row of z and t \[R, C\].
fn cross_entropy_factor(graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
    let &[rows, c] = graph.shape(z) else { return Err(Error::shape("cross-entropy", "needs rows [R, C]")) };
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
    let inverse = graph.function(Function::Recip, one_plus)?;
    let inverse = graph.broadcast(inverse, &[rows, c])?;
    let h = graph.mul(s, inverse)?;
    let outer = graph.dot(g, h, Dot { batch: vec![[0, 0]], contract: vec![] })?;
    let diagonal = diagonal(graph, s)?;
    let all = graph.sub(diagonal, outer)?;
    let factor = without_column(graph, all, unit)?;
    // √(w/R)
    let weight = graph.sum(target, &[1])?;
    let weight = graph.scale(weight, 1.0 / rows as f64)?;
    let weight = graph.function(Function::Sqrt, weight)?;
    let weight = graph.broadcast_along(weight, 0, &[rows, c, c - 1])?;
    graph.mul(factor, weight)
}

/// The columns of each of the matrices \[R, C, C\] but the one that `unit` \[R, C\] marks, the last taking its place: \[R, C, C − 1\].
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

/// diag(sᵣ) for each row of s \[R, C\]: \[R, C, C\].
fn diagonal(graph: &mut Graph, s: Value) -> Result<Value> {
    let &[rows, c] = graph.shape(s) else { return Err(Error::shape("diagonal", "needs rows [R, C]")) };
    let identity = graph.identity(c)?;
    let identity = graph.reshape(identity, &[1, c, c])?;
    let identity = graph.broadcast(identity, &[rows, c, c])?;
    let s = graph.reshape(s, &[rows, c, 1])?;
    let s = graph.broadcast(s, &[rows, c, c])?;
    graph.mul(s, identity)
}

/// The blocks \[N·T, C, K\] of N samples of T rows as one matrix a sample: \[N, T·C, T·K\].
fn block_diagonal(graph: &mut Graph, blocks: Value, n: usize, t: usize) -> Result<Value> {
    let &[_, c, k] = graph.shape(blocks) else { return Err(Error::shape("blocks", "needs [R, C, K]")) };
    if t == 1 {
        return Ok(blocks);
    }
    let full = [n, t, c, t, k];
    let blocks = graph.reshape(blocks, &[n, t, c, 1, k])?;
    let blocks = graph.broadcast(blocks, &full)?;
    let identity = graph.identity(t)?;
    let identity = graph.reshape(identity, &[1, t, 1, t, 1])?;
    let identity = graph.broadcast(identity, &full)?;
    let spread = graph.mul(blocks, identity)?;
    graph.reshape(spread, &[n, t * c, t * k])
}
