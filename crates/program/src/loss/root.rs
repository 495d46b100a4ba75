//! Square roots of a loss' Hessian in the outputs.

use super::LossFunction;
use crate::{
    Graph, Value,
    error::{Error, Result},
};

/// A square root of a loss' Hessian in the outputs: S with A = S Sᵀ. Rows are not coupled, so that
/// each of the R rows has its own root.
///
/// The root is the only derivative that a loss states by hand; tests compare it with the derived
/// Hessian.
pub trait LossRoot {
    /// K, the number of columns of S for a row of C outputs.
    fn columns(&self, outputs: usize) -> usize {
        outputs
    }

    /// Emits S \[R, C, K\] for rows z and t \[R, C\], the mean's factor 1/R included.
    ///
    /// # Errors
    /// When the loss does not support rows of this shape.
    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value>;

    /// Emits S s for signs (or any vectors) s in the shape of the outputs \[N, ..., C\]. The root
    /// may differ from that of [`Self::emit`]: it has C columns, and its product takes no more
    /// operations than the loss and has finite derivatives.
    ///
    /// # Errors
    /// When the shapes of outputs, targets and signs differ.
    fn times(&self, graph: &mut Graph, z: Value, target: Value, signs: Value) -> Result<Value>;
}

/// The root of a loss that is a mean over all n elements: S = √(c/n) diag(d), where c d² is the
/// second derivative of an element's loss.
pub trait DiagonalRoot {
    /// c, at least 0.
    fn scale(&self) -> f64 {
        1.0
    }

    /// Emits d, in the shape of the outputs; `None` where it is 1 everywhere.
    ///
    /// # Errors
    /// When the shapes of outputs and targets differ.
    fn deviation(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Option<Value>>;
}

impl<D: DiagonalRoot> LossRoot for D {
    fn emit(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let shape = graph.shape(z).to_vec();
        let scale = of_mean(self, &shape);
        let root = match self.deviation(graph, z, target)? {
            Some(deviation) => graph.scale(deviation, scale)?,
            None => graph.fill(scale, &shape)?,
        };
        graph.diagonal(root)
    }

    fn times(&self, graph: &mut Graph, z: Value, target: Value, signs: Value) -> Result<Value> {
        let scale = of_mean(self, graph.shape(z));
        let scaled = match self.deviation(graph, z, target)? {
            Some(deviation) => graph.mul(deviation, signs)?,
            None => signs,
        };
        graph.scale(scaled, scale)
    }
}

/// √(c/n) for outputs of this shape.
fn of_mean(root: &impl DiagonalRoot, outputs: &[usize]) -> f64 {
    (root.scale() / outputs.iter().product::<usize>() as f64).sqrt()
}

impl dyn LossFunction + '_ {
    /// The root of its Hessian in the outputs.
    ///
    /// # Errors
    /// When the loss has no root.
    pub fn known_root(&self) -> Result<&dyn LossRoot> {
        self.root().ok_or_else(|| {
            Error::Unsupported(format!(
                "the loss `{}` is not convex in the outputs: its Hessian there has no square root, and the Gauss-Newton matrix no exact factor; \
                 use products (the estimator \"lanczos\")",
                self.name()
            ))
        })
    }

    /// K, the number of columns of `factor` for samples with outputs of this shape \[..., C\].
    ///
    /// # Errors
    /// When the loss has no root.
    pub fn rank(&self, outputs: &[usize]) -> Result<usize> {
        let root = self.known_root()?;
        let (classes, rows) = outputs.split_last().map_or((0, &[] as &[usize]), |(last, rows)| (*last, rows));
        Ok(rows.iter().product::<usize>() * root.columns(classes))
    }

    /// Emits S \[N, D, K\] with Aₙ = Sₙ Sₙᵀ, where Aₙ is the Hessian of the loss in the D outputs
    /// of sample n, flattened; the mean's factor is included. Rows are not coupled, so that Sₙ is
    /// block-diagonal over the T rows (tokens) of a sample: D = T·C and K = T·K₁, with K₁ columns
    /// for each row.
    ///
    /// # Errors
    /// When the loss has no root, or z has fewer than two axes or another shape than the targets.
    pub fn factor(&self, graph: &mut Graph, z: Value, target: Value) -> Result<Value> {
        let root = self.known_root()?;
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
        let rows = [samples * tokens, classes];
        let (z, target) = (graph.reshape(z, &rows)?, graph.reshape(target, &rows)?);
        let by_row = root.emit(graph, z, target)?;
        block_diagonal(graph, by_row, samples, tokens)
    }

    /// Emits Sₙ sₙ for signs (or any vectors) s of the outputs' shape, where Sₙ Sₙᵀ = Aₙ is the
    /// Hessian of the loss in the outputs of sample n, the mean's factor included. See
    /// [`LossRoot::times`].
    ///
    /// # Errors
    /// When the loss has no root, the shapes of outputs, targets and signs differ, or the outputs
    /// are a scalar.
    pub fn root_times(&self, graph: &mut Graph, z: Value, target: Value, signs: Value) -> Result<Value> {
        if graph.shape(z).is_empty() {
            return Err(Error::shape("the loss' root", "the outputs are a scalar"));
        }
        self.known_root()?.times(graph, z, target, signs)
    }
}

impl Graph {
    /// diag(sᵣ) for each row of s \[R, C\]: \[R, C, C\].
    ///
    /// # Errors
    /// When s has another number of axes.
    pub fn diagonal(&mut self, s: Value) -> Result<Value> {
        let &[rows, c] = self.shape(s) else { return Err(Error::shape("diagonal", "needs rows [R, C]")) };
        let identity = self.identity(c)?;
        let identity = self.reshape(identity, &[1, c, c])?;
        let identity = self.broadcast(identity, &[rows, c, c])?;
        let s = self.reshape(s, &[rows, c, 1])?;
        let s = self.broadcast(s, &[rows, c, c])?;
        self.mul(s, identity)
    }
}

/// Arranges blocks \[N·T, C, K\], T for each of N samples, as one block-diagonal matrix for each
/// sample: \[N, T·C, T·K\].
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
