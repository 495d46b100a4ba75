//! Reduces a symmetric matrix to a band matrix by matrix products.
//!
//! Applying one reflection at a time, as faer's tridiagonalisation does, reads and writes the whole
//! matrix for each of them, so that memory limits the speed where the matrix exceeds the caches.
//! Here the reflections of [`WIDTH`] columns are applied to the rest of the matrix together. This
//! is the first of two stages in C. Bischof, B. Lang & X. Sun, "A framework for symmetric band
//! reduction", ACM TOMS 26, 2000; `bulges.rs` is the second.

use std::ops::Range;

use eigenscape_core::{Interrupt, Result, account::size};
use faer::{
    Accum, ColMut, Mat, MatMut, MatRef, Par,
    linalg::{
        matmul::{
            matmul,
            triangular::{
                self,
                BlockStructure::{Rectangular, StrictTriangularUpper, TriangularLower},
            },
        },
        triangular_solve::solve_lower_triangular_in_place,
    },
};
use rayon::prelude::*;

use super::reflection::{annihilate, reflect};
use crate::tiles::{places, ranges, split};

/// The largest distance of a non-zero entry from the diagonal. A larger value makes this stage
/// faster and the second slower.
pub(super) const WIDTH: usize = 32;

/// A column of a band matrix from its diagonal entry down: the band, then the entries that a bulge
/// takes below it.
pub(super) type Column = [f64; 2 * WIDTH];

/// A zero band matrix of n rows, padded by WIDTH further columns.
pub(super) fn zeros(n: usize) -> Vec<Column> {
    vec![[0.0; 2 * WIDTH]; n + WIDTH]
}

/// Bytes that [`banded`] takes for n rows.
pub(super) fn bytes(n: usize) -> usize {
    size([n.saturating_add(WIDTH)], size_of::<Column>())
}

/// A symmetric matrix A = Q B Qᵀ with a band matrix B, and the reflections whose product is Q.
pub(super) struct Reduced {
    /// B, laid out as in [`zeros`].
    pub band: Vec<Column>,
    /// The reflections' vectors, below the band.
    vectors: Mat<f64>,
    /// The reflections' scales, for each panel of WIDTH columns.
    scales: Vec<Vec<f64>>,
}

impl Reduced {
    /// x ← Qx: from an eigenvector of B to that of A.
    pub fn transform_back(&self, x: &mut [f64]) {
        let n = self.vectors.nrows();
        for (panel, scales) in self.scales.iter().enumerate().rev() {
            let (first, end) = (panel * WIDTH, n.min((panel + 1) * WIDTH));
            for (c, scale) in scales.iter().enumerate().rev() {
                let column = self.vectors.col(first + c).try_as_col_major();
                let tail = column.map_or(&[][..], |column| &column.as_slice()[end + c + 1..]);
                reflect(std::iter::once(&mut x[end + c..]), tail, *scale);
            }
        }
    }
}

/// The band matrix of [`reduced`].
pub(super) fn banded(lower: Mat<f64>, interrupt: &Interrupt) -> Result<Vec<Column>> {
    Ok(reduced(lower, interrupt)?.band)
}

/// The symmetric matrix with this lower half, reduced to a band matrix in its memory. The upper
/// half is not read, and serves as workspace. After an interrupt, tiles are left out, so that not
/// even the products of one panel are waited for.
pub(super) fn reduced(mut lower: Mat<f64>, interrupt: &Interrupt) -> Result<Reduced> {
    let n = lower.nrows();
    let (mut band, mut all_scales) = (zeros(n), Vec::new());
    for first in (0..n).step_by(WIDTH) {
        let width = WIDTH.min(n - first);
        let end = first + width;
        let (before, above, below, rest) = lower.as_mut().split_at_mut(end, end);
        let mut panel = below.subcols_mut(first, width);
        let scales = triangularise(panel.as_mut());
        let block = before.as_ref().submatrix(first, first, width, width);
        store(&mut band[first..end], block, panel.as_ref());
        write_out(panel.as_mut());
        let vectors = panel.as_ref().subcols(0, scales.len());
        transform(rest, vectors, &scales, above.subrows_mut(first, scales.len()), interrupt);
        interrupt.check()?;
        all_scales.push(scales);
    }
    Ok(Reduced { band, vectors: lower, scales: all_scales })
}

/// QR factorisation by reflections, in place: R on and above the diagonal, below it the
/// reflections' vectors without their first entry. Returns their scales 1 / τ.
fn triangularise(mut panel: MatMut<f64>) -> Vec<f64> {
    let steps = panel.nrows().min(panel.ncols());
    let reduce = |k| {
        let lower = panel.as_mut().split_at_mut(k, k).3;
        let (first, others) = lower.split_at_col_mut(1);
        let vector = slice_mut(first.col_mut(0));
        let scale = annihilate(vector);
        reflect(others.col_iter_mut().map(slice_mut), &vector[1..], scale);
        scale
    };
    (0..steps).map(reduce).collect()
}

