//! A factor F of low rank with FFᵀ ≈ ΦΦᵀ, from as few rows of Φ as suffice.
//!
//! F is that of a Cholesky decomposition with pivoting, in blocks of pivots. After k pivots, K −
//! FFᵀ is the Schur complement of k rows and columns of K = ΦΦᵀ. It is positive semidefinite, so
//! that no eigenvalue of FFᵀ exceeds that of K, and none is smaller by more than the complement's
//! trace (Weyl), which is known: it is the sum of the diagonal that the pivots are chosen by. Only
//! the k columns of K that belong to pivots are computed, instead of all M.
//!
//! The pivots of a block are the rows with the largest remaining diagonal; those that the others of
//! the block already explain are rejected (Epperly, Tropp and Webber 2024, "Embrace rejection", do
//! so with random candidates; here nothing is random).

use std::ops::Range;

use eigenscape_core::{Interrupt, Result, account::size};
use faer::{Accum, Mat, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use super::{
    product,
    row_blocks::RowBlocks,
    target::Target,
    tiles::{Destination, Rectangle},
};
use crate::{
    operator::not_finite,
    tiles::{places, ranges, split},
};

/// The most candidates for pivots in one block, for a factor of at most `most` columns: few enough
/// that columns of K take little memory beside those of F.
pub(super) fn together(most: usize) -> usize {
    most.div_ceil(4).clamp(1, 256)
}

/// A candidate is rejected once the others of its block explain more than this share of its
/// diagonal: a row outside the block then contributes more.
const EXPLAINED: f64 = 0.5;

/// F, and what it leaves out.
pub(super) struct LowRank {
    /// F \[M, k\], column by column.
    columns: Vec<f64>,
    /// M.
    rows: usize,
    /// tr K.
    pub trace: f64,
    /// tr (K − FFᵀ).
    pub left_out: f64,
}

/// What a factor of low rank may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// ε: tr (K − FFᵀ) is to be at most ε·tr K.
    pub share: f64,
    /// The most pivots.
    pub most: usize,
    /// Whether to give up once that many pivots are not going to suffice.
    pub gives_up: bool,
}

impl Limits {
    /// Whether, if each pivot went on to remove the same share of what is left, `most` of them
    /// would not suffice. Mostly they remove less and less. Judged from an eighth of the pivots on.
    fn are_exceeded(self, found: &LowRank) -> bool {
        let needed = found.rank() as f64 * self.share.ln() / (found.left_out / found.trace).ln();
        self.gives_up && 8 * found.rank() >= self.most && !(0.0..=self.most as f64).contains(&needed)
    }
}

/// F with tr (K − FFᵀ) ≤ ε·tr K, or as far as it goes within the limits.
///
/// # Errors
/// When rows cannot be computed or are not finite, or an interrupt is requested.
pub(super) fn factor(
    target: &Target,
    limits: Limits,
    rows: &RowBlocks,
    (rank, slab): (usize, usize),
    interrupt: &Interrupt,
) -> Result<LowRank> {
    let mut diagonal = squared_norms(target, rows, rank)?;
    let trace: f64 = diagonal.iter().sum();
    if !trace.is_finite() {
        return Err(not_finite(target.operator));
    }
    let (m, Limits { share, most, .. }) = (target.rows, limits);
    // The system provides the memory when it is first written to.
    let mut found = LowRank { columns: Vec::with_capacity(m * most), rows: m, trace, left_out: trace };
    while found.left_out > share * trace && found.rank() < most && !limits.are_exceeded(&found) {
        let needed = found.left_out - share * trace;
        let candidates = largest(&diagonal, needed, rows.most_picked(most).min(most - found.rank()));
        let mut columns = products(target, rows, &candidates, (rank, slab), interrupt)?;
        found.subtract_from(columns.as_mut(), &candidates);
        let pivots = Pivots::among(&candidates, columns.as_ref(), &diagonal);
        found.extend(columns.as_ref(), &pivots, &mut diagonal);
        pivots.order.iter().for_each(|&i| diagonal[candidates[i]] = 0.0);
        found.left_out = diagonal.iter().sum();
    }
    Ok(found)
}

