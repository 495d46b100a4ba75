//! Householder reflections I − v vᵀ / τ, whose vectors v begin with 1.

use eigenscape_runtime::arch;
use faer::{ColMut, linalg::householder::make_householder_in_place};
use pulp::{Simd, WithSimd};

/// Reflects x onto a multiple of the first unit vector. The multiple replaces the first entry of x,
/// the entries of v replace the others. Returns 1 / τ, which is 0 where x needs no reflection.
pub(super) fn annihilate(x: &mut [f64]) -> f64 {
    let Some((head, tail)) = x.split_first_mut() else { return 0.0 };
    make_householder_in_place(head, ColMut::from_slice_mut(tail)).tau.recip()
}

/// Reflects each of these columns; `tail` is v without its first entry.
pub(super) fn reflect<'a>(columns: impl Iterator<Item = &'a mut [f64]>, tail: &[f64], scale: f64) {
    arch().dispatch(Reflect { columns, tail, scale });
}

struct Reflect<'a, I> {
    columns: I,
    tail: &'a [f64],
    scale: f64,
}

impl<'a, I: Iterator<Item = &'a mut [f64]>> WithSimd for Reflect<'_, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for column in self.columns {
            if let Some((head, rest)) = column.split_first_mut() {
                let along = self.scale * (*head + dot(simd, self.tail, rest));
                *head -= along;
                add(simd, rest, -along, self.tail);
            }
        }
    }
}

/// xᵀy.
#[inline(always)]
pub(super) fn dot<S: Simd>(simd: S, x: &[f64], y: &[f64]) -> f64 {
    let ((x, x_rest), (y, y_rest)) = (S::as_simd_f64s(x), S::as_simd_f64s(y));
    let mut sums = simd.splat_f64s(0.0);
    for (x, y) in x.iter().zip(y) {
        sums = simd.mul_add_e_f64s(*x, *y, sums);
    }
    let mut sum = simd.reduce_sum_f64s(sums);
    for (x, y) in x_rest.iter().zip(y_rest) {
        sum += x * y;
    }
    sum
}

/// y ← y + a x.
#[inline(always)]
pub(super) fn add<S: Simd>(simd: S, y: &mut [f64], a: f64, x: &[f64]) {
    let ((x, x_rest), (y, y_rest)) = (S::as_simd_f64s(x), S::as_mut_simd_f64s(y));
    let all = simd.splat_f64s(a);
    for (y, x) in y.iter_mut().zip(x) {
        *y = simd.mul_add_e_f64s(all, *x, *y);
    }
    for (y, x) in y_rest.iter_mut().zip(x_rest) {
        *y += a * x;
    }
}
