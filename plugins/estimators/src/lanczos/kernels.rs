//! Dot products with, and linear combinations of, many long vectors at once.
//!
//! Both are bound by reading the basis from memory. The long axis is cut into pieces: of one piece of `w`, widened to f64 in the first-level
//! cache, all basis vectors are used before the next. Pieces are of fixed size and their sums are added in order, so that results
//! do not depend on the number of threads.

use pulp::Arch;
use rayon::prelude::*;

use crate::float::Float;

/// Numbers in a piece: 8 KiB in f64.
const PIECE: usize = 1024;
/// Pieces of one task.
const PIECES: usize = 8;
/// Basis vectors that share one reading of `w`.
const GROUP: usize = 4;
/// Independent sums in a dot product, for the processor's vector units.
const LANES: usize = 8;

/// Qᵀw: the dot product of each basis vector with `w`, accumulated in f64.
pub(super) fn dots<T: Float>(basis: &[&[T]], w: &[T]) -> Vec<f64> {
    let arch = Arch::new();
    let blocks: Vec<Vec<f64>> = w
        .par_chunks(PIECES * PIECE)
        .enumerate()
        .map(|(block, w)| arch.dispatch(|| block_dots(basis, block * PIECES * PIECE, w)))
        .collect();
    let mut total = vec![0.0; basis.len()];
    for block in blocks {
        total.iter_mut().zip(block).for_each(|(total, sum)| *total += sum);
    }
    total
}

/// w ← w − Q c, combined in f64 and rounded once. Returns ‖w‖² of the new `w`.
pub(super) fn subtract<T: Float>(basis: &[&[T]], coefficients: &[f64], w: &mut [T]) -> f64 {
    let arch = Arch::new();
    let blocks: Vec<f64> = w
        .par_chunks_mut(PIECES * PIECE)
        .enumerate()
        .map(|(block, w)| arch.dispatch(|| block_subtract(basis, coefficients, block * PIECES * PIECE, w)))
        .collect();
    blocks.iter().sum()
}

/// s·v.
pub(super) fn scaled<T: Float>(v: &[T], s: f64) -> Vec<T> {
    v.par_iter().with_min_len(PIECE).map(|x| T::narrow(s * x.widen())).collect()
}

// What follows is inlined into `dispatch`, which compiles it for the vector units that the processor has.

/// The dot products over the numbers from `first` on of which `w` is the block.
#[inline(always)]
fn block_dots<T: Float>(basis: &[&[T]], first: usize, w: &[T]) -> Vec<f64> {
    let mut sums = vec![0.0; basis.len()];
    let mut buffer = [0.0; PIECE];
    for (index, piece) in w.chunks(PIECE).enumerate() {
        let start = first + index * PIECE;
        let end = start + piece.len();
        let wide = widen(piece, &mut buffer);
        let (groups, rest) = basis.as_chunks::<GROUP>();
        let (group_sums, rest_sums) = sums.as_chunks_mut::<GROUP>();
        for (sums, group) in group_sums.iter_mut().zip(groups) {
            let dots = group_dots(group.map(|q| &q[start..end]), wide);
            sums.iter_mut().zip(dots).for_each(|(sum, dot)| *sum += dot);
        }
        for (sum, q) in rest_sums.iter_mut().zip(rest) {
            *sum += group_dots([&q[start..end]], wide)[0];
        }
    }
    sums
}

#[inline(always)]
fn block_subtract<T: Float>(basis: &[&[T]], coefficients: &[f64], first: usize, w: &mut [T]) -> f64 {
    let mut square = 0.0;
    let mut buffer = [0.0; PIECE];
    for (index, piece) in w.chunks_mut(PIECE).enumerate() {
        let start = first + index * PIECE;
        let end = start + piece.len();
        let wide = widen(piece, &mut buffer);
        let (groups, rest) = basis.as_chunks::<GROUP>();
        let (group_coefficients, rest_coefficients) = coefficients.as_chunks::<GROUP>();
        for (coefficients, group) in group_coefficients.iter().zip(groups) {
            group_subtract(coefficients, group.map(|q| &q[start..end]), wide);
        }
        for (coefficient, q) in rest_coefficients.iter().zip(rest) {
            group_subtract(&[*coefficient], [&q[start..end]], wide);
        }
        piece.iter_mut().zip(&*wide).for_each(|(w, wide)| *w = T::narrow(*wide));
        square += group_dots([&*piece], widen(piece, &mut [0.0; PIECE]))[0];
    }
    square
}

#[inline(always)]
fn widen<'a, T: Float>(piece: &[T], buffer: &'a mut [f64; PIECE]) -> &'a mut [f64] {
    let wide = &mut buffer[..piece.len()];
    wide.iter_mut().zip(piece).for_each(|(wide, x)| *wide = x.widen());
    wide
}

/// The dot products of G vectors with `w`.
#[inline(always)]
fn group_dots<T: Float, const G: usize>(group: [&[T]; G], w: &[f64]) -> [f64; G] {
    let (lanes, rest) = w.as_chunks::<LANES>();
    let group = group.map(|q| q.as_chunks::<LANES>());
    let mut sums = [[0.0; LANES]; G];
    for (index, w) in lanes.iter().enumerate() {
        for (sums, (q, _)) in sums.iter_mut().zip(&group) {
            let q = &q[index];
            for lane in 0..LANES {
                sums[lane] += q[lane].widen() * w[lane];
            }
        }
    }
    std::array::from_fn(|k| {
        let rest: f64 = group[k].1.iter().zip(rest).map(|(q, w)| q.widen() * w).sum();
        sums[k].iter().sum::<f64>() + rest
    })
}

/// w ← w − Σ cₖ qₖ.
#[inline(always)]
fn group_subtract<T: Float, const G: usize>(coefficients: &[f64; G], group: [&[T]; G], w: &mut [f64]) {
    let group = group.map(|q| &q[..w.len()]);
    for (index, w) in w.iter_mut().enumerate() {
        for k in 0..G {
            *w -= coefficients[k] * group[k][index].widen();
        }
    }
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
            let vectors: Vec<_> = (0..5).map(|seed| vector(length, seed)).collect();
            let basis: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
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
        let vectors: Vec<Vec<f32>> =
            (0..7).map(|seed| vector(length, seed).iter().map(|x| x.sin()).collect()).collect();
        let basis: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
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
        assert_eq!(dots(&[&[16_777_216.0_f32, 1.0, -16_777_216.0]], &w), [1.0]);
    }
}