/// The diagonal of K.
fn squared_norms(target: &Target, rows: &RowBlocks, rank: usize) -> Result<Vec<f64>> {
    let (mut sums, mut buffer) = (vec![0.0; target.rows], Vec::new());
    rows.each(target, |_, samples, rows| {
        let sums = &mut sums[samples.start * rank..samples.end * rank];
        product::add_squared_norms(rows, rank, &mut buffer, sums)
    })?;
    Ok(sums)
}

/// The indices of the largest elements, ascending: at most `most`, and no more than sum to
/// `needed`.
fn largest(diagonal: &[f64], needed: f64, most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..diagonal.len()).collect();
    let descending = |a: &usize, b: &usize| diagonal[*b].total_cmp(&diagonal[*a]).then(a.cmp(b));
    if most < order.len() {
        order.select_nth_unstable_by(most, descending);
        order.truncate(most);
    }
    order.sort_unstable_by(descending);
    let mut sum = 0.0;
    let enough = order.iter().position(|&index| {
        sum += diagonal[index];
        sum >= needed
    });
    order.truncate(enough.map_or(most, |last| last + 1));
    order.sort_unstable();
    order
}

/// The columns of K that belong to these rows.
fn products(
    target: &Target,
    rows: &RowBlocks,
    picked: &[usize],
    (rank, slab): (usize, usize),
    interrupt: &Interrupt,
) -> Result<Mat<f64>> {
    let pivots = rows.picked(target, picked)?;
    let (mut columns, mut buffers) = (Mat::zeros(target.rows, picked.len()), [Vec::new(), Vec::new()]);
    rows.each(target, |variable, samples, rows| {
        let rectangle =
            Rectangle { rows: samples.start * rank..samples.end * rank, columns: 0..picked.len() };
        let matrices = vec![columns.as_mut()];
        let mut place = Destination { matrices, rectangle, symmetric: false, rank, interrupt };
        product::add(&mut place, rows, Some((&pivots[variable], 1)), slab, &mut buffers)
    })?;
    Ok(columns)
}

/// The candidates that become pivots, in their order, with the Cholesky factor of their block.
struct Pivots {
    /// Indices of candidates.
    order: Vec<usize>,
    /// L \[candidates, pivots\].
    factor: Mat<f64>,
}

impl Pivots {
    /// Chooses among `candidates`, whose columns of the complement are given.
    fn among(candidates: &[usize], columns: MatRef<f64>, diagonal: &[f64]) -> Self {
        let count = candidates.len();
        let mut left: Vec<f64> = candidates.iter().enumerate().map(|(i, &row)| columns[(row, i)]).collect();
        let (mut order, mut factor) = (Vec::new(), Mat::<f64>::zeros(count, count));
        let is_open = |order: &[usize], left: &[f64], i: usize| {
            let least = if order.is_empty() { 0.0 } else { EXPLAINED * diagonal[candidates[i]] };
            !order.contains(&i) && left[i] > least
        };
        loop {
            let open = (0..count).filter(|&i| is_open(&order, &left, i));
            let Some(pivot) = open.max_by(|&a, &b| left[a].total_cmp(&left[b])) else { break };
            let (step, root) = (order.len(), left[pivot].sqrt());
            for i in 0..count {
                let known: f64 = (0..step).map(|s| factor[(i, s)] * factor[(pivot, s)]).sum();
                let value = (columns[(candidates[i], pivot)] - known) / root;
                factor[(i, step)] = value;
                left[i] -= value * value;
            }
            order.push(pivot);
        }
        if order.is_empty() {
            // Rounding has used up all candidates: they are pivots without columns.
            return Self { order: (0..count).collect(), factor: Mat::zeros(count, 0) };
        }
        Self { order, factor }
    }
}

impl LowRank {
    /// Bytes of F with `most` columns, of a block of columns of K and of what it is computed from.
    pub fn bytes(rows: usize, most: usize) -> usize {
        size([rows.saturating_add(most), most.saturating_add(2 * together(most) + 2)], size_of::<f64>())
    }

    /// The most columns of which [`bytes`](Self::bytes) are allowed, beside the matrix FᵀF.
    pub fn most(rows: usize, allowed: usize) -> usize {
        let fits = |most: usize| Self::bytes(rows, most).saturating_add(size([most, most], 8)) <= allowed;
        let (mut low, mut high) = (0, rows);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        low
    }

