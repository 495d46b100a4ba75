//! The interface of backends, which run plans.

use std::fmt::Debug;

use candle_core::{DType, Tensor};

use crate::{
    buffer::Buffer,
    error::{Error, Result},
    plan::Plan,
    workspace::Workspace,
};

/// The fusions that a backend supports: steps of a program that it runs as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fusion {
    /// Chains of element-wise operations, and the sum at their end.
    pub chains: bool,
    /// The sum of two results of the same convolution.
    pub convolutions: bool,
    /// The sum of two results of the same matrix product.
    pub products: bool,
}

impl Fusion {
    /// No fusion: every operation is its own step.
    pub const NONE: Self = Self { chains: false, convolutions: false, products: false };
    /// All fusions.
    pub const ALL: Self = Self { chains: true, convolutions: true, products: true };
}

/// What plans for a backend depend on, and how samples and vectors are split for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Planning {
    /// The fusions that the backend supports.
    pub fusion: Fusion,
    /// The workspaces of its steps.
    pub workspace: Workspace,
    /// The number of operations from which on one run saturates the backend: running more vectors
    /// at once would only take more memory and more memory traffic.
    pub worthwhile: usize,
    /// The bytes that one run may take in addition to what is kept before samples are split
    /// although all would fit: on a host, memory that is touched and freed again for each run gains
    /// no speed.
    pub comfortable: usize,
}

impl Planning {
    /// Plans for a host's processor with these fusions and workspaces.
    #[must_use]
    pub const fn of_host(fusion: Fusion, workspace: Workspace) -> Self {
        Self { fusion, workspace, worthwhile: 1 << 32, comfortable: 512 << 20 }
    }
}

/// Runs plans, and the vector operations that products and Krylov bases need.
///
/// The same plan on the same inputs gives the same bits, for any number of threads.
pub trait Backend: Debug + Send + Sync {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// What plans for the backend depend on.
    fn planning(&self) -> Planning;

    /// Whether the backend keeps numbers in the host's memory, where tensor operations can use them
    /// directly.
    fn is_host(&self) -> bool {
        true
    }

    /// Waits until all runs are done: a run may return before its results are computed.
    ///
    /// # Errors
    /// When one of them failed.
    fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    /// Bytes of a device's memory that are held for its buffers and for reuse; `None` where buffers
    /// lie in the host's memory.
    fn held(&self) -> Option<usize> {
        None
    }

    /// Copies a tensor to the backend's memory, for inputs that many runs use; no copy if it is
    /// there already.
    ///
    /// # Errors
    /// When there is no memory for it.
    fn place(&self, tensor: &Tensor) -> Result<Buffer> {
        Ok(tensor.clone().into())
    }

    /// The outputs of a plan, given inputs of its [signature](crate::Signature) in row-major order.
    /// Inputs outside the backend's memory are [placed](Self::place) for this run. An input that
    /// nothing else holds is freed after its last use. An output that is also an input is the given
    /// buffer, or its placed copy.
    ///
    /// # Errors
    /// When an operation fails, or there is no kernel for it.
    fn run(&self, plan: &Plan, inputs: Vec<Buffer>) -> Result<Vec<Buffer>>;

    /// Vectors \[K, Σ n\] as one part for each of `shapes`, each of n numbers, with a leading axis
    /// of size K if K > 1. The parts may share the memory of the vectors.
    ///
    /// # Errors
    /// When the sizes do not fit, or a copy fails.
    fn cut(&self, vectors: &Buffer, shapes: &[Vec<usize>]) -> Result<Vec<Buffer>> {
        let parts = cut(&vectors.to_host()?, shapes)?;
        Ok(parts.into_iter().map(Buffer::from).collect())
    }

    /// \[K, Σ n\]: Σ factor · vectors over `terms`. The vectors of a term are given as parts, each
    /// of K·n numbers or of n numbers common to all K rows; `lens` lists the n. The sum is taken in
    /// f64 and rounded once to `dtype`.
    ///
    /// # Errors
    /// When there is no part, or an operation fails.
    fn join(&self, terms: &[(f64, Vec<Buffer>)], lens: &[usize], k: usize, dtype: DType) -> Result<Buffer>;

