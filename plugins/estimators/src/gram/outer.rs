//! Gram matrices of rows that are sums of outer products, without forming the rows.

use candle_core::Tensor;
use eigenscape_core::Result;
use faer::{Accum, Mat, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use super::{matrix::Symmetric, side::values};

/// Adds Φₜ Φₜᵀ for the rows Σₚ l\[r, n, p\] ⊗ x\[n, p\], with `left` \[R, N, P, o\] and `right` \[N, P, i\].
pub(super) fn add(gram: &mut Symmetric, left: &Tensor, right: &Tensor) -> Result<()> {
    let ((r, n, p, o), (_, _, i)) = (left.dims4()?, right.dims3()?);
    let (left, right) = (values(left)?, values(right)?);
    if p == 1 {
        add_single(gram, &left, &right, [r, n, o, i]);
    } else {
        let factor = Positions { left: &left, right: &right, r, n, p, o, i };
        let blocks: Vec<Vec<Mat<f64>>> = (0..n).into_par_iter().map(|first| factor.blocks(first)).collect();
        // Row r·N + n belongs to sample n; blocks are known for the pairs with the first sample not before the second.
        gram.add_entries(|a, b| {
            let ((ra, na), (rb, nb)) = ((a / n, a % n), (b / n, b % n));
            if na >= nb { blocks[na][nb][(ra, rb)] } else { blocks[nb][na][(rb, ra)] }
        });
    }
    Ok(())
}

/// ⟨l ⊗ x, l' ⊗ x'⟩ = ⟨l, l'⟩⟨x, x'⟩.
fn add_single(gram: &mut Symmetric, left: &[f64], right: &[f64], [r, n, o, i]: [usize; 4]) {
    let mut inputs = Symmetric::zeros(n);
    inputs.add_product(MatRef::from_row_major_slice(right, n, i));
    let inputs = inputs.into_matrix();
    gram.add_hadamard(MatRef::from_row_major_slice(left, r * n, o), |a, b| inputs[(a % n, b % n)]);
}

struct Positions<'a> {
    left: &'a [f64],
    right: &'a [f64],
    r: usize,
    n: usize,
    p: usize,
    o: usize,
    i: usize,
}

impl<'a> Positions<'a> {
    /// x of a sample, \[P, i\].
    fn inputs(&self, n: usize) -> MatRef<'a, f64> {
        let len = self.p * self.i;
        MatRef::from_row_major_slice(&self.right[n * len..][..len], self.p, self.i)
    }

    /// l of a row, \[P, o\].
    fn cotangents(&self, r: usize, n: usize) -> MatRef<'a, f64> {
        let len = self.p * self.o;
        MatRef::from_row_major_slice(&self.left[(r * self.n + n) * len..][..len], self.p, self.o)
    }

    /// The R × R blocks of the pairs of sample `first` with itself and all before it. With X = x xʼᵀ \[P, P\], the entry of rows
    /// (r, n) and (rʼ, nʼ) is Σₚₚʼ X\[p, pʼ\] ⟨l\[p\], lʼ\[pʼ\]⟩ = ⟨l, X lʼ⟩.
    fn blocks(&self, first: usize) -> Vec<Mat<f64>> {
        let Self { r, n, p, o, .. } = *self;
        let len = p * o;
        let rows = MatRef::from_row_major_slice_with_stride(&self.left[first * len..], r, len, n * len);
        let mut x = Mat::<f64>::zeros(p, p);
        let mut products = vec![0.0; r * len];
        let block = |second: usize| {
            product(x.as_mut(), self.inputs(first), self.inputs(second).transpose());
            for (b, xl) in products.chunks_exact_mut(len).enumerate() {
                product(MatMut::from_row_major_slice_mut(xl, p, o), x.as_ref(), self.cotangents(b, second));
            }
            let mut block = Mat::zeros(r, r);
            product(block.as_mut(), rows, MatRef::from_row_major_slice(&products, r, len).transpose());
            block
        };
        (0..=first).map(block).collect()
    }
}

/// Sequential: each sample is one task.
fn product(out: MatMut<f64>, left: MatRef<f64>, right: MatRef<f64>) {
    matmul(out, Accum::Replace, left, right, 1.0, Par::Seq);
}
