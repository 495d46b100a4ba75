//! Products of rows that are sums of outer products, without forming the rows.

use std::ops::Range;

use candle_core::{DType, Tensor};
use eigenscape_core::Result;
use faer::{Accum, Mat, MatMut, MatRef, Par, linalg::matmul::matmul};

use super::tiles::{Place, Tile};

/// The rows Σₚ l\[n, r, p\] ⊗ x\[n, p\] of some samples, in f64.
pub(super) struct Outer {
    /// l \[n, R, P, o\].
    left: Vec<f64>,
    /// x \[n, P, i\].
    right: Vec<f64>,
    rank: usize,
    positions: usize,
    o: usize,
    i: usize,
}

impl Outer {
    /// From `left` \[R, n, P, o\] and `right` \[n, P, i\].
    pub fn new(left: &Tensor, right: &Tensor) -> Result<Self> {
        let ((rank, _, positions, o), (_, _, i)) = (left.dims4()?, right.dims3()?);
        let values = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1();
        Ok(Self { left: values(&left.transpose(0, 1)?)?, right: values(right)?, rank, positions, o, i })
    }

    /// Adds ΦΨᵀ for the rows Φ of the rectangle's rows and Ψ of its columns.
    pub fn add(place: &mut Place, phi: &Self, psi: &Self) {
        place.add(|tile| if phi.positions == 1 { phi.single(psi, tile) } else { phi.several(psi, tile) });
    }

    /// ⟨l ⊗ x, l' ⊗ x'⟩ = ⟨l, l'⟩⟨x, x'⟩.
    fn single(&self, other: &Self, Tile { rows, columns, product: mut out }: Tile) {
        product(out.as_mut(), self.cotangents(rows.clone()), other.cotangents(columns.clone()).transpose());
        let (samples, others) = (self.samples(&rows), self.samples(&columns));
        let mut inputs = Mat::zeros(samples.len(), others.len());
        product(
            inputs.as_mut(),
            self.inputs_of(samples.clone()),
            other.inputs_of(others.clone()).transpose(),
        );
        for (j, column) in columns.enumerate() {
            for (i, row) in rows.clone().enumerate() {
                let (n, m) = (row / self.rank - samples.start, column / self.rank - others.start);
                out[(i, j)] *= inputs[(n, m)];
            }
        }
    }

    /// With X = x x'ᵀ \[P, P\], ⟨Σₚ l\[p\] ⊗ x\[p\], Σₚ l'\[p\] ⊗ x'\[p\]⟩ = Σₚₚʼ X\[p, pʼ\] ⟨l\[p\], lʼ\[pʼ\]⟩ = ⟨l, X lʼ⟩.
    fn several(&self, other: &Self, Tile { rows, columns, product: mut out }: Tile) {
        let (p, o, len) = (self.positions, self.o, self.positions * self.o);
        let mut x = Mat::<f64>::zeros(p, p);
        let mut images = vec![0.0; self.rank * len];
        for m in self.samples(&columns) {
            let right = self.of_sample(m, &columns);
            for n in self.samples(&rows) {
                let left = self.of_sample(n, &rows);
                product(x.as_mut(), self.inputs(n), other.inputs(m).transpose());
                let images = &mut images[..right.len() * len];
                for (row, image) in right.clone().zip(images.chunks_exact_mut(len)) {
                    let cotangent = MatRef::from_row_major_slice(other.cotangent(row), p, o);
                    product(MatMut::from_row_major_slice_mut(image, p, o), x.as_ref(), cotangent);
                }
                let images = MatRef::from_row_major_slice(images, right.len(), len);
                let (top, side) = (left.start - rows.start, right.start - columns.start);
                let block = out.as_mut().submatrix_mut(top, side, left.len(), right.len());
                product(block, self.cotangents(left), images.transpose());
            }
        }
    }

    /// To which samples some rows belong.
    fn samples(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start / self.rank..rows.end.div_ceil(self.rank)
    }

    /// The rows of sample n among some rows.
    fn of_sample(&self, n: usize, rows: &Range<usize>) -> Range<usize> {
        rows.start.max(n * self.rank)..rows.end.min((n + 1) * self.rank)
    }

    /// x of one sample, \[P, i\].
    fn inputs(&self, n: usize) -> MatRef<'_, f64> {
        let len = self.positions * self.i;
        MatRef::from_row_major_slice(&self.right[n * len..][..len], self.positions, self.i)
    }

    /// x of some samples, \[n, P·i\].
    fn inputs_of(&self, samples: Range<usize>) -> MatRef<'_, f64> {
        let len = self.positions * self.i;
        MatRef::from_row_major_slice(&self.right[samples.start * len..samples.end * len], samples.len(), len)
    }

    /// l of one row, \[P, o\].
    fn cotangent(&self, row: usize) -> &[f64] {
        let len = self.positions * self.o;
        &self.left[row * len..][..len]
    }

    /// l of some rows, \[rows, P·o\].
    fn cotangents(&self, rows: Range<usize>) -> MatRef<'_, f64> {
        let len = self.positions * self.o;
        MatRef::from_row_major_slice(&self.left[rows.start * len..rows.end * len], rows.len(), len)
    }
}

/// Sequential: each tile is one task.
fn product(out: MatMut<f64>, left: MatRef<f64>, right: MatRef<f64>) {
    matmul(out, Accum::Replace, left, right, 1.0, Par::Seq);
}
