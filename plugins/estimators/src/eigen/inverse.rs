//! Eigenvectors of a symmetric band matrix for known eigenvalues, by inverse iteration.
//!
//! A step x ← (B − λ)⁻¹ x multiplies the component along the eigenvector of λ by the inverse of the
//! error of λ, which is rounding, and every other component by the inverse of a distance between
//! eigenvalues. Each vector is orthogonalised against those before it in every step. For a multiple
//! eigenvalue, or several that rounding does not distinguish, this gives an orthonormal basis of
//! their eigenspace; for others it changes nothing but rounding.

use eigenscape_core::{Interrupt, Random, Result, account::size};
use rand::RngExt;

use super::band::{Column, WIDTH};

/// Steps per vector. The first amplifies the eigenvector's share of a random vector, about 1/√n, by
/// 10¹³ or more; the others amplify it where eigenvalues are close.
const STEPS: usize = 4;

/// A column of U, above and on the diagonal, and of L below it.
type Factors = [f64; 3 * WIDTH + 1];
/// The place of the diagonal in [`Factors`].
const DIAGONAL: usize = 2 * WIDTH;

/// Bytes that [`eigenvectors`] takes in addition to its result.
pub(super) fn bytes(n: usize) -> usize {
    size([n], size_of::<Factors>() + size_of::<usize>())
}

/// Orthonormal eigenvectors of the band matrix of n rows for these eigenvalues, of which none is 0
/// and the first is the largest in magnitude. Sequential, as it takes little time.
pub(super) fn eigenvectors(
    band: &[Column],
    n: usize,
    values: &[f64],
    interrupt: &Interrupt,
) -> Result<Vec<Vec<f64>>> {
    let norm = values.first().map_or(1.0, |value| value.abs());
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        interrupt.check()?;
        let shifted = Shifted::new(band, n, *value, norm);
        let mut generator = Random::new(0).stream("inverse iteration", index as u64);
        let mut x: Vec<f64> = (0..n).map(|_| generator.random::<f64>() - 0.5).collect();
        for _ in 0..STEPS {
            orthonormalise(&mut x, &vectors);
            shifted.solve(&mut x);
        }
        orthonormalise(&mut x, &vectors);
        vectors.push(x);
    }
    Ok(vectors)
}

/// Orthogonalises x against orthonormal vectors, twice because the first time may leave little of
/// it, and normalises it.
fn orthonormalise(x: &mut [f64], before: &[Vec<f64>]) {
    // The squares of a solution may overflow.
    let largest = x.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    scale(x, 1.0 / largest);
    for _ in 0..2 {
        for vector in before {
            let along = dot(x, vector);
            x.iter_mut().zip(vector).for_each(|(x, v)| *x -= along * v);
        }
        let norm = dot(x, x).sqrt();
        scale(x, 1.0 / norm);
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn scale(x: &mut [f64], by: f64) {
    x.iter_mut().for_each(|x| *x *= by);
}

/// (B − λ) / ‖B‖ = P L U with partial pivoting, which fills WIDTH more diagonals of U.
struct Shifted {
    columns: Vec<Factors>,
    /// The row that each row was exchanged with.
    pivots: Vec<usize>,
}

impl Shifted {
    fn new(band: &[Column], n: usize, value: f64, norm: f64) -> Self {
        let mut columns = vec![[0.0; 3 * WIDTH + 1]; n];
        for j in 0..n {
            columns[j][DIAGONAL] = (band[j][0] - value) / norm;
            for i in j + 1..n.min(j + 1 + WIDTH) {
                let entry = band[j][i - j] / norm;
                columns[j][DIAGONAL + i - j] = entry;
                columns[i][DIAGONAL + j - i] = entry;
            }
        }
        let mut shifted = Self { columns, pivots: Vec::with_capacity(n) };
        (0..n).for_each(|j| shifted.eliminate(j, n));
        shifted
    }

    /// Eliminates the entries below the diagonal in column j.
    fn eliminate(&mut self, j: usize, n: usize) {
        let below = n.min(j + 1 + WIDTH) - j;
        let candidates = &self.columns[j][DIAGONAL..DIAGONAL + below];
        let largest =
            |best: usize, k: usize| if candidates[k].abs() > candidates[best].abs() { k } else { best };
        let pivot = (1..below).fold(0, largest);
        self.pivots.push(j + pivot);
        let (current, rest) = self.columns[j..n.min(j + 1 + 2 * WIDTH)].split_at_mut(1);
        let current = &mut current[0];
        current.swap(DIAGONAL, DIAGONAL + pivot);
        // A smaller pivot is rounding: B − λ is singular.
        if current[DIAGONAL].abs() < f64::EPSILON {
            current[DIAGONAL] = f64::EPSILON;
        }
        let inverse = 1.0 / current[DIAGONAL];
        let multipliers = &mut current[DIAGONAL + 1..DIAGONAL + below];
        scale(multipliers, inverse);
        for (offset, column) in (1..).zip(rest) {
            let row = DIAGONAL - offset;
            column.swap(row, row + pivot);
            let factor = column[row];
            let entries = &mut column[row + 1..row + below];
            entries.iter_mut().zip(&*multipliers).for_each(|(entry, l)| *entry -= factor * l);
        }
    }

    /// x ← (B − λ)⁻¹ x, up to a factor.
    fn solve(&self, x: &mut [f64]) {
        let n = x.len();
        for (j, (column, pivot)) in self.columns.iter().zip(&self.pivots).enumerate() {
            x.swap(j, *pivot);
            let (head, tail) = x[j..n.min(j + 1 + WIDTH)].split_at_mut(1);
            tail.iter_mut().zip(&column[DIAGONAL + 1..]).for_each(|(x, l)| *x -= head[0] * l);
        }
        for (j, column) in self.columns.iter().enumerate().rev() {
            let first = j.saturating_sub(2 * WIDTH);
            let (above, current) = x[first..=j].split_at_mut(j - first);
            current[0] /= column[DIAGONAL];
            let entries = &column[DIAGONAL - above.len()..DIAGONAL];
            above.iter_mut().zip(entries).for_each(|(x, u)| *x -= current[0] * u);
        }
    }
}
