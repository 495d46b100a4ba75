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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_their_operands_fit_into_a_slab() {
        let forms = [
            Form::Explicit { len: 2_359_296 },
            Form::Outer { positions: 16, left: 512, right: 4608 },
            Form::Activation { len: 90 },
        ];
        for (slab, rank, samples) in [(1 << 24, 9, 100), (1 << 24, 9, 5000), (4000, 3, 40), (500, 60, 7)] {
            let tiles = Tiles::new(slab, rank, samples, &forms);
            let rows = tiles.samples * rank;
            assert!((1..=samples).contains(&tiles.samples));
            assert!(rows * rows <= slab || tiles.samples == 1, "{slab} {rank} {samples}: {tiles:?}");
            assert!(tiles.columns * rows <= slab, "{slab} {rank} {samples}: {tiles:?}");
            let parts = tiles.parts(100_001);
            assert_eq!(parts.iter().sum::<usize>(), 100_001);
            assert!(parts.iter().all(|&part| (1..=tiles.columns).contains(&part)));
        }
        // More numbers than kernels can index are not computed at once.
        let long = Tiles::new(usize::MAX, 1, 1000, &[Form::Explicit { len: 1 << 29 }]);
        assert_eq!(long.samples, 4);
        assert_eq!(Tiles::new(usize::MAX, 1, 1, &forms).parts(70), [70]);
    }
}
