//! The sizes of products of rows on a backend.

use crate::factor::rows::Form;

/// Bounds on products and their intermediate results. They depend on a whole factor alone, not on
/// the samples at hand, so that the parts of all rows fit together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiles {
    /// The most samples of a micro-batch.
    pub samples: usize,
    /// The columns of explicit rows that are multiplied at once.
    pub columns: usize,
    /// Numbers in f64 that one operand may have.
    pub slab: usize,
}

impl Tiles {
    /// Rows from which on larger products gain no speed.
    const ROWS: usize = 4096;

    /// Numbers of a result of a backward pass that kernels can index.
    const INDEXED: usize = 1 << 31;

    /// The bounds for R = `rank` rows for each of `samples` samples in total. A product of the rows
    /// of two micro-batches has at most `slab` numbers, unless one sample each gives more.
    pub fn new(slab: usize, rank: usize, samples: usize, forms: &[Form]) -> Self {
        let rank = rank.max(1);
        let longest = forms.iter().flat_map(|form| form.shapes()).map(|shape| shape.iter().product());
        let indexed = Self::INDEXED / longest.max().unwrap_or(1).max(1);
        let rows = slab.isqrt().min(Self::ROWS);
        let samples = (rows / rank).min(indexed).min(samples).max(1);
        Self { samples, columns: (slab / (samples * rank)).max(1), slab }
    }

    /// The sizes of the parts into which `len` columns are split.
    pub fn parts(&self, len: usize) -> Vec<usize> {
        (0..len).step_by(self.columns).map(|start| self.columns.min(len - start)).collect()
    }
}
