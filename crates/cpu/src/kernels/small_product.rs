//! Matrix products of one thread, one of many: the right side is packed into panels, the left side
//! is read in place.

use pulp::{Simd, WithSimd};

use super::{
    Element,
    gemm::Matrix,
    panel::{self, Layout, Left, Out, Panel, Product, Steps},
    scratch::sized,
    transpose::transpose,
};

/// The fewest operations for which packing pays.
const WORTHWHILE: usize = 1 << 12;

/// The most rows and terms: the scratch memory of a thread, which no account of memory contains,
/// stays below two MiB in f32.
const MOST: usize = 4096;

/// `out` = `left` · `right`, dense and row-major. This is a type because a closure would be compiled
/// without the machine's SIMD instructions.
pub(super) struct SmallProduct<'a, T> {
    left: Left<'a, T>,
    right: Matrix<'a, T>,
    out: &'a mut [T],
    /// Packed panels, and the last columns of the result where they do not fill a vector.
    scratch: &'a mut [Vec<T>; 2],
}

impl<'a, T: Element> SmallProduct<'a, T> {
    /// The product, if it is small but worthwhile, and each side has an axis whose elements follow
    /// each other; otherwise `out` again.
    pub fn new(
        left: Matrix<'a, T>,
        right: Matrix<'a, T>,
        out: &'a mut [T],
        scratch: &'a mut [Vec<T>; 2],
    ) -> Result<Self, &'a mut [T]> {
        let (rows, columns, depth) = (left.rows.size, right.columns.size, left.columns.size);
        let layout = match (left.rows.stride, left.columns.stride) {
            (stride, 1) => Layout::Rows(stride),
            (1, stride) => Layout::Columns(stride),
            _ => return Err(out),
        };
        let is_packed = right.columns.stride == 1 || right.rows.stride == 1;
        let is_small = rows.max(depth) <= MOST;
        let pays = rows >= 4 && columns >= 4 && rows * columns * depth >= WORTHWHILE;
        if !(is_packed && is_small && pays) {
            return Err(out);
        }
        Ok(Self { left: Left { data: left.data, rows, layout }, right, out, scratch })
    }
}

impl<T: Element> WithSimd for SmallProduct<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, right, out, scratch: [packed, edge] } = self;
        let (depth, n) = (right.rows.size, right.columns.size);
        for first in (0..n).step_by(panel::columns::<T, S>()) {
            let columns = panel::columns::<T, S>().min(n - first);
            let width = columns.next_multiple_of(T::lanes::<S>());
            let packed = sized(packed, depth * width);
            pack(simd, &right, first, columns, width, packed);
            let whole = columns == width;
            let out_columns = Out {
                data: if whole { &mut out[first..] } else { sized(edge, left.rows * width) },
                steps: Steps::Even(if whole { n } else { width }),
                accumulate: false,
            };
            let panel = Panel { data: packed, steps: Steps::Even(width), width };
            Product { depth, left, panel, out: out_columns }.run_with(simd);
            if !whole {
                for (out, edge) in out.chunks_exact_mut(n).zip(edge.chunks_exact(width)) {
                    out[first..].copy_from_slice(&edge[..columns]);
                }
            }
        }
    }
}

/// Packs `columns` columns of a matrix from `first` on: rows of `width` numbers, with zeros at
/// their ends.
#[inline(always)]
fn pack<T: Element, S: Simd>(
    simd: S,
    matrix: &Matrix<'_, T>,
    first: usize,
    columns: usize,
    width: usize,
    to: &mut [T],
) {
    if matrix.columns.stride == 1 {
        for (k, to) in to.chunks_exact_mut(width).enumerate() {
            let from = &matrix.data[k * matrix.rows.stride + first..][..columns];
            to[..columns].copy_from_slice(from);
            to[columns..].fill(T::zero());
        }
        return;
    }
    if columns < width {
        to.fill(T::zero());
    }
    let stride = matrix.columns.stride;
    transpose(simd, [columns, matrix.rows.size], &matrix.data[first * stride..], stride, to, width);
}
