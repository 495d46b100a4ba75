//! Dot products with, and linear combinations of, many long vectors at once.
//!
//! Both are limited by reading the basis from memory, where it lies in pieces ([`Pieces`]). Each
//! piece of `w` is widened to f64 in the first-level cache and combined with that piece of every
//! basis vector before the next piece. Pieces have a fixed size and their sums are added in order,
//! so that results do not depend on the number of threads.

use std::{array::from_fn, ops::Range};

use eigenscape_runtime::arch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    pieces::{PIECE, PIECES, Pieces},
    stored::Widened,
};
use crate::float::Float;

/// Basis vectors that are subtracted in one pass over a piece of `w`.
const GROUP: usize = 4;
/// Independent sums in a dot product, for the processor's vector units.
const LANES: usize = 16;

/// What a basis stores.
pub(super) trait Basis: Widened + Default + Send + Sync {}

impl<S: Widened + Default + Send + Sync> Basis for S {}

/// Qᵀw: the dot product of each of these vectors of the basis with `w`, accumulated in f64.
pub(super) fn dots<S: Basis, T: Float>(basis: &Pieces<S>, vectors: Range<usize>, w: &[T]) -> Vec<f64> {
    let arch = arch();
    let blocks: Vec<Vec<f64>> = w
        .par_chunks(PIECES * PIECE)
        .enumerate()
        .map(|(block, w)| arch.dispatch(Dots { basis, vectors: vectors.clone(), start: block * PIECES, w }))
        .collect();
    let mut total = vec![0.0; vectors.len()];
    for block in blocks {
        total.iter_mut().zip(block).for_each(|(total, sum)| *total += sum);
    }
    total
}

/// w ← w − Q c with the vectors of the basis from `first` on, one for each coefficient, combined in
/// f64 and rounded once. Returns ‖w‖² of the new `w`.
pub(super) fn subtract<S: Basis, T: Float>(
    basis: &Pieces<S>,
    first: usize,
    coefficients: &[f64],
    w: &mut [T],
) -> f64 {
    let arch = arch();
    let blocks: Vec<f64> = w
        .par_chunks_mut(PIECES * PIECE)
        .enumerate()
        .map(|(block, w)| arch.dispatch(Subtraction { basis, first, coefficients, start: block * PIECES, w }))
        .collect();
    blocks.iter().sum()
}

/// ‖v‖², accumulated in f64.
pub(super) fn square<T: Float>(v: &[T]) -> f64 {
    let arch = arch();
    let blocks: Vec<f64> = v.par_chunks(PIECES * PIECE).map(|block| arch.dispatch(Square(block))).collect();
    blocks.iter().sum()
}

/// s·v.
pub(super) fn scaled<T: Float>(v: &[T], s: f64) -> Vec<T> {
    v.par_iter().with_min_len(PIECE).map(|x| T::narrow(s * x.widen())).collect()
}

// The functions below are inlined into `with_simd`, which `dispatch` compiles for the processor's
// vector units. A closure would be compiled separately, without these units.

/// The dot products over the pieces from `start` on that `w` covers.
struct Dots<'a, S, T> {
    basis: &'a Pieces<S>,
    vectors: Range<usize>,
    start: usize,
    w: &'a [T],
}

impl<S: Basis, T: Float> WithSimd for Dots<'_, S, T> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<I: Simd>(self, _: I) -> Vec<f64> {
        let mut sums = vec![0.0; self.vectors.len()];
        let mut buffer = [0.0; PIECE];
        for (index, piece) in self.w.chunks(PIECE).enumerate() {
            let wide = widen(piece, &mut buffer);
            for (sum, vector) in sums.iter_mut().zip(self.vectors.clone()) {
                let (q, factor) = self.basis.piece(vector, self.start + index);
                *sum += factor * dot(q, wide);
            }
        }
        sums
    }
}

/// w ← w − Q c on the pieces from `start` on that `w` covers; returns ‖w‖² of these.
struct Subtraction<'a, S, T> {
    basis: &'a Pieces<S>,
    first: usize,
    coefficients: &'a [f64],
    start: usize,
    w: &'a mut [T],
}

impl<S: Basis, T: Float> WithSimd for Subtraction<'_, S, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<I: Simd>(self, _: I) -> f64 {
        let Self { basis, first, coefficients, start, w } = self;
        let (groups, rest) = coefficients.as_chunks::<GROUP>();
        let mut square = 0.0;
        let mut buffer = [0.0; PIECE];
        for (index, piece) in w.chunks_mut(PIECE).enumerate() {
            let wide = widen(piece, &mut buffer);
            let mut vector = first;
            for coefficients in groups {
                let group: [(&[S], f64); GROUP] = from_fn(|k| basis.piece(vector + k, start + index));
                let coefficients = from_fn(|k| coefficients[k] * group[k].1);
                subtract_combination(&coefficients, group.map(|(q, _)| q), wide);
                vector += GROUP;
            }
            for coefficient in rest {
                let (q, factor) = basis.piece(vector, start + index);
                subtract_combination(&[coefficient * factor], [q], wide);
                vector += 1;
            }
            for (w, wide) in piece.iter_mut().zip(&*wide) {
                *w = T::narrow(*wide);
            }
            square += piece_square(piece);
        }
        square
    }
}