    /// k.
    pub fn rank(&self) -> usize {
        self.columns.len() / self.rows.max(1)
    }

    fn factor(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.columns, self.rows, self.rank())
    }

    /// Subtracts F·F\[picked\]ᵀ from columns of K, which become those of the complement.
    fn subtract_from(&self, columns: MatMut<f64>, picked: &[usize]) {
        let factor = self.factor();
        let of_picked = Mat::from_fn(self.rank(), picked.len(), |j, i| factor[(picked[i], j)]);
        let (down, across) = (ranges(columns.nrows(), 1), ranges(columns.ncols(), 1));
        let tiles = split(columns, &down, &across, |_, _| true);
        let places = places(&down, &across, |_, _| true);
        tiles.into_par_iter().zip(places).for_each(|(tile, (rows, columns))| {
            let left = factor.subrows(rows.start, rows.len());
            let right = of_picked.as_ref().subcols(columns.start, columns.len());
            matmul(tile, Accum::Add, left, right, -1.0, Par::Seq);
        });
    }

    /// Adds a column for each pivot, and subtracts its squares from the diagonal.
    fn extend(&mut self, columns: MatRef<f64>, pivots: &Pivots, diagonal: &mut [f64]) {
        let (first, count) = (self.columns.len(), pivots.factor.ncols().min(pivots.order.len()));
        self.columns.resize(first + self.rows * count, 0.0);
        let added = MatMut::from_column_major_slice_mut(&mut self.columns[first..], self.rows, count);
        let (down, across) = (ranges(self.rows, 1), 0..count);
        let tiles = split(added, &down, std::slice::from_ref(&across), |_, _| true);
        let mut diagonals = Vec::new();
        let mut rest = diagonal;
        for rows in &down {
            let (own, below) = rest.split_at_mut(rows.len());
            diagonals.push(own);
            rest = below;
        }
        tiles.into_par_iter().zip(diagonals).zip(&down).for_each(|((mut tile, diagonal), rows)| {
            let mut solved = vec![0.0; rows.len() * count];
            for (step, &pivot) in pivots.order[..count].iter().enumerate() {
                let (before, column) = solved.split_at_mut(step * rows.len());
                let column = &mut column[..rows.len()];
                let root = pivots.factor[(pivot, step)];
                rows.clone().zip(&mut *column).for_each(|(row, x)| *x = columns[(row, pivot)]);
                for (s, known) in before.chunks_exact(rows.len()).enumerate() {
                    let factor = pivots.factor[(pivot, s)];
                    column.iter_mut().zip(known).for_each(|(x, known)| *x -= factor * known);
                }
                for (x, left) in column.iter_mut().zip(&mut *diagonal) {
                    *x /= root;
                    *left = (*left - *x * *x).max(0.0);
                }
            }
            tile.copy_from(MatRef::from_column_major_slice(&solved, rows.len(), count));
        });
    }

    /// The lower half of FᵀF \[k, k\], whose eigenvalues are those of FFᵀ that are not zero.
    pub fn gram(&self) -> Mat<f64> {
        let (k, factor) = (self.rank(), self.factor());
        let mut gram = Mat::zeros(k, k);
        let ranges = ranges(k, 1);
        let keep = |r: &Range<usize>, c: &Range<usize>| r.end > c.start;
        let tiles = split(gram.as_mut(), &ranges, &ranges, keep);
        tiles.into_par_iter().zip(places(&ranges, &ranges, keep)).for_each(|(tile, (rows, columns))| {
            let left = factor.subcols(rows.start, rows.len()).transpose();
            let right = factor.subcols(columns.start, columns.len());
            matmul(tile, Accum::Replace, left, right, 1.0, Par::Seq);
        });
        gram
    }

    /// The unit eigenvector u = Fw/√λ of FFᵀ from the eigenvector w of FᵀF.
    pub fn eigenvector(&self, value: f64, w: &[f64]) -> Vec<f64> {
        let mut u = vec![0.0; self.rows];
        let root = value.sqrt();
        for (column, w) in self.columns.chunks_exact(self.rows).zip(w) {
            u.iter_mut().zip(column).for_each(|(u, x)| *u += w / root * x);
        }
        u
    }
}
