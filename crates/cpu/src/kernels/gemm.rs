//! Strided matrix products by the `gemm` crate.

#![allow(unsafe_code)]

use eigenscape_runtime::arch;
use gemm::Parallelism;

use super::{
    Element, Workspace,
    panel::DEPTH,
    parallel::for_each_chunk,
    row_products::{self, RowSlices, row_products},
    scratch::{sized, with_buffers},
    small_product::SmallProduct,
};

/// A matrix in a slice: element (i, j) at `i * rows.stride + j * columns.stride`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    pub data: &'a [T],
    pub rows: Axis,
    pub columns: Axis,
}

/// An axis of a strided array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub size: usize,
    pub stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A dense row-major matrix.
    pub(super) fn row_major(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self { data, rows: Axis { size: rows, stride: columns }, columns: Axis { size: columns, stride: 1 } }
    }

    /// The transpose, as a view.
    pub(super) fn t(self) -> Self {
        Self { data: self.data, rows: self.columns, columns: self.rows }
    }

    fn last(&self) -> usize {
        (self.rows.size - 1) * self.rows.stride + (self.columns.size - 1) * self.columns.stride
    }
}

/// `out` = `lhs` · `rhs`, or `out` += `lhs` · `rhs` when `accumulate`; `out` is dense and
/// row-major.
///
/// The order of summation depends on the shapes only, whether or not `parallel` splits the work
/// over threads.
pub(super) fn gemm<T: Element>(
    out: &mut [T],
    lhs: Matrix<'_, T>,
    rhs: Matrix<'_, T>,
    accumulate: bool,
    parallel: bool,
) {
    let (m, k, n) = (lhs.rows.size, lhs.columns.size, rhs.columns.size);
    assert_eq!(k, rhs.rows.size, "inner sizes");
    assert_eq!(out.len(), m * n, "output size");
    if m == 0 || n == 0 || k == 0 {
        if !accumulate {
            out.fill(T::zero());
        }
        return;
    }
    if is_long_vector_product(&lhs, &rhs) {
        return with_buffers(|[part]: &mut [Vec<T>; 1]| {
            long_vector_product(out, lhs, rhs, (accumulate, parallel), sized(part, m * n));
        });
    }
    assert!(lhs.last() < lhs.data.len() && rhs.last() < rhs.data.len(), "operand out of bounds");
    let parallelism = if parallel { Parallelism::Rayon(0) } else { Parallelism::None };
    let stride = |axis: Axis| axis.stride as isize;
    // SAFETY: `out` holds m·n elements and is borrowed mutably, so it overlaps neither operand; the
    // asserts above bound the last element that the strides of each operand reach, and all strides
    // are non-negative.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            lhs.data.as_ptr(),
            stride(lhs.columns),
            stride(lhs.rows),
            rhs.data.as_ptr(),
            stride(rhs.columns),
            stride(rhs.rows),
            T::one(),
            T::one(),
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Whether one operand is a vector and each sum has many terms.
fn is_long_vector_product<T>(lhs: &Matrix<'_, T>, rhs: &Matrix<'_, T>) -> bool {
    (lhs.rows.size == 1 || rhs.columns.size == 1) && lhs.columns.size > DEPTH
}

/// A product with a vector, summed in two levels: blocks of `DEPTH` terms, then the sums of the
/// blocks. `gemm` itself would add up a vector product in one running sum, unlike a matrix product,
/// which it sums in blocks. `part` is scratch memory of the size of `out`.
fn long_vector_product<T: Element>(
    out: &mut [T],
    lhs: Matrix<'_, T>,
    rhs: Matrix<'_, T>,
    (accumulate, parallel): (bool, bool),
    part: &mut [T],
) {
    if !accumulate {
        out.fill(T::zero());
    }
    let k = lhs.columns.size;
    for start in (0..k).step_by(DEPTH) {
        let size = DEPTH.min(k - start);
        let left = Matrix {
            data: &lhs.data[start * lhs.columns.stride..],
            columns: Axis { size, ..lhs.columns },
            ..lhs
        };
        let right =
            Matrix { data: &rhs.data[start * rhs.rows.stride..], rows: Axis { size, ..rhs.rows }, ..rhs };
        gemm(part, left, right, false, parallel);
        out.iter_mut().zip(&*part).for_each(|(out, x)| *out += *x);
    }
}

/// One operand of a batch of products: the strides of the batch axes, then the row and column axes.
#[derive(Debug)]
pub(crate) struct Batch<'a, T> {
    pub data: &'a [T],
    pub strides: Vec<usize>,
    pub rows: Axis,
    pub columns: Axis,
}

impl<T> Batch<'_, T> {
    /// The matrix of the `index`-th element of a batch with these `sizes`.
    fn matrix(&self, index: usize, sizes: &[usize]) -> Matrix<'_, T> {
        Matrix {
            data: &self.data[offset(index, sizes, &self.strides)..],
            rows: self.rows,
            columns: self.columns,
        }
    }
}

/// From this number of products on, each is computed by one thread, in scratch memory of the
/// thread.
pub(crate) const ONE_THREAD_EACH: usize = 4;

