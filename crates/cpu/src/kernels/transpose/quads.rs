//! Block transposes with AVX2 and AVX-512: each 128-bit lane of a vector holds 16 bytes (a quad) of
//! one row, and shuffles within lanes give whole columns.

use pulp::Simd;

use super::{Block, Transpose};
use crate::kernels::simd::Lanes;

/// A type whose numbers can be moved 16 bytes at a time.
pub(crate) trait Quads: Sized {
    /// Transposes a block and returns true if the vectors are those of AVX2 or AVX-512; otherwise
    /// returns false.
    fn by_quads<S: Simd, F: Fn(usize) -> usize, P: FnMut(usize, usize, &[Self])>(
        simd: S,
        transpose: &mut Transpose<'_, Self, F, P>,
        block: Block,
    ) -> bool;
}

macro_rules! quads {
    ($t:ty, $columns:ident) => {
        impl Quads for $t {
            #[inline(always)]
            fn by_quads<S: Simd, F: Fn(usize) -> usize, P: FnMut(usize, usize, &[Self])>(
                simd: S,
                transpose: &mut Transpose<'_, Self, F, P>,
                block: Block,
            ) -> bool {
                #[cfg(target_arch = "x86_64")]
                if let Some(&v4) = (&simd as &dyn std::any::Any).downcast_ref::<pulp::x86::V4>() {
                    whole_columns(
                        transpose,
                        block,
                        #[inline(always)]
                        |rows, quad| avx512::$columns(v4, rows, quad),
                    );
                    return true;
                }
                #[cfg(target_arch = "x86_64")]
                if let Some(&v3) = (&simd as &dyn std::any::Any).downcast_ref::<pulp::x86::V3>() {
                    whole_columns(
                        transpose,
                        block,
                        #[inline(always)]
                        |rows, quad| avx2::$columns(v3, rows, quad),
                    );
                    return true;
                }
                let _ = (simd, transpose, block);
                false
            }
        }
    };
}

quads!(f32, four_columns);
quads!(f64, two_columns);

/// Transposes a block. `whole(rows, q)` gives the columns of quad q, given `ROWS` rows split into
/// quads.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
#[inline(always)]
fn whole_columns<
    T: Lanes,
    F: Fn(usize) -> usize,
    P: FnMut(usize, usize, &[T]),
    const QUAD: usize,
    const ROWS: usize,