/// Writes columns of the band from a block on the diagonal and the triangle below it.
fn store(columns: &mut [Column], block: MatRef<f64>, triangle: MatRef<f64>) {
    let width = columns.len();
    for (c, column) in columns.iter_mut().enumerate() {
        (c..width).for_each(|i| column[i - c] = block[(i, c)]);
        (0..triangle.nrows().min(c + 1)).for_each(|i| column[width - c + i] = triangle[(i, c)]);
    }
}

/// Overwrites R by the implied entries of the reflections' vectors: 1 on the diagonal, 0 above.
fn write_out(mut panel: MatMut<f64>) {
    for c in 0..panel.ncols() {
        (0..panel.nrows().min(c + 1)).for_each(|i| panel[(i, c)] = if i == c { 1.0 } else { 0.0 });
    }
}

/// A ← QᵀAQ, lower half, for the product Q of the reflections; `space` is workspace with a column
/// for each row of A. Each tile is one sequential task, so that the bits do not depend on the
/// number of threads.
///
/// Q = I − V S Vᵀ, where S⁻¹ = T is upper triangular: VᵀV above the diagonal, τ on it. With
/// X = A V S and W = X − ½ V (Sᵀ Vᵀ X), QᵀAQ = A − V Wᵀ − W Vᵀ.
fn transform(a: MatMut<f64>, v: MatRef<f64>, scales: &[f64], mut space: MatMut<f64>, interrupt: &Interrupt) {
    let mut t = product(v.transpose(), v);
    scales.iter().enumerate().for_each(|(k, scale)| t[(k, k)] = scale.recip());
    let (t, tiles) = (t.transpose(), ranges(v.nrows(), 1));
    tiles.par_iter().zip(by_columns(space.as_mut(), &tiles)).for_each(|(rows, mut x)| {
        if interrupt.is_requested() {
            return;
        }
        multiply(x.as_mut().transpose_mut(), a.as_ref(), v, rows);
        solve_lower_triangular_in_place(t, x, Par::Seq);
    });
    let mut inner = product(v.transpose(), space.as_ref().transpose());
    solve_lower_triangular_in_place(t, inner.as_mut(), Par::Seq);
    tiles.par_iter().zip(by_columns(space.as_mut(), &tiles)).for_each(|(rows, w)| {
        let v = v.subrows(rows.start, rows.len());
        matmul(w, Accum::Add, inner.transpose(), v.transpose(), -0.5, Par::Seq);
    });
    subtract(a, v, space.as_ref(), &tiles, interrupt);
}

fn by_columns<'a>(matrix: MatMut<'a, f64>, tiles: &[Range<usize>]) -> Vec<MatMut<'a, f64>> {
    let rows = 0..matrix.nrows();
    split(matrix, &[rows], tiles, |_, _| true)
}

/// The given rows of A V, from the lower half of A.
fn multiply(mut out: MatMut<f64>, a: MatRef<f64>, v: MatRef<f64>, rows: &Range<usize>) {
    let Range { start, end } = *rows;
    let (left, block) = a.subrows(start, end - start).split_at_col(start);
    let block = block.subcols(0, end - start);
    let below = a.subcols(start, end - start).split_at_row(end).1;
    let (until, after) = v.split_at_row(end);
    let (before, own) = until.split_at_row(start);
    matmul(out.as_mut(), Accum::Replace, left, before, 1.0, Par::Seq);
    matmul(out.as_mut(), Accum::Add, below.transpose(), after, 1.0, Par::Seq);
    for (block, shape) in [(block, TriangularLower), (block.transpose(), StrictTriangularUpper)] {
        triangular::matmul(
            out.as_mut(),
            Rectangular,
            Accum::Add,
            block,
            shape,
            own,
            Rectangular,
            1.0,
            Par::Seq,
        );
    }
}

/// A ← A − V Wᵀ − W Vᵀ, lower half, from V and Wᵀ.
fn subtract(a: MatMut<f64>, v: MatRef<f64>, w: MatRef<f64>, tiles: &[Range<usize>], interrupt: &Interrupt) {
    let keep = |rows: &Range<usize>, columns: &Range<usize>| rows.start >= columns.start;
    let parts = split(a, tiles, tiles, keep);
    places(tiles, tiles, keep).into_par_iter().zip(parts).for_each(|((rows, columns), mut part)| {
        if interrupt.is_requested() {
            return;
        }
        let shape = if rows == columns { TriangularLower } else { Rectangular };
        let of_v = |range: &Range<usize>| v.subrows(range.start, range.len());
        let of_w = |range: &Range<usize>| w.subcols(range.start, range.len());
        for (left, right) in
            [(of_v(rows), of_w(columns)), (of_w(rows).transpose(), of_v(columns).transpose())]
        {
            triangular::matmul(
                part.as_mut(),
                shape,
                Accum::Add,
                left,
                Rectangular,
                right,
                Rectangular,
                -1.0,
                Par::Seq,
            );
        }
    });
}

/// A column of a column-major matrix as a slice.
fn slice_mut(column: ColMut<'_, f64>) -> &mut [f64] {
    column.try_as_col_major_mut().map_or(&mut [], ColMut::as_slice_mut)
}

fn product(left: MatRef<f64>, right: MatRef<f64>) -> Mat<f64> {
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    matmul(product.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
    product
}
