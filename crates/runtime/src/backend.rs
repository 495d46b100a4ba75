//! What runs plans.

use std::fmt::Debug;

use candle_core::{DType, Tensor};

use crate::{
    buffer::Buffer,
    error::{Error, Result},
    plan::Plan,
};

/// Which steps of a program a backend runs as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fusion {
    /// Chains of element-wise operations, and the sum at their end.
    pub chains: bool,
    /// The sum of two results of one convolution.
    pub pairs: bool,
}

impl Fusion {
    /// Every operation is a step of its own.
    pub const NONE: Self = Self { chains: false, pairs: false };
    /// Whatever can be fused.
    pub const ALL: Self = Self { chains: true, pairs: true };
}

/// Runs plans, and the little algebra that products need around them.
///
/// The same plan on the same inputs gives the same bits, for any number of threads.
pub trait Backend: Debug + Send + Sync {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// What it fuses.
    fn fusion(&self) -> Fusion;

    /// Operations after which one run keeps everything busy: more vectors at once would only take
    /// more memory, and pass through it more slowly.
    fn worthwhile(&self) -> usize {
        1 << 32
    }

    /// Whether it keeps numbers in the host's memory, so that whatever works on tensors works on
    /// them.
    fn is_host(&self) -> bool {
        true
    }

    /// A tensor where the backend keeps numbers; for what many runs use.
    ///
    /// # Errors
    /// When there is no memory for it.
    fn place(&self, tensor: &Tensor) -> Result<Buffer> {
        Ok(tensor.clone().into())
    }

    /// The outputs of a plan, given inputs of its [signature](crate::Signature) in row-major
    /// order. Those that are not where the backend keeps numbers are [placed](Self::place) for this
    /// run. An input that nothing else holds is freed after its last use. An output that is an
    /// input is what was given, or that placed.
    ///
    /// # Errors
    /// When an operation fails, or there is no kernel for it.
    fn run(&self, plan: &Plan, inputs: Vec<Buffer>) -> Result<Vec<Buffer>>;

    /// Vectors \[K, Σ n\] as one part for each of `shapes`, of n numbers each, with a leading axis
    /// of K where there are several vectors. The parts may share the memory of the vectors.
    ///
    /// # Errors
    /// When the vectors have not as many numbers, or a copy fails.
    fn cut(&self, vectors: &Buffer, shapes: &[Vec<usize>]) -> Result<Vec<Buffer>> {
        let parts = cut(&vectors.to_host()?, shapes)?;
        Ok(parts.into_iter().map(Buffer::from).collect())
    }

    /// \[K, Σ n\]: Σ factor · vectors over terms whose vectors are in parts of K·n numbers, or of n
    /// numbers that all K rows have alike. The sum is taken in f64 and rounded once to `dtype`.
    ///
    /// # Errors
    /// When there is no part, or an operation fails.
    fn join(&self, terms: &[(f64, Vec<Buffer>)], lens: &[usize], k: usize, dtype: DType) -> Result<Buffer>;

    /// The dot product of each of `vectors` with `w`, which all have as many numbers, in f64. With
    /// [`Self::combine`] it is the algebra of a Krylov basis.
    ///
    /// # Errors
    /// When the numbers of vectors differ, or an operation fails.
    fn dots(&self, vectors: &[Buffer], w: &Buffer) -> Result<Vec<f64>> {
        let row = |buffer: &Buffer| Ok::<_, Error>(buffer.to_host()?.flatten_all()?.to_dtype(DType::F64)?);
        let w = row(w)?;
        vectors.iter().map(|vector| Ok((row(vector)? * &w)?.sum_all()?.to_scalar()?)).collect()
    }

    /// \[1, P\]: Σ factor · vector over vectors of P numbers. The sum is taken in f64 and rounded
    /// once to `dtype`.
    ///
    /// # Errors
    /// When there is no vector, the numbers of vectors differ, or an operation fails.
    fn combine(&self, terms: &[(f64, &Buffer)], dtype: DType) -> Result<Buffer> {
        let len = terms.first().map_or(0, |(_, vector)| vector.dims().iter().product());
        let terms: Vec<(f64, Vec<Buffer>)> =
            terms.iter().map(|(factor, vector)| (*factor, vec![(*vector).clone()])).collect();
        self.join(&terms, &[len], 1, dtype)
    }

    /// Each row \[1, P\] of vectors \[K, P\]. They may share the memory of the vectors.
    ///
    /// # Errors
    /// When there are no rows, or a copy fails.
    fn rows(&self, vectors: &Buffer) -> Result<Vec<Buffer>> {
        let vectors = vectors.to_host()?;
        let (k, _) = vectors.dims2()?;
        (0..k).map(|row| self.place(&vectors.narrow(0, row, 1)?)).collect()
    }

    /// Vectors \[K, P\] of rows \[1, P\] of one type: what [`Self::rows`] takes apart.
    ///
    /// # Errors
    /// When there is no row, shapes or types differ, or a copy fails.
    fn stack(&self, rows: &[Buffer]) -> Result<Buffer> {
        if let [row] = rows {
            return Ok(row.clone());
        }
        self.place(&Tensor::cat(&Buffer::all_to_host(rows.to_vec())?, 0)?)
    }

    /// The `results` of a run, those copied that share their memory with each other or with
    /// `others`.
    ///
    /// # Errors
    /// When a copy fails.
    fn own(&self, results: Vec<Buffer>, others: &[Buffer]) -> Result<Vec<Buffer>>;

    /// Takes the memory of buffers for later results. Nothing else than these may share it: see
    /// [`Self::own`].
    fn recycle(&self, buffers: &[Buffer]);

    /// Frees the memory that is kept for later results.
    fn release(&self);
}

/// The parts of vectors in the host's memory.
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