/// `lhs`\[b\] · `rhs`\[b\] for every index b of the batch `sizes`: \[Π sizes, m, n\].
pub(crate) fn matmul<T: Element>(
    sizes: &[usize],
    lhs: &Batch<'_, T>,
    rhs: &Batch<'_, T>,
    out: &mut [T],
    work: &mut Workspace,
) {
    let (count, result) = (sizes.iter().product::<usize>(), lhs.rows.size * rhs.columns.size);
    if result == 0 {
        return;
    }
    let arch = arch();
    let products = |index: usize| (lhs.matrix(index, sizes), rhs.matrix(index, sizes));
    if count >= ONE_THREAD_EACH {
        for_each_chunk(out, result, &|index, out| {
            let (left, right) = products(index);
            with_buffers(|scratch| match SmallProduct::new(left, right, out, scratch) {
                Ok(product) => arch.dispatch(product),
                Err(out) => gemm(out, left, right, false, false),
            });
        });
    } else {
        for (index, out) in out.chunks_mut(result).enumerate() {
            let (left, right) = products(index);
            by_all_threads(left, right, out, work.rest());
        }
    }
}

/// Computes one product on all threads.
fn by_all_threads<T: Element>(
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
    out: &mut [T],
    mut work: Workspace<'_>,
) {
    let (m, n, k) = (left.rows.size, right.columns.size, left.columns.size);
    match (RowSlices::of(&left), RowSlices::of(&right.t())) {
        (Some(a), Some(b)) if row_products::applies(m, n, k) => row_products(k, a, b, out, work),
        _ if is_long_vector_product(&left, &right) => {
            let mut part = work.take(m * n);
            long_vector_product(out, left, right, (false, true), &mut part);
        }
        _ => gemm(out, left, right, false, true),
    }
}

/// The offset of the `index`-th element of a row-major batch.
fn offset(mut index: usize, sizes: &[usize], strides: &[usize]) -> usize {
    let mut offset = 0;
    for (size, stride) in sizes.iter().zip(strides).rev() {
        offset += index % size * stride;
        index /= size;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition_on_strided_operands() {
        let (m, k, n) = (7, 13, 9);
        let left: Vec<f64> = (0..m * k).map(|i| (i as f64).sin()).collect();
        let right: Vec<f64> = (0..k * n).map(|i| (i as f64).cos()).collect();
        let lhs = Matrix::row_major(&left, m, k);
        let rhs = Matrix::row_major(&right, n, k).t();
        let mut out = vec![1.0; m * n];
        gemm(&mut out, lhs, rhs, true, false);
        for i in 0..m {
            for j in 0..n {
                let expected: f64 = 1.0 + (0..k).map(|l| left[i * k + l] * right[j * k + l]).sum::<f64>();
                assert!((out[i * n + j] - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn many_products_agree_with_the_definition() {
        for (m, k, n) in [(7, 40, 19), (16, 33, 32), (65, 64, 65), (5, 600, 9), (2, 3, 4)] {
            let (sizes, count) = ([5], 5);
            let left: Vec<f64> = (0..count * m * k).map(|i| (i as f64).sin()).collect();
            let right: Vec<f64> = (0..count * n * k).map(|i| (i as f64).cos()).collect();
            let axis = |size, stride| Axis { size, stride };
            for (left_is_turned, right_is_turned) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let [rows, inner] = if left_is_turned { [1, m] } else { [k, 1] };
                let [depth, columns] = if right_is_turned { [1, k] } else { [n, 1] };
                let lhs =
                    Batch { data: &left, strides: vec![m * k], rows: axis(m, rows), columns: axis(k, inner) };
                let rhs = Batch {
                    data: &right,
                    strides: vec![n * k],
                    rows: axis(k, depth),
                    columns: axis(n, columns),
                };
                let mut out = vec![f64::NAN; count * m * n];
                matmul(&sizes, &lhs, &rhs, &mut out, &mut Workspace::on_heap());
                for (at, found) in out.iter().enumerate() {
                    let (b, i, j) = (at / (m * n), at / n % m, at % n);
                    let expected: f64 = (0..k)
                        .map(|l| {
                            left[b * m * k + i * rows + l * inner]
                                * right[b * n * k + l * depth + j * columns]
                        })
                        .sum();
                    assert!((found - expected).abs() < 1e-12, "{m} {k} {n}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let (m, k, n) = (301, 517, 203);
        let left: Vec<f32> = (0..m * k).map(|i| (i as f32).sin()).collect();
        let right: Vec<f32> = (0..k * n).map(|i| (i as f32).cos()).collect();
        let product = |parallel, threads| {
            let mut out = vec![0.0; m * n];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (lhs, rhs) = (Matrix::row_major(&left, m, k), Matrix::row_major(&right, k, n));
                gemm(&mut out, lhs, rhs, false, parallel);
            });
            out
        };
        let alone = product(false, 1);
        assert_eq!(alone, product(true, 2));
        assert_eq!(alone, product(true, 5));
    }
}
