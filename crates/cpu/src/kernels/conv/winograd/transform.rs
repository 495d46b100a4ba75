//! The three linear transforms of tiles, F(2×2, 3×3), and their transposes, on vectors of channels.
//!
//! All functions and closures are always inlined, and arrays are filled by loops instead of
//! closures passed to the standard library. Only then is everything compiled with the instruction
//! set of the calling kernel.

use pulp::Simd;

use super::super::super::simd::Lanes;

/// An N×N matrix of vectors.
pub(super) type Square<V, const N: usize> = [[V; N]; N];

/// Applies `f` to every column, then to every row.
#[inline(always)]
fn both<V: Copy, const N: usize, const M: usize>(
    x: Square<V, N>,
    f: impl Fn([V; N]) -> [V; M],
) -> Square<V, M> {
    let mut half = [[x[0][0]; N]; M];
    for j in 0..N {
        let mut column = [x[0][j]; N];
        for i in 1..N {
            column[i] = x[i][j];
        }
        let column = f(column);
        for i in 0..M {
            half[i][j] = column[i];
        }
    }
    let mut y = [[x[0][0]; M]; M];
    for i in 0..M {
        y[i] = f(half[i]);
    }
    y
}

/// Bᵀ d B.
#[inline(always)]
pub(super) fn pixels<T: Lanes, S: Simd>(simd: S, d: Square<T::Vector<S>, 4>) -> Square<T::Vector<S>, 4> {
    both(
        d,
        #[inline(always)]
        |[a, b, c, d]| [T::sub(simd, a, c), T::add(simd, b, c), T::sub(simd, c, b), T::sub(simd, b, d)],
    )
}

/// G g Gᵀ.
#[inline(always)]
pub(super) fn filter<T: Lanes, S: Simd>(
    simd: S,
    half: T::Vector<S>,
    g: Square<T::Vector<S>, 3>,
) -> Square<T::Vector<S>, 4> {
    both(
        g,
        #[inline(always)]
        |[a, b, c]| {
            let (sum, middle) = (T::mul(simd, half, T::add(simd, a, c)), T::mul(simd, half, b));
            [a, T::add(simd, sum, middle), T::sub(simd, sum, middle), c]
        },
    )
}

/// Gᵀ m G.
#[inline(always)]
pub(super) fn filter_transpose<T: Lanes, S: Simd>(
    simd: S,
    half: T::Vector<S>,
    m: Square<T::Vector<S>, 4>,
) -> Square<T::Vector<S>, 3> {
    both(
        m,
        #[inline(always)]
        |[a, b, c, d]| {
            let sum = T::mul(simd, half, T::add(simd, b, c));
            let difference = T::mul(simd, half, T::sub(simd, b, c));
            [T::add(simd, a, sum), difference, T::add(simd, sum, d)]
        },
    )
}

/// A e Aᵀ.
#[inline(always)]
pub(super) fn outputs<T: Lanes, S: Simd>(simd: S, e: Square<T::Vector<S>, 2>) -> Square<T::Vector<S>, 4> {
    let zero = T::splat(simd, T::zeroed());
    both(
        e,
        #[inline(always)]
        |[a, b]| [a, T::add(simd, a, b), T::sub(simd, a, b), T::sub(simd, zero, b)],
    )
}

/// Aᵀ m A.
#[inline(always)]
pub(super) fn outputs_transpose<T: Lanes, S: Simd>(
    simd: S,
    m: Square<T::Vector<S>, 4>,
) -> Square<T::Vector<S>, 2> {
    both(
        m,
        #[inline(always)]
        |[a, b, c, d]| [T::add(simd, a, T::add(simd, b, c)), T::sub(simd, T::sub(simd, b, c), d)],
    )
}

/// m + n.
#[inline(always)]
pub(super) fn sum<T: Lanes, S: Simd>(
    simd: S,
    m: Square<T::Vector<S>, 4>,
    n: Square<T::Vector<S>, 4>,
) -> Square<T::Vector<S>, 4> {
    let mut sum = m;
    for i in 0..4 {
        for j in 0..4 {
            sum[i][j] = T::add(simd, m[i][j], n[i][j]);
        }
    }
    sum
}