    /// `sum` + factor · vectors in f64, for a sum \[K, Σ n\] in f64 and vectors given as parts, as
    /// for [`Self::join`]. The result may lie in the memory of `sum` if nothing else holds that.
    ///
    /// # Errors
    /// As [`Self::join`].
    fn add(&self, sum: Buffer, factor: f64, parts: Vec<Buffer>, lens: &[usize]) -> Result<Buffer> {
        let k = sum.dims().first().copied().unwrap_or(1);
        let shapes: Vec<Vec<usize>> = lens.iter().map(|&len| vec![len]).collect();
        self.join(&[(1.0, self.cut(&sum, &shapes)?), (factor, parts)], lens, k, DType::F64)
    }

    /// The dot product of each of `vectors` with `w`, in f64. All have the same number of elements.
    /// With [`Self::combine`] this suffices to orthogonalise a Krylov basis.
    ///
    /// # Errors
    /// When the vectors' sizes differ, or an operation fails.
    fn dots(&self, vectors: &[Buffer], w: &Buffer) -> Result<Vec<f64>> {
        let row = |buffer: &Buffer| Ok::<_, Error>(buffer.to_host()?.flatten_all()?.to_dtype(DType::F64)?);
        let w = row(w)?;
        vectors.iter().map(|vector| Ok((row(vector)? * &w)?.sum_all()?.to_scalar()?)).collect()
    }

    /// \[1, P\]: Σ factor · vector over vectors of P numbers. The sum is taken in f64 and rounded
    /// once to `dtype`.
    ///
    /// # Errors
    /// When there is no vector, the vectors' sizes differ, or an operation fails.
    fn combine(&self, terms: &[(f64, &Buffer)], dtype: DType) -> Result<Buffer> {
        let len = terms.first().map_or(0, |(_, vector)| vector.dims().iter().product());
        let terms: Vec<(f64, Vec<Buffer>)> =
            terms.iter().map(|(factor, vector)| (*factor, vec![(*vector).clone()])).collect();
        self.join(&terms, &[len], 1, dtype)
    }

    /// All eigenvalues, ascending, of the symmetric matrix with these columns, of which only the
    /// lower half is read; `None` where the host is as fast, or the backend cannot compute them.
    ///
    /// # Errors
    /// When columns and rows differ in number, or the backend fails.
    fn eigenvalues(&self, columns: &[&[f64]]) -> Result<Option<Vec<f64>>> {
        let _ = columns;
        Ok(None)
    }

    /// Each row \[1, P\] of vectors \[K, P\]. The rows may share the memory of the vectors.
    ///
    /// # Errors
    /// When there are no rows, or a copy fails.
    fn rows(&self, vectors: &Buffer) -> Result<Vec<Buffer>> {
        let vectors = vectors.to_host()?;
        let (k, _) = vectors.dims2()?;
        (0..k).map(|row| self.place(&vectors.narrow(0, row, 1)?)).collect()
    }

    /// Stacks rows \[1, P\] of the same type as vectors \[K, P\]: the inverse of [`Self::rows`].
    ///
    /// # Errors
    /// When there is no row, shapes or types differ, or a copy fails.
    fn stack(&self, rows: &[Buffer]) -> Result<Buffer> {
        if let [row] = rows {
            return Ok(row.clone());
        }
        self.place(&Tensor::cat(&Buffer::all_to_host(rows.to_vec())?, 0)?)
    }

    /// The `results` of a run, after copying those that share memory with each other or with
    /// `others`.
    ///
    /// # Errors
    /// When a copy fails.
    fn own(&self, results: Vec<Buffer>, others: &[Buffer]) -> Result<Vec<Buffer>>;

    /// Reuses the memory of `buffers` for later results. No other buffer may share that memory: see
    /// [`Self::own`].
    fn recycle(&self, buffers: &[Buffer]);

    /// Frees the memory that the backend holds for reuse.
    fn release(&self);
}

/// [`Backend::cut`] in the host's memory.
fn cut(vectors: &Tensor, shapes: &[Vec<usize>]) -> Result<Vec<Tensor>> {
    let (k, _) = vectors.dims2()?;
    let lead = (k > 1).then_some(k);
    let mut start = 0;
    let parts = shapes.iter().map(|shape| {
        let len = shape.iter().product();
        let dims: Vec<usize> = lead.into_iter().chain(shape.iter().copied()).collect();
        let part = vectors.narrow(1, start, len)?.reshape(dims)?;
        start += len;
        Ok(part)
    });
    parts.collect()
}
