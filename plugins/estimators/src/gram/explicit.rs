//! Products of explicitly stored rows, one slab of columns at a time.

use candle_core::Tensor;
use eigenscape_core::Result;
use faer::{Accum, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use super::{
    tiles::{Destination, Tile},
    values::{Reader, read},
};
use crate::float::Float;

/// Adds ΦΨᵀ, where Φ holds the rows for the rectangle's rows and Ψ, with its rows per sample, those
/// for its columns (`None`: Ψ = Φ), \[R·n, Pₜ\] each. About `slab` numbers of each are held in f64
/// at a time.
pub(super) fn add(
    place: &mut Destination,
    phi: &Tensor,
    psi: Option<(&Tensor, usize)>,
    slab: usize,
) -> Result<()> {
    let (rows, columns) = phi.dims2()?;
    let width = (slab / rows.max(1)).clamp(1, columns.max(1));
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for first in (0..columns).step_by(width) {
        let width = width.min(columns - first);
        let left = transposed(&mut left, phi, place.rank, first, width)?;
        let right = psi.map(|(psi, rank)| transposed(&mut right, psi, rank, first, width)).transpose()?;
        let right = right.unwrap_or(left);
        place.add(|Tile { rows, columns, product }| {
            let left = left.subrows(rows.start, rows.len());
            let right = right.subrows(columns.start, columns.len());
            matmul(product, Accum::Replace, left, right.transpose(), 1.0, Par::Seq);
        })?;
    }
    Ok(())
}

/// The columns from `first` on, `width` of them, in f64 and sample by sample: row r·n + i becomes
/// row i·R + r. They are written to `buffer` in column-major order, which the matrix products read.
fn transposed<'a>(
    buffer: &'a mut Vec<f64>,
    rows: &Tensor,
    rank: usize,
    first: usize,
    width: usize,
) -> Result<MatRef<'a, f64>> {
    let (m, columns) = rows.dims2()?;
    buffer.resize(m * width, 0.0);
    read(rows, Transpose { to: buffer, m, samples: m / rank, columns, first })?;
    Ok(MatRef::from_column_major_slice(buffer, m, width))
}

/// Adds each row's squared norm to that of its place, sample by sample.
pub(super) fn add_squared_norms(rows: &Tensor, rank: usize, sums: &mut [f64]) -> Result<()> {
    read(rows, SquaredNorms { rank, sums })
}

struct SquaredNorms<'a> {
    rank: usize,
    sums: &'a mut [f64],
}

impl Reader for SquaredNorms<'_> {
    fn read<T: Float>(self, values: &[T]) {
        let Self { rank, sums } = self;
        let (samples, columns) = (sums.len() / rank.max(1), values.len() / sums.len().max(1));
        sums.par_iter_mut().enumerate().for_each(|(place, sum)| {
            let row = place % rank * samples + place / rank;
            let squares = values[row * columns..][..columns].iter().map(|value| value.widen().powi(2));
            *sum += squares.sum::<f64>();
        });
    }
}

/// Columns that are copied together: a cache line of f32.
const STRIP: usize = 16;

struct Transpose<'a> {
    to: &'a mut [f64],
    m: usize,
    samples: usize,
    columns: usize,
    first: usize,
}

impl Reader for Transpose<'_> {
    fn read<T: Float>(self, values: &[T]) {
        let Self { to, m, samples, columns, first } = self;
        let rank = m / samples.max(1);
        to.par_chunks_mut(STRIP * m).enumerate().for_each(|(strip, to)| {
            let (first, count) = (first + strip * STRIP, to.len() / m);
            for row in 0..m {
                let place = row % samples * rank + row / samples;
                let values = &values[row * columns + first..][..count];
                for (column, value) in values.iter().enumerate() {
                    to[column * m + place] = value.widen();
                }
            }
        });
    }
}
