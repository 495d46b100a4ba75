//! Windows over images: the argmax of max pooling, the sums of average pooling, and their transpose.

use std::ops::Range;

use candle_core::Tensor;
use rayon::prelude::*;

use super::{Element, dispatch, recycle::zeros, with_slice};
use crate::error::Result;

/// Windows over planes of `height` × `width`: each range of rows with each range of columns.
#[derive(Debug, Clone)]
pub(crate) struct PoolGeometry {
    pub height: usize,
    pub width: usize,
    pub rows: Vec<Range<usize>>,
    pub columns: Vec<Range<usize>>,
}

impl PoolGeometry {
    fn plane(&self) -> usize {
        self.height * self.width
    }

    fn out_plane(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Calls `f(window, row start, column range)` for each row of each window.
    fn for_rows(&self, mut f: impl FnMut(usize, usize, Range<usize>)) {
        for (oy, rows) in self.rows.iter().enumerate() {
            for (ox, columns) in self.columns.iter().enumerate() {
                for y in rows.clone() {
                    f(oy * self.columns.len() + ox, y * self.width, columns.clone());
                }
            }
        }
    }
}

/// For each window of each plane of `x` \[..., H·W\] the position in the plane of its first largest element, as `u32`.
pub(crate) fn argmax_pool(x: &Tensor, geometry: &PoolGeometry) -> Result<Vec<u32>> {
    dispatch!(x, T => with_slice::<T, _>(x, |x| {
        let mut out = vec![0_u32; x.len() / geometry.plane() * geometry.out_plane()];
        let planes = x.par_chunks(geometry.plane());
        out.par_chunks_mut(geometry.out_plane()).zip(planes).for_each(|(out, x)| argmax_plane(x, out, geometry));
        Ok(out)
    }))
}

fn argmax_plane<T: Element>(x: &[T], out: &mut [u32], geometry: &PoolGeometry) {
    let none = T::neg_infinity();
    let mut best = vec![none; out.len()];
    geometry.for_rows(|window, row, columns| {
        let start = row + columns.start;
        for (i, &x) in (start..).zip(&x[start..row + columns.end]) {
            // NaN is taken as the largest, so that it is seen and not hidden.
            if x > best[window] || x.is_nan() || best[window] == none {
                best[window] = x;
                out[window] = i as u32;
            }
        }
    });
}

/// The sum over each window of each plane of `x` \[..., H·W\].
pub(crate) fn sum_pool(x: &Tensor, geometry: &PoolGeometry, dims: &[usize]) -> Result<Tensor> {
    planes(x, (geometry.plane(), geometry.out_plane()), dims, &Sums(geometry))
}

/// The transpose of [`sum_pool`]: each element of `x` \[..., oH·oW\] added to all positions of its window.
pub(crate) fn sum_pool_transpose(x: &Tensor, geometry: &PoolGeometry, dims: &[usize]) -> Result<Tensor> {
    planes(x, (geometry.out_plane(), geometry.plane()), dims, &Spread(geometry))
}

/// A linear map of planes.
trait PlaneMap: Sync {
    fn apply<T: Element>(&self, x: &[T], out: &mut [T]);
}

struct Sums<'a>(&'a PoolGeometry);

impl PlaneMap for Sums<'_> {
    fn apply<T: Element>(&self, x: &[T], out: &mut [T]) {
        self.0.for_rows(|window, row, columns| {
            out[window] += x[row + columns.start..row + columns.end].iter().copied().sum();
        });
    }
}

struct Spread<'a>(&'a PoolGeometry);

impl PlaneMap for Spread<'_> {
    fn apply<T: Element>(&self, x: &[T], out: &mut [T]) {
        self.0.for_rows(|window, row, columns| {
            out[row + columns.start..row + columns.end].iter_mut().for_each(|out| *out += x[window]);
        });
    }
}

fn planes(x: &Tensor, (from, to): (usize, usize), dims: &[usize], map: &impl PlaneMap) -> Result<Tensor> {
    dispatch!(x, T => {
        let mut out = zeros::<T>(dims.iter().product());
        with_slice::<T, _>(x, |x| {
            out.par_chunks_mut(to).zip(x.par_chunks(from)).for_each(|(out, x)| map.apply(x, out));
            Ok(())
        })?;
        Ok(Tensor::from_vec(out, dims, x.device())?)
    })
}
