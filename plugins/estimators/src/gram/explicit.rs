//! Products of rows that are stored as they are, in slabs of columns.

use candle_core::{DType, Tensor};
use eigenscape_core::Result;
use faer::{Accum, MatRef, Par, linalg::matmul::matmul};

use super::tiles::{Place, Tile};

/// Adds ΦΨᵀ for the rows Φ of the rectangle's rows and Ψ of its columns (`None` where these are the same rows), \[R·n, Pₜ\] each;
/// `slab` numbers of each are held in f64 at a time.
pub(super) fn add(place: &mut Place, phi: &Tensor, psi: Option<&Tensor>, slab: usize) -> Result<()> {
    let (rows, columns) = phi.dims2()?;
    let width = (slab / rows.max(1)).clamp(1, columns.max(1));
    for first in (0..columns).step_by(width) {
        let width = width.min(columns - first);
        let values = |rows: &Tensor| by_sample(rows, place.rank, first, width);
        let left = values(phi)?;
        let right = psi.map(values).transpose()?;
        let left = MatRef::from_row_major_slice(&left, rows, width);
        let right = right
            .as_ref()
            .map_or(left, |right| MatRef::from_row_major_slice(right, right.len() / width, width));
        place.add(|Tile { rows, columns, product }| {
            let left = left.subrows(rows.start, rows.len());
            let right = right.subrows(columns.start, columns.len());
            matmul(product, Accum::Replace, left, right.transpose(), 1.0, Par::Seq);
        });
    }
    Ok(())
}

/// Some columns of the rows in f64, row-major, sample after sample: row r·n + i becomes row i·R + r.
fn by_sample(rows: &Tensor, rank: usize, first: usize, width: usize) -> Result<Vec<f64>> {
    let (m, columns) = rows.dims2()?;
    let slab = rows.reshape((rank, m / rank, columns))?.narrow(2, first, width)?.transpose(0, 1)?;
    Ok(slab.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}
