//! Products of rows that are sums of outer products, without forming the rows.

use std::ops::Range;

use candle_core::Tensor;
use eigenscape_core::{Interrupt, Result};
use faer::{Accum, Mat, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use super::{
    tiles::{Destination, Tile},
    values::{Reader, read},
};
use crate::{
    float::Float,
    tiles::{places, ranges, split},
};

/// Approximate number of rows and columns of the block of inner products of inputs that is computed
/// at a time.
const TOGETHER: usize = 512;

/// The rows Σₚ l\[n, r, p\] ⊗ x\[n, p\] of some samples, in f64.
#[derive(Clone, Copy)]
pub(super) struct Outer<'a> {
    /// l \[n, R, P, o\].
    left: &'a [f64],
    /// x \[n, P, i\].
    right: &'a [f64],
    rank: usize,
    positions: usize,
    o: usize,
    i: usize,
}

impl<'a> Outer<'a> {
    /// Copies `left` \[R, n, P, o\] and `right` \[n, P, i\] into `buffer`, which grows if it is too
    /// small.
    pub fn new(buffer: &'a mut Vec<f64>, left: &Tensor, right: &Tensor) -> Result<Self> {
        let ((rank, samples, positions, o), (_, _, i)) = (left.dims4()?, right.dims3()?);
        let len = left.elem_count() + right.elem_count();
        if buffer.len() < len {
            *buffer = vec![0.0; len];
        }
        let (cotangents, inputs) = buffer[..len].split_at_mut(left.elem_count());
        read(left, BySample { to: cotangents, rank, samples })?;
        read(right, BySample { to: inputs, rank: 1, samples })?;
        Ok(Self { left: cotangents, right: inputs, rank, positions, o, i })
    }

    /// Adds ΦΨᵀ, where Φ holds the rows for the rectangle's rows and Ψ those for its columns.
    ///
    /// # Errors
    /// When an interrupt is requested.
    pub fn add(place: &mut Destination, phi: Self, psi: Self) -> Result<()> {
        let interrupt = place.interrupt;
        place.add(|tile| match phi.positions {
            1 => phi.single(&psi, tile),
            _ => phi.several(&psi, tile, interrupt),
        })
    }

    /// Adds Φᵀu, o × i in row-major order, for one coefficient per row: Σₙₚ (Σᵣ uₙᵣ lₙᵣₚ) ⊗ xₙₚ.
    /// About `slab` numbers of the inner sums are held at a time. Each tile is one task, so that
    /// the bits do not depend on the number of threads.
    pub fn pull_back(&self, u: &[f64], out: &mut [f64], slab: usize) {
        let &Self { left, right, rank, positions, o, i } = self;
        let (of_left, of_right) = (positions * o, positions * i);
        let samples = u.len() / rank.max(1);
        let step = (slab / of_left.max(1)).clamp(1, samples.max(1));
        let (down, across) = (ranges(i, 1), ranges(o, 1));
        for first in (0..samples).step_by(step) {
            let end = samples.min(first + step);
            let mut sums = vec![0.0; (end - first) * of_left];
            sums.par_chunks_mut(of_left.max(1)).zip(first..end).for_each(|(sum, n)| {
                for row in n * rank..(n + 1) * rank {
                    let cotangents = &left[row * of_left..][..of_left];
                    sum.iter_mut().zip(cotangents).for_each(|(sum, l)| *sum += u[row] * l);
                }
            });
            let rows = (end - first) * positions;
            let sums = MatRef::from_row_major_slice(&sums, rows, o);
            let inputs = MatRef::from_row_major_slice(&right[first * of_right..end * of_right], rows, i);
            // The transpose of `out`, in column-major order.
            let tiles =
                split(MatMut::from_column_major_slice_mut(&mut *out, i, o), &down, &across, |_, _| true);
            let places = places(&down, &across, |_, _| true);
            tiles.into_par_iter().zip(places).for_each(|(tile, (rows, columns))| {
                let inputs = inputs.subcols(rows.start, rows.len()).transpose();
                let sums = sums.subcols(columns.start, columns.len());
                matmul(tile, Accum::Add, inputs, sums, 1.0, Par::Seq);
            });
        }
    }

    /// Adds each row's squared norm, ⟨l, X l⟩ with X = x xᵀ, to that of its place, sample by
    /// sample.
    pub fn add_squared_norms(&self, sums: &mut [f64]) {
        let (p, len) = (self.positions, self.positions * self.o);
        sums.par_chunks_mut(self.rank.max(1)).enumerate().for_each(|(n, sums)| {
            let inputs = self.inputs(n..n + 1);
            let mut x = Mat::zeros(p, p);
            product(x.as_mut(), inputs, inputs.transpose());
            let mut image = vec![0.0; len];
            for (row, sum) in (n * self.rank..).zip(sums) {
                let cotangent = self.cotangent(row);
                let l = MatRef::from_row_major_slice(cotangent, p, self.o);
                product(MatMut::from_row_major_slice_mut(&mut image, p, self.o), x.as_ref(), l);
                *sum += cotangent.iter().zip(&image).map(|(l, image)| l * image).sum::<f64>();
            }
        });
    }