/// ‖v‖².
struct Square<'a, T>(&'a [T]);

impl<T: Float> WithSimd for Square<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut square = 0.0;
        for piece in self.0.chunks(PIECE) {
            square += piece_square(piece);
        }
        square
    }
}

#[inline(always)]
fn piece_square<T: Float>(piece: &[T]) -> f64 {
    dot(piece, widen(piece, &mut [0.0; PIECE]))
}

#[inline(always)]
fn widen<'a, T: Float>(piece: &[T], buffer: &'a mut [f64; PIECE]) -> &'a mut [f64] {
    let wide = &mut buffer[..piece.len()];
    for (wide, x) in wide.iter_mut().zip(piece) {
        *wide = x.widen();
    }
    wide
}

#[inline(always)]
fn dot<S: Widened>(q: &[S], w: &[f64]) -> f64 {
    let (q_lanes, q_rest) = q.as_chunks::<LANES>();
    let (w_lanes, w_rest) = w.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (q, w) in q_lanes.iter().zip(w_lanes) {
        for lane in 0..LANES {
            sums[lane] += q[lane].widened() * w[lane];
        }
    }
    let mut rest = 0.0;
    for (q, w) in q_rest.iter().zip(w_rest) {
        rest += q.widened() * w;
    }
    sums.iter().sum::<f64>() + rest
}

/// w ← w − Σ cₖ qₖ.
#[inline(always)]
fn subtract_combination<S: Widened, const G: usize>(
    coefficients: &[f64; G],
    group: [&[S]; G],
    w: &mut [f64],
) {
    let group = group.map(|q| &q[..w.len()]);
    for (index, w) in w.iter_mut().enumerate() {
        for k in 0..G {
            *w -= coefficients[k] * group[k][index].widened();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, PIECES, Pieces, dots, scaled, square, subtract};
    use crate::{float::Float, testing::on_threads};

    /// Lengths around every boundary of pieces, blocks and lanes.
    const LENGTHS: [usize; 7] = [1, 15, 17, PIECE - 1, PIECE + 1, PIECES * PIECE, 3 * PIECES * PIECE + 5];

    fn vector(length: usize, seed: usize) -> Vec<f32> {
        (0..length).map(|i| ((i * 7 + seed * 13) % 31) as f32 - 15.0).collect()
    }

    fn basis<T: Float>(vectors: &[Vec<T>]) -> Pieces<T> {
        let mut basis = Pieces::new(vectors[0].len(), vectors.len());
        vectors.iter().for_each(|vector| basis.push(vector));
        basis
    }

    #[test]
    fn dots_and_combinations_of_integers_are_exact() {
        for length in LENGTHS {
            let vectors: Vec<_> = (0..7).map(|seed| vector(length, seed)).collect();
            let basis = basis(&vectors);
            for first in 0..3 {
                let mut w = vector(length, 9);
                let products = dots(&basis, first..7, &w);
                assert_eq!(products.len(), 7 - first);
                for (q, product) in vectors[first..].iter().zip(&products) {
                    let expected: i64 = q.iter().zip(&w).map(|(a, b)| (*a as i64) * (*b as i64)).sum();
                    assert_eq!(*product, expected as f64);
                }
                let before = w.clone();
                let coefficients = [1.0, -2.0, 0.0, 3.0, 0.5];
                let left = subtract(&basis, first, &coefficients, &mut w);
                for i in 0..length {
                    let sum: f32 = (0..5).map(|k| coefficients[k] as f32 * vectors[first + k][i]).sum();
                    assert_eq!(w[i], before[i] - sum);
                }
                assert_eq!(left, w.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>());
                assert_eq!(left, square(&w));
                assert_eq!(scaled(&w, 2.0)[length - 1], 2.0 * w[length - 1]);
            }
        }
    }

    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        let length = 3 * PIECES * PIECE + 5;
        let vectors: Vec<Vec<f32>> =
            (0..7).map(|seed| vector(length, seed).iter().map(|x| x.sin()).collect()).collect();
        let run = || {
            let basis = basis(&vectors);
            let mut w: Vec<f32> = vectors[0].iter().map(|x| x.cos()).collect();
            let products = dots(&basis, 0..7, &w);
            let left = subtract(&basis, 0, &products, &mut w);
            (products, left, square(&w), w)
        };
        assert_eq!(on_threads(1, run), on_threads(3, run));
    }

    #[test]
    fn cancellation_in_f32_sums_is_harmless() {
        // 2²⁴ + 1 − 2²⁴ needs more than f32's mantissa.
        let basis = basis(&[vec![16_777_216.0_f32, 1.0, -16_777_216.0]]);
        assert_eq!(dots(&basis, 0..1, &[1.0_f32; 3]), [1.0]);
    }
}
