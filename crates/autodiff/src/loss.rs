//! Losses: means over samples of a function that is convex in the network's outputs.

use crate::{
    Graph, Value,
    error::{Error, Result},
    identity::Real,
    primitives::{Dot, Function},
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
    /// [`class_targets`](crate::class_targets) does.
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
    pub(crate) fn rank(self, outputs: &[usize]) -> usize {
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

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::{
        laws::Numbers,
        primitive::Place,
        program::Program,
        transforms::{linearize, transpose},
    };

    const LOSSES: [Loss; 3] = [Loss::CrossEntropy, Loss::MeanSquaredError, Loss::BinaryCrossEntropy];

    fn place() -> Place {
        Place { dtype: DType::F64, device: Device::Cpu }
    }

    /// The Hessian of the loss in the outputs, \[N·D, N·D\], by the transforms.
    fn hessian(loss: Loss, z: &Tensor, t: &Tensor) -> Result<Tensor> {
        let mut graph = Graph::default();
        let [zs, ts, v] = ["z", "t", "v"].map(|name| graph.input(name, z.dims()));
        let mean = loss.emit(&mut graph, zs, ts)?;
        let tangent = linearize(&mut graph, &[mean], &[(zs, v)])?[0].unwrap();
        let one = graph.fill(1.0, &[])?;
        let gradient = transpose(&mut graph, &[(tangent, one)], &[v])?[0].unwrap();
        let product = linearize(&mut graph, &[gradient], &[(zs, v)])?[0].unwrap();
        let size = z.elem_count();
        let vectors = Tensor::eye(size, DType::F64, &Device::Cpu)?;
        let vectors = vectors.reshape([&[size], z.dims()].concat())?;
        let program = Program::new(&graph, &[zs, ts, v], &[product])?;
        let rows = program.evaluate(&place(), &[z.clone(), t.clone(), vectors])?;
        Ok(rows[0].broadcast_as([&[size], z.dims()].concat())?.reshape((size, size))?)
    }

    fn factor(loss: Loss, z: &Tensor, t: &Tensor) -> Result<Tensor> {
        let mut graph = Graph::default();
        let [zs, ts] = ["z", "t"].map(|name| graph.input(name, z.dims()));
        let factor = loss.factor(&mut graph, zs, ts)?;
        Ok(Program::new(&graph, &[zs, ts], &[factor])?.evaluate(&place(), &[z.clone(), t.clone()])?.remove(0))
    }

    /// Non-negative targets of which every third row is zeros, as ignored ones are.
    fn weighted_rows(numbers: &mut Numbers, shape: &[usize]) -> Result<Tensor> {
        let rows: usize = shape[..shape.len() - 1].iter().product();
        let keep: Vec<f64> = (0..rows).map(|row| if row % 3 == 1 { 0.0 } else { 1.0 }).collect();
        let keep = Tensor::from_vec(keep, [&shape[..shape.len() - 1], &[1]].concat(), &Device::Cpu)?;
        Ok(numbers.tensor(shape).abs()?.broadcast_mul(&keep)?)
    }

    #[test]
    fn the_factor_squares_to_the_hessian_in_the_outputs() -> Result<()> {
        let shapes: [&[usize]; 4] = [&[4, 3], &[2, 3, 4], &[2, 2, 2, 3], &[1, 5]];
        for (seed, shape) in (1..).zip(shapes) {
            for loss in LOSSES {
                let mut numbers = Numbers::new(seed);
                let z = (numbers.tensor(shape) * 3.0)?;
                let t = weighted_rows(&mut numbers, shape)?;
                let (hessian, s) = (hessian(loss, &z, &t)?, factor(loss, &z, &t)?);
                let (n, d) = (shape[0], shape[1..].iter().product::<usize>());
                let (tokens, classes) = (d / shape[shape.len() - 1], shape[shape.len() - 1]);
                let rank = tokens * (classes - usize::from(loss == Loss::CrossEntropy));
                assert_eq!((s.dims(), loss.rank(&shape[1..])), ([n, d, rank].as_slice(), rank));
                let squares = s.matmul(&s.t()?)?;
                for i in 0..n {
                    for j in 0..n {
                        let block = hessian.narrow(0, i * d, d)?.narrow(1, j * d, d)?;
                        let expected = if i == j { squares.get(i)? } else { block.zeros_like()? };
                        let error = (block - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
                        assert!(error < 1e-14, "{loss:?} {shape:?}: block ({i}, {j}) is off by {error:e}");
                    }
                }
            }
        }
        Ok(())
    }

    #[test]
    fn outputs_that_do_not_fit_are_refused() {
        let mut graph = Graph::default();
        let (vector, matrix) = (graph.input("z", &[3]), graph.input("t", &[3, 2]));
        assert!(Loss::MeanSquaredError.factor(&mut graph, vector, vector).is_err());
        assert!(Loss::CrossEntropy.factor(&mut graph, matrix, vector).is_err());
        assert!(Loss::CrossEntropy.emit(&mut graph, matrix, vector).is_err());
    }
}
