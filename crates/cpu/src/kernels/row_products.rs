//! Products of the rows of two matrices: A Bᵀ, as in a linear layer.
//!
//! If one matrix has few rows, each element of the other is used only a few times: packing it for a
//! general matrix product would cost more than the product. Here the larger matrix is read in
//! place.

use eigenscape_runtime::arch;
use pulp::{Arch, Simd, WithSimd};

use super::{
    Element, Workspace,
    gemm::Matrix,
    panel::{DEPTH, Layout, Left, Out, Panel, Product, Steps, Widths},
    parallel::{for_each_chunk, for_each_pair},
    transpose::{Matrices, Transposes, transpose},
};

/// Rows of `k` numbers, `stride` apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowSlices<'a, T> {
    pub data: &'a [T],
    pub count: usize,
    pub stride: usize,
}

impl<'a, T> RowSlices<'a, T> {
    /// The rows of a matrix; `None` unless each row is contiguous.
    pub fn of(matrix: &Matrix<'a, T>) -> Option<Self> {
        let Matrix { data, rows, columns } = matrix;
        (columns.stride == 1).then_some(Self { data, count: rows.size, stride: rows.stride })
    }
}

/// Rows of the larger matrix per task.
const ROWS: usize = 64;

/// Whether this algorithm is the fastest for m·n products of rows of k numbers.
pub(crate) fn applies(m: usize, n: usize, k: usize) -> bool {
    const MOST: usize = 256;
    m.min(n) <= MOST && m.max(n) >= 2 * ROWS && k >= 64
}

/// `out`\[i, j\] = Σ_k `a`\[i, k\] `b`\[j, k\].
pub(super) fn row_products<T: Element>(
    k: usize,
    a: RowSlices<'_, T>,
    b: RowSlices<'_, T>,
    out: &mut [T],
    mut work: Workspace<'_>,
) {
    let (few, many) = if a.count < b.count { (a, b) } else { (b, a) };
    let arch = arch();
    let widths = Widths::new::<T>(arch);
    // The last panel may be narrower.
    let (width, step) = (widths.panel, widths.whole(few.count));
    let mut packed = work.take(k * step);
    for_each_chunk(&mut packed, k * width, &|i, to| {
        arch.dispatch(Pack { k, few, first: i * width, width: to.len() / k, to });
    });
    let of_rows = |i: usize, out: &mut [T]| {
        let rows = RowSlices { data: &many.data[i * ROWS * many.stride..], count: out.len() / step, ..many };
        multiply(arch, k, rows, &packed, width, out);
    };
    if a.count >= b.count && step == few.count {
        return for_each_chunk(out, ROWS * step, &of_rows);
    }
    let mut products = work.take(many.count * step);
    for_each_chunk(&mut products, ROWS * step, &of_rows);
    if a.count < b.count {
        for_each_chunk(out, width * b.count, &|i, out| {
            let count = out.len() / b.count;
            Transposes {
                count: 1,
                sizes: [b.count, count],
                from: Matrices { data: &products[i * width..], stride: step, step: 0 },
                to: Matrices { data: out, stride: b.count, step: 0 },
            }
            .run(arch);
        });
    } else {
        for_each_pair((out, b.count), (&products, step), &|out, products| {
            out.copy_from_slice(&products[..b.count]);
        });
    }
}

/// Packs at most `width` of the few rows into a panel, as its columns.
struct Pack<'a, T> {
    k: usize,
    few: RowSlices<'a, T>,
    first: usize,
    width: usize,
    to: &'a mut [T],
}

impl<T: Element> WithSimd for Pack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { k, few, first, width, to } = self;
        let count = width.min(few.count - first);
        if count < width {
            to.fill(T::zero());
        }
        transpose(simd, [count, k], &few.data[first * few.stride..], few.stride, to, width);
    }
}

/// Multiplies some of the many rows with all panels, each `width` columns wide but the last:
/// \[row, column\].
fn multiply<T: Element>(
    arch: Arch,
    k: usize,
    rows: RowSlices<'_, T>,
    packed: &[T],
    width: usize,
    out: &mut [T],
) {
    let step = packed.len() / k;
    for start in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - start);
        for (i, packed) in packed.chunks(k * width).enumerate() {
            let own = packed.len() / k;
            Product {
                depth,
                left: Left { data: &rows.data[start..], rows: rows.count, layout: Layout::Rows(rows.stride) },
                panel: Panel { data: &packed[start * own..], steps: Steps::Even(own), width: own },
                out: Out { data: &mut out[i * width..], steps: Steps::Even(step), accumulate: start > 0 },
            }
            .run(arch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition_for_few_rows_on_either_side() {
        for (m, n, k) in [(3, 200, 70), (200, 50, 64), (200, 64, 70), (130, 129, 1100), (1, 128, 513)] {
            let (a_stride, b_stride) = (k + 3, k + 1);
            let a: Vec<f64> = (0..m * a_stride).map(|i| (i as f64).sin()).collect();
            let b: Vec<f64> = (0..n * b_stride).map(|i| (0.7 * i as f64).cos()).collect();
            let mut out = vec![f64::NAN; m * n];
            let (rows_a, rows_b) = (
                RowSlices { data: &a, count: m, stride: a_stride },
                RowSlices { data: &b, count: n, stride: b_stride },
            );
            row_products(k, rows_a, rows_b, &mut out, Workspace::on_heap());
            for (i, row) in out.chunks(n).enumerate() {
                for (j, found) in row.iter().enumerate() {
                    let expected: f64 = (0..k).map(|l| a[i * a_stride + l] * b[j * b_stride + l]).sum();
                    assert!((found - expected).abs() < 1e-11, "{m} {n} {k}: {found} {expected}");
                }
            }
        }
    }
}