>(
    transpose: &mut Transpose<'_, T, F, P>,
    [rows, columns]: Block,
    whole: impl Fn([&[[T; QUAD]]; ROWS], usize) -> [[T; ROWS]; QUAD],
) {
    let (quads, mut i) = (columns.len() / QUAD, rows.start);
    while i + ROWS <= rows.end {
        let mut cut: [&[[T; QUAD]]; ROWS] = [&[]; ROWS];
        for (k, cut) in cut.iter_mut().enumerate() {
            let start = (transpose.start)(i + k) + columns.start;
            *cut = transpose.from[start..][..columns.len()].as_chunks().0;
        }
        for q in 0..quads {
            for (k, column) in whole(cut, q).into_iter().enumerate() {
                (transpose.put)(i, columns.start + q * QUAD + k, &column);
            }
        }
        i += ROWS;
    }
    let last = columns.start + quads * QUAD;
    transpose.numbers([i..rows.end, columns.start..last]);
    transpose.numbers([rows, last..columns.end]);
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{__m512, __m512d};

    use pulp::{cast, x86::V4};

    /// Four columns of 16 rows.
    #[inline(always)]
    pub(super) fn four_columns(v4: V4, rows: [&[[f32; 4]]; 16], quad: usize) -> [[f32; 16]; 4] {
        let avx = v4.avx512f;
        let [a, b, c, d] = [
            every_fourth(v4, rows, 0, quad),
            every_fourth(v4, rows, 1, quad),
            every_fourth(v4, rows, 2, quad),
            every_fourth(v4, rows, 3, quad),
        ];
        let [low_ab, low_cd] = [avx._mm512_unpacklo_ps(a, b), avx._mm512_unpacklo_ps(c, d)];
        let [high_ab, high_cd] = [avx._mm512_unpackhi_ps(a, b), avx._mm512_unpackhi_ps(c, d)];
        [
            cast(avx._mm512_unpacklo_pd(cast(low_ab), cast(low_cd))),
            cast(avx._mm512_unpackhi_pd(cast(low_ab), cast(low_cd))),
            cast(avx._mm512_unpacklo_pd(cast(high_ab), cast(high_cd))),
            cast(avx._mm512_unpackhi_pd(cast(high_ab), cast(high_cd))),
        ]
    }

    /// One quad of each of the rows `first`, `first` + 4, ...
    #[inline(always)]
    fn every_fourth(v4: V4, rows: [&[[f32; 4]]; 16], first: usize, quad: usize) -> __m512 {
        let avx = v4.avx512f;
        let vector = avx._mm512_castps128_ps512(cast(rows[first][quad]));
        let vector = avx._mm512_insertf32x4::<1>(vector, cast(rows[first + 4][quad]));
        let vector = avx._mm512_insertf32x4::<2>(vector, cast(rows[first + 8][quad]));
        avx._mm512_insertf32x4::<3>(vector, cast(rows[first + 12][quad]))
    }

    /// Two columns of eight rows.
    #[inline(always)]
    pub(super) fn two_columns(v4: V4, rows: [&[[f64; 2]]; 8], quad: usize) -> [[f64; 8]; 2] {
        let [a, b] = [every_second(v4, rows, 0, quad), every_second(v4, rows, 1, quad)];
        [cast(v4.avx512f._mm512_unpacklo_pd(a, b)), cast(v4.avx512f._mm512_unpackhi_pd(a, b))]
    }

    /// One quad of each of the rows `first`, `first` + 2, ...
    #[inline(always)]
    fn every_second(v4: V4, rows: [&[[f64; 2]]; 8], first: usize, quad: usize) -> __m512d {
        let avx = v4.avx512dq;
        let vector = v4.avx512f._mm512_castpd128_pd512(cast(rows[first][quad]));
        let vector = avx._mm512_insertf64x2::<1>(vector, cast(rows[first + 2][quad]));
        let vector = avx._mm512_insertf64x2::<2>(vector, cast(rows[first + 4][quad]));
        avx._mm512_insertf64x2::<3>(vector, cast(rows[first + 6][quad]))
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{__m256, __m256d};

    use pulp::{cast, x86::V3};

    /// Four columns of eight rows.
    #[inline(always)]
    pub(super) fn four_columns(v3: V3, rows: [&[[f32; 4]]; 8], quad: usize) -> [[f32; 8]; 4] {
        let avx = v3.avx;
        let [a, b, c, d] = [
            every_fourth(v3, rows, 0, quad),
            every_fourth(v3, rows, 1, quad),
            every_fourth(v3, rows, 2, quad),
            every_fourth(v3, rows, 3, quad),
        ];
        let [low_ab, low_cd] = [avx._mm256_unpacklo_ps(a, b), avx._mm256_unpacklo_ps(c, d)];
        let [high_ab, high_cd] = [avx._mm256_unpackhi_ps(a, b), avx._mm256_unpackhi_ps(c, d)];
        [
            cast(avx._mm256_unpacklo_pd(cast(low_ab), cast(low_cd))),
            cast(avx._mm256_unpackhi_pd(cast(low_ab), cast(low_cd))),
            cast(avx._mm256_unpacklo_pd(cast(high_ab), cast(high_cd))),
            cast(avx._mm256_unpackhi_pd(cast(high_ab), cast(high_cd))),
        ]
    }

    /// One quad of each of the rows `first` and `first` + 4.
    #[inline(always)]
    fn every_fourth(v3: V3, rows: [&[[f32; 4]]; 8], first: usize, quad: usize) -> __m256 {
        let vector = v3.avx._mm256_castps128_ps256(cast(rows[first][quad]));
        v3.avx._mm256_insertf128_ps::<1>(vector, cast(rows[first + 4][quad]))
    }

    /// Two columns of four rows.
    #[inline(always)]
    pub(super) fn two_columns(v3: V3, rows: [&[[f64; 2]]; 4], quad: usize) -> [[f64; 4]; 2] {
        let [a, b] = [every_second(v3, rows, 0, quad), every_second(v3, rows, 1, quad)];
        [cast(v3.avx._mm256_unpacklo_pd(a, b)), cast(v3.avx._mm256_unpackhi_pd(a, b))]
    }

    /// One quad of each of the rows `first` and `first` + 2.
    #[inline(always)]
    fn every_second(v3: V3, rows: [&[[f64; 2]]; 4], first: usize, quad: usize) -> __m256d {
        let vector = v3.avx._mm256_castpd128_pd256(cast(rows[first][quad]));
        v3.avx._mm256_insertf128_pd::<1>(vector, cast(rows[first + 2][quad]))
    }
}
