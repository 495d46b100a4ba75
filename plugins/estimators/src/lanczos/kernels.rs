//! Dot products with, and linear combinations of, many long vectors at once.
//!
//! Both are bound by reading the basis from memory. The long axis is cut into pieces: of one piece of `w`, widened to f64 in the first-level
//! cache, all basis vectors are used before the next. Pieces are of fixed size and their sums are added in order, so that results
//! do not depend on the number of threads.

use rayon::prelude::*;

use crate::float::Float;

/// Numbers in a piece: 8 KiB in f64.
const PIECE: usize = 1024;
/// Pieces of one task.
const PIECES: usize = 8;
/// Independent sums in a dot product, for the processor's vector units.
const LANES: usize = 16;

/// Qᵀw: the dot product of each basis vector with `w`, accumulated in f64.
pub(super) fn dots<T: Float>(basis: &[impl AsRef<[T]> + Sync], w: &[T]) -> Vec<f64> {
    let blocks: Vec<Vec<f64>> = w
        .par_chunks(PIECES * PIECE)
        .enumerate()
        .map(|(block, w)| {
            let mut sums = vec![0.0; basis.len()];
            let mut wide = [0.0; PIECE];
            for (index, piece) in w.chunks(PIECE).enumerate() {
                let first = (block * PIECES + index) * PIECE;
                let wide = widen(piece, &mut wide);
                for (sum, q) in sums.iter_mut().zip(basis) {
                    *sum += dot(&q.as_ref()[first..first + piece.len()], wide);
                }
            }
            sums
        })
        .collect();
    let mut total = vec![0.0; basis.len()];
    for block in blocks {
        total.iter_mut().zip(block).for_each(|(total, sum)| *total += sum);
    }
    total
}

/// w ← w − Q c, combined in f64 and rounded once. Returns ‖w‖² of the new `w`.
pub(super) fn subtract<T: Float>(basis: &[impl AsRef<[T]> + Sync], coefficients: &[f64], w: &mut [T]) -> f64 {
    let blocks: Vec<f64> = w
        .par_chunks_mut(PIECES * PIECE)
        .enumerate()
        .map(|(block, w)| {
            let mut square = 0.0;
            let mut wide = [0.0; PIECE];
            for (index, piece) in w.chunks_mut(PIECE).enumerate() {
                let first = (block * PIECES + index) * PIECE;
                let wide = widen(piece, &mut wide);
                for (coefficient, q) in coefficients.iter().zip(basis) {
                    let q = &q.as_ref()[first..first + piece.len()];
                    wide.iter_mut().zip(q).for_each(|(w, q)| *w -= coefficient * q.widen());
                }
                piece.iter_mut().zip(&*wide).for_each(|(w, wide)| *w = T::narrow(*wide));
                square += dot(piece, wide);
            }
            square
        })
        .collect();
    blocks.iter().sum()
}

/// s·v.
pub(super) fn scaled<T: Float>(v: &[T], s: f64) -> Vec<T> {
    v.par_iter().with_min_len(PIECE).map(|x| T::narrow(s * x.widen())).collect()
}

fn widen<'a, T: Float>(piece: &[T], buffer: &'a mut [f64; PIECE]) -> &'a mut [f64] {
    let wide = &mut buffer[..piece.len()];
    wide.iter_mut().zip(piece).for_each(|(wide, x)| *wide = x.widen());
    wide
}

#[inline]
fn dot<T: Float>(a: &[T], b: &[f64]) -> f64 {
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane].widen() * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a.widen() * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::{PIECE, PIECES, dots, scaled, subtract};
    use crate::testing::on_threads;

    /// Lengths around every boundary of pieces, blocks and lanes.
    const LENGTHS: [usize; 7] = [1, 15, 17, PIECE - 1, PIECE + 1, PIECES * PIECE, 3 * PIECES * PIECE + 5];

    fn vector(length: usize, seed: usize) -> Vec<f32> {
        (0..length).map(|i| ((i * 7 + seed * 13) % 31) as f32 - 15.0).collect()
    }

    #[test]
    fn dots_and_combinations_of_integers_are_exact() {
        for length in LENGTHS {
            let basis: Vec<_> = (0..5).map(|seed| vector(length, seed)).collect();
            let mut w = vector(length, 9);
            let products = dots(&basis, &w);
            for (q, product) in basis.iter().zip(&products) {
                let expected: i64 = q.iter().zip(&w).map(|(a, b)| (*a as i64) * (*b as i64)).sum();
                assert_eq!(*product, expected as f64);
            }
            let before = w.clone();
            let coefficients = [1.0, -2.0, 0.0, 3.0, 0.5];
            let square = subtract(&basis, &coefficients, &mut w);
            for i in 0..length {
                let sum: f32 = (0..5).map(|k| coefficients[k] as f32 * basis[k][i]).sum();
                assert_eq!(w[i], before[i] - sum);
            }
            assert_eq!(square, dots(&[&w], &w)[0]);
            assert_eq!(scaled(&w, 2.0)[length - 1], 2.0 * w[length - 1]);
        }
    }

    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        let length = 3 * PIECES * PIECE + 5;
        let basis: Vec<Vec<f32>> =
            (0..3).map(|seed| vector(length, seed).iter().map(|x| x.sin()).collect()).collect();
        let run = || {
            let mut w: Vec<f32> = basis[0].iter().map(|x| x.cos()).collect();
            let products = dots(&basis, &w);
            let square = subtract(&basis, &products, &mut w);
            (products, square, w)
        };
        assert_eq!(on_threads(1, run), on_threads(3, run));
    }

    #[test]
    fn cancellation_in_f32_sums_is_harmless() {
        // 2²⁴ + 1 − 2²⁴ needs more than f32's mantissa.
        let w = vec![1.0_f32; 3];
        assert_eq!(dots(&[vec![16_777_216.0_f32, 1.0, -16_777_216.0]], &w), [1.0]);
    }
}