    /// One tile for a single position (P = 1): ⟨l ⊗ x, l' ⊗ x'⟩ = ⟨l, l'⟩⟨x, x'⟩.
    fn single(&self, other: &Self, Tile { rows, columns, product: mut out }: Tile) {
        product(out.as_mut(), self.cotangents(rows.clone()), other.cotangents(columns.clone()).transpose());
        let (samples, others) = (self.samples(&rows), other.samples(&columns));
        let mut inputs = Mat::zeros(samples.len(), others.len());
        product(inputs.as_mut(), self.inputs(samples.clone()), other.inputs(others.clone()).transpose());
        for (j, column) in columns.enumerate() {
            for (i, row) in rows.clone().enumerate() {
                let (n, m) = (row / self.rank - samples.start, column / other.rank - others.start);
                out[(i, j)] *= inputs[(n, m)];
            }
        }
    }

    /// One tile for several positions. With X = x x'ᵀ \[P, P\], ⟨Σₚ l\[p\] ⊗ x\[p\], Σₚ l'\[p\] ⊗
    /// x'\[p\]⟩ = Σₚₚʼ X\[p, pʼ\] ⟨l\[p\], lʼ\[pʼ\]⟩ = ⟨l, X lʼ⟩. With many positions a tile
    /// takes seconds, so that an interrupt ends it, too.
    fn several(&self, other: &Self, Tile { rows, columns, product: mut out }: Tile, interrupt: &Interrupt) {
        let p = self.positions;
        let together = (TOGETHER / p).max(1);
        let mut images = vec![0.0; other.rank * p * self.o];
        let most = |samples: Range<usize>| together.min(samples.len()) * p;
        let mut all = Mat::<f64>::zeros(most(self.samples(&rows)), most(other.samples(&columns)));
        for ms in chunks(other.samples(&columns), together) {
            for ns in chunks(self.samples(&rows), together) {
                if interrupt.is_requested() {
                    return;
                }
                let mut x = all.as_mut().submatrix_mut(0, 0, ns.len() * p, ms.len() * p);
                product(x.as_mut(), self.inputs(ns.clone()), other.inputs(ms.clone()).transpose());
                for (j, m) in ms.clone().enumerate() {
                    let right = other.of_sample(m, &columns);
                    for (i, n) in ns.clone().enumerate() {
                        let left = self.of_sample(n, &rows);
                        let (top, side) = (left.start - rows.start, right.start - columns.start);
                        let block = out.as_mut().submatrix_mut(top, side, left.len(), right.len());
                        let x = x.as_ref().submatrix(i * p, j * p, p, p);
                        self.pair(left, other, right.clone(), x, &mut images, block);
                    }
                }
            }
        }
    }

    /// ⟨l, X lʼ⟩ for `rows` of one sample and `others` of another.
    fn pair(
        &self,
        rows: Range<usize>,
        other: &Self,
        others: Range<usize>,
        x: MatRef<f64>,
        images: &mut [f64],
        block: MatMut<f64>,
    ) {
        let (p, o, len) = (self.positions, self.o, self.positions * self.o);
        let images = &mut images[..others.len() * len];
        for (row, image) in others.clone().zip(images.chunks_exact_mut(len)) {
            let cotangent = MatRef::from_row_major_slice(other.cotangent(row), p, o);
            product(MatMut::from_row_major_slice_mut(image, p, o), x, cotangent);
        }
        let images = MatRef::from_row_major_slice(images, others.len(), len);
        product(block, self.cotangents(rows), images.transpose());
    }

    /// The samples that `rows` belong to.
    fn samples(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start / self.rank..rows.end.div_ceil(self.rank)
    }

    /// The part of `rows` that belongs to sample n.
    fn of_sample(&self, n: usize, rows: &Range<usize>) -> Range<usize> {
        rows.start.max(n * self.rank)..rows.end.min((n + 1) * self.rank)
    }

    /// x of `samples`, \[n·P, i\].
    fn inputs(&self, samples: Range<usize>) -> MatRef<'_, f64> {
        let (positions, i) = (self.positions, self.i);
        let values = &self.right[samples.start * positions * i..samples.end * positions * i];
        MatRef::from_row_major_slice(values, samples.len() * positions, i)
    }

    /// l of one row, \[P, o\].
    fn cotangent(&self, row: usize) -> &[f64] {
        let len = self.positions * self.o;
        &self.left[row * len..][..len]
    }

    /// l of `rows`, \[rows, P·o\].
    fn cotangents(&self, rows: Range<usize>) -> MatRef<'_, f64> {
        let len = self.positions * self.o;
        MatRef::from_row_major_slice(&self.left[rows.start * len..rows.end * len], rows.len(), len)
    }
}

/// `out` = `left`·`right`. Sequential, since each tile is one task.
fn product(out: MatMut<f64>, left: MatRef<f64>, right: MatRef<f64>) {
    matmul(out, Accum::Replace, left, right, 1.0, Par::Seq);
}

/// Splits a range into ranges of at most `len`.
fn chunks(range: Range<usize>, len: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(len).map(move |start| start..end.min(start + len))
}

/// Copies a tensor \[R, n, ...\] (or \[n, ...\] with R = 1) to f64 in the order \[n, R, ...\].
struct BySample<'a> {
    to: &'a mut [f64],
    rank: usize,
    samples: usize,
}

impl Reader for BySample<'_> {
    fn read<T: Float>(self, values: &[T]) {
        let Self { to, rank, samples } = self;
        let len = to.len() / (rank * samples).max(1);
        to.par_chunks_mut((rank * len).max(1)).enumerate().for_each(|(n, to)| {
            for (r, to) in to.chunks_exact_mut(len).enumerate() {
                let values = &values[(r * samples + n) * len..][..len];
                to.iter_mut().zip(values).for_each(|(to, value)| *to = value.widen());
            }
        });
    }
}
