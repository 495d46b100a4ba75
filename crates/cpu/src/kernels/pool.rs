//! Pooling: the argmax of max pooling, and the sums of average pooling with their transpose.

mod argmax;

use std::ops::Range;

pub(crate) use self::argmax::argmax_pool;
use super::{Element, parallel::for_each_pair};

/// Windows over planes of `height` × `width`: all pairs of a row range and a column range.
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

/// The sum over each window of each plane of `x` \[..., H·W\].
pub(crate) fn sum_pool<T: Element>(x: &[T], geometry: &PoolGeometry, out: &mut [T]) {
    planes(x, (geometry.plane(), geometry.out_plane()), out, &Sums(geometry));
}

/// The transpose of [`sum_pool`]: each element of `x` \[..., oH·oW\] added to all positions of its
/// window.
pub(crate) fn sum_pool_transpose<T: Element>(x: &[T], geometry: &PoolGeometry, out: &mut [T]) {
    planes(x, (geometry.out_plane(), geometry.plane()), out, &Spread(geometry));
}

/// A linear map of planes; `apply` adds its result to `out`.
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

fn planes<T: Element>(x: &[T], (from, to): (usize, usize), out: &mut [T], map: &impl PlaneMap) {
    for_each_pair((out, to), (x, from), &|out, x| {
        out.fill(T::zero());
        map.apply(x, out);
    });
}
