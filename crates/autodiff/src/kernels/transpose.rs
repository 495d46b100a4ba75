//! Transposes of matrices, by blocks that stay in registers.

use pulp::{Simd, WithSimd};

/// Rows and columns of a block.
const BLOCK: usize = 16;

/// Transposes of several matrices of `rows` × `columns`, each `step` behind the last.
///
/// A type of its own: what a closure does would be compiled without the machine's instructions.
pub(super) struct Transposes<'a, T> {
    pub count: usize,
    pub sizes: [usize; 2],
    pub from: Matrices<&'a [T]>,
    pub to: Matrices<&'a mut [T]>,
}

/// Matrices in a slice, with rows `stride` apart.
pub(super) struct Matrices<D> {
    pub data: D,
    pub stride: usize,
    pub step: usize,
}

impl<T: Copy + Default> WithSimd for Transposes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { count, sizes, from, to } = self;
        for i in 0..count {
            transpose(
                sizes,
                &from.data[i * from.step..],
                from.stride,
                &mut to.data[i * to.step..],
                to.stride,
            );
        }
    }
}

/// `to`\[j, i\] = `from`\[i, j\] for `rows` × `columns`, rows `from_stride` and `to_stride` apart. As [`transpose_at`].
#[inline(always)]
pub(super) fn transpose<T: Copy + Default>(
    sizes: [usize; 2],
    from: &[T],
    from_stride: usize,
    to: &mut [T],
    to_stride: usize,
) {
    transpose_at(
        sizes,
        from,
        #[inline(always)]
        |i| i * from_stride,
        to,
        #[inline(always)]
        |j| j * to_stride,
    );
}

/// `to`\[j, i\] = `from`\[i, j\] for `rows` × `columns`, where row i of `from` starts at `from_start(i)` and row j of `to` at `to_start(j)`.
///
/// Always inlined, so that it is compiled for the instructions of the kernel that it is part of.
#[inline(always)]
pub(super) fn transpose_at<T: Copy + Default>(
    [rows, columns]: [usize; 2],
    from: &[T],
    from_start: impl Fn(usize) -> usize,
    to: &mut [T],
    to_start: impl Fn(usize) -> usize,
) {
    for j in (0..columns).step_by(BLOCK) {
        for i in (0..rows).step_by(BLOCK) {
            if i + BLOCK <= rows && j + BLOCK <= columns {
                let mut block = [[T::default(); BLOCK]; BLOCK];
                for (k, row) in block.iter_mut().enumerate() {
                    row.copy_from_slice(&from[from_start(i + k) + j..][..BLOCK]);
                }
                for k in 0..BLOCK {
                    let mut column = [T::default(); BLOCK];
                    for (to, row) in column.iter_mut().zip(&block) {
                        *to = row[k];
                    }
                    to[to_start(j + k) + i..][..BLOCK].copy_from_slice(&column);
                }
            } else {
                for j in j..columns.min(j + BLOCK) {
                    let to = &mut to[to_start(j)..];
                    for i in i..rows.min(i + BLOCK) {
                        to[i] = from[from_start(i) + j];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::transpose;

    #[test]
    fn moves_every_element_of_whole_and_of_cut_blocks() {
        for (rows, columns) in [(16, 32), (17, 5), (3, 40), (1, 1), (33, 19)] {
            let (from_stride, to_stride) = (columns + 3, rows + 2);
            let from: Vec<f32> = (0..rows * from_stride).map(|i| i as f32).collect();
            let mut to = vec![-1.0; columns * to_stride];
            transpose([rows, columns], &from, from_stride, &mut to, to_stride);
            for j in 0..columns {
                for i in 0..rows {
                    assert_eq!(to[j * to_stride + i], from[i * from_stride + j]);
                }
                assert!(to[j * to_stride + rows..][..2].iter().all(|&x| x == -1.0));
            }
        }
    }
}
