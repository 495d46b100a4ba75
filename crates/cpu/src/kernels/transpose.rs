//! Matrix transposes, in blocks that fit into registers.

mod quads;

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

pub(super) use self::quads::Quads;
use super::simd::{Lanes, dispatch};

/// Rows and columns of a block.
const BLOCK: usize = 16;

/// Transposes several matrices of `rows` × `columns`; each starts `step` after the previous.
///
/// This is a type because a closure would be compiled without the machine's SIMD instructions.
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

impl<T: Lanes> Transposes<'_, T> {
    /// Copies with the instructions of `arch`.
    pub fn run(self, arch: Arch) {
        dispatch(arch, self);
    }
}

impl<T: Lanes> WithSimd for Transposes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { count, sizes, from, to } = self;
        for i in 0..count {
            let (from_data, to_data) = (&from.data[i * from.step..], &mut to.data[i * to.step..]);
            transpose(simd, sizes, from_data, from.stride, to_data, to.stride);
        }
    }
}

/// `to`\[j, i\] = `from`\[i, j\] for `rows` × `columns`, with rows `from_stride` and `to_stride`
/// apart. Always inlined, like [`transpose_with`].
#[inline(always)]
pub(super) fn transpose<T: Lanes, S: Simd>(
    simd: S,
    sizes: [usize; 2],
    from: &[T],
    from_stride: usize,
    to: &mut [T],
    to_stride: usize,
) {
    transpose_with(
        simd,
        sizes,
        from,
        #[inline(always)]
        |i| i * from_stride,
        #[inline(always)]
        |i, j, column| to[j * to_stride + i..][..column.len()].copy_from_slice(column),
    );
}

/// Calls `put(i, j, column)` with parts of the columns of a matrix of `rows` × `columns`: the
/// elements of column j from row i on. Row i of `from` starts at `start(i)`.
///
/// Always inlined, so that it is compiled with the instruction set of the calling kernel.
#[inline(always)]
pub(super) fn transpose_with<T: Lanes, S: Simd>(
    simd: S,
    [rows, columns]: [usize; 2],
    from: &[T],
    start: impl Fn(usize) -> usize,
    put: impl FnMut(usize, usize, &[T]),
) {
    let mut transpose = Transpose { from, start, put };
    for j in (0..columns).step_by(BLOCK) {
        for i in (0..rows).step_by(BLOCK) {
            let block = [i..rows.min(i + BLOCK), j..columns.min(j + BLOCK)];
            if !T::by_quads(simd, &mut transpose, block.clone()) {
                transpose.block(block);
            }
        }
    }
}

/// A transpose: `start` gives the offset of a row, `put` receives parts of columns.
pub(crate) struct Transpose<'a, T, F, P> {
    from: &'a [T],
    start: F,
    put: P,
}

/// The row range and the column range of a block.
pub(crate) type Block = [Range<usize>; 2];

impl<T: Lanes, F: Fn(usize) -> usize, P: FnMut(usize, usize, &[T])> Transpose<'_, T, F, P> {
    /// Transposes a block through a buffer on the stack.
    #[inline(always)]
    fn block(&mut self, [rows, columns]: Block) {
        if rows.len() < BLOCK || columns.len() < BLOCK {
            return self.numbers([rows, columns]);
        }
        let mut block = [[T::zeroed(); BLOCK]; BLOCK];
        for (row, i) in block.iter_mut().zip(rows.clone()) {
            row.copy_from_slice(&self.from[(self.start)(i) + columns.start..][..BLOCK]);
        }
        for (k, j) in columns.enumerate() {
            let mut column = [T::zeroed(); BLOCK];
            for (to, row) in column.iter_mut().zip(&block) {
                *to = row[k];
            }
            (self.put)(rows.start, j, &column);
        }
    }

    /// Transposes a block element by element.
    #[inline(always)]
    fn numbers(&mut self, [rows, columns]: Block) {
        for j in columns {
            for i in rows.clone() {
                (self.put)(i, j, &[self.from[(self.start)(i) + j]]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Arch;

    use super::*;
    use crate::kernels::{Element, simd::levels};

    fn moves_every_element<T: Element + std::fmt::Debug>(arch: Arch) {
        for (rows, columns) in [(16, 32), (17, 5), (3, 40), (1, 1), (33, 19), (100, 14), (4, 16), (11, 8)] {
            let (from_stride, to_stride) = (columns + 3, rows + 2);
            let from: Vec<T> = (0..rows * from_stride).map(|i| T::from_f64(i as f64)).collect();
            let mut to = vec![-T::one(); columns * to_stride];
            Transposes {
                count: 1,
                sizes: [rows, columns],
                from: Matrices { data: &from, stride: from_stride, step: 0 },
                to: Matrices { data: &mut to, stride: to_stride, step: 0 },
            }
            .run(arch);
            for j in 0..columns {
                for i in 0..rows {
                    assert_eq!(to[j * to_stride + i], from[i * from_stride + j], "{arch:?} {rows} {columns}");
                }
                assert!(to[j * to_stride + rows..][..2].iter().all(|&x| x == -T::one()));
            }
        }
    }

    #[test]
    fn every_element_of_whole_and_of_cut_blocks_moves_and_nothing_else() {
        for arch in levels() {
            moves_every_element::<f32>(arch);
            moves_every_element::<f64>(arch);
        }
    }
}
