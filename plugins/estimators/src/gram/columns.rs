//! ΦᵀΦ for a factor with fewer columns than rows, summed over samples.

use candle_core::{DType, Tensor};
use eigenscape_core::Result;
use eigenscape_curvature::Rows;
use faer::{Accum, MatRef, Par, linalg::matmul::matmul};

use super::tiles::{Destination, Tile};

/// Adds ΦᵀΦ for the rows Φ of `samples` samples. The columns of all variables in `phi` are
/// concatenated; about `slab` numbers of Φ are held in f64 at a time.
pub(super) fn add(
    place: &mut Destination,
    phi: &[&Rows],
    rank: usize,
    samples: usize,
    slab: usize,
) -> Result<()> {
    let a_sample = rank * place.rectangle.rows.len();
    let step = (slab / a_sample.max(1)).clamp(1, samples);
    for first in (0..samples).step_by(step) {
        let range = first..samples.min(first + step);
        let explicit = |rows: &&Rows| rows.narrow(range.clone(), samples)?.explicit(DType::F64);
        let rows = phi.iter().map(explicit).collect::<Result<Vec<Tensor>, _>>()?;
        let rows = Tensor::cat(&rows, 1)?;
        let (m, p) = rows.dims2()?;
        let values = rows.flatten_all()?.to_vec1::<f64>()?;
        let rows = MatRef::from_row_major_slice(&values, m, p);
        place.add(|Tile { rows: i, columns: j, product }| {
            let left = rows.subcols(i.start, i.len()).transpose();
            let right = rows.subcols(j.start, j.len());
            matmul(product, Accum::Replace, left, right, 1.0, Par::Seq);
        })?;
    }
    Ok(())
}
