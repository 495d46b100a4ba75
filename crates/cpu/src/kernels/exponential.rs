//! The exponential and functions that are made of it, on the machine's vector instructions.
//!
//! The compiler vectorises these loops, because they have no branches and no calls. Results are
//! bitwise the same for all vector instructions: multiplications and additions are not fused, and
//! nothing depends on the number of lanes. Numbers of type f32 are evaluated in f64, so that
//! rounding to f32 is the only error of note.

use std::{
    f64::consts::{FRAC_1_SQRT_2, LOG2_E},
    marker::PhantomData,
};

use eigenscape_runtime::arch;
use pulp::{Simd, WithSimd};

use super::{Element, View, parallel::for_each_chunk};

/// Elements per task: for fewer, threads cost more than they save.
const CHUNK: usize = 1 << 12;

/// Writes f(x) for each element x.
pub(crate) fn transcendental<F: Transcendental, T: Element>(x: &View<'_, T>, out: &mut [T]) {
    let x = x.onto(x.dims);
    for_each_chunk(out, CHUNK, &|i, out| {
        x.copy(i * CHUNK, out);
        arch().dispatch(InPlace::<F, T> { numbers: out, function: PhantomData });
    });
}

/// A function of one number.
pub(crate) trait Transcendental {
    /// f(x), as accurate as numbers of type `T` are.
    fn at<T: Accuracy>(x: f64) -> f64;
}

/// eˣ.
pub(crate) struct Exp;
/// tanh x.
pub(crate) struct Tanh;
/// 1/(1 + e⁻ˣ).
pub(crate) struct Sigmoid;
/// 1/(1 + eˣ).
pub(crate) struct SigmoidComplement;
/// log x.
pub(crate) struct Log;
/// The distribution function of the standard normal distribution, ½ erfc(−x/√2).
pub(crate) struct NormalCdf;

/// A floating-point type with polynomials as accurate as the type.
pub(crate) trait Accuracy {
    /// The Taylor coefficients of (eʳ − 1)/r for |r| ≤ ½ ln 2.
    const EXPONENTIAL: &'static [f64];
    /// eˣ is 0 below this x.
    const UNDERFLOW: f64;
    /// The coefficients of (1 + 2z) exp(z²) erfc(z) for z ≥ 0 in powers of t = (z − 3)/(z + 3), by
    /// Chebyshev expansion (the form of M. M. Shepherd and J. G. Laframboise, Math. Comp. 36,
    /// 1981).
    const TAIL: &'static [f64];
}

impl Accuracy for f32 {
    const EXPONENTIAL: &'static [f64] = &reciprocal_factorials::<8>();
    const UNDERFLOW: f64 = -104.0;
    // Relative error 1e-10.
    const TAIL: &'static [f64] = &[
        1.2530080582534238,
        -0.13562110449402126,
        -0.04756229269565379,
        0.12964509696901552,
        -0.11927369132068087,
        0.06830870677166784,
        -0.023770334675484478,
        0.0025260688678001345,
        0.0018881128646091253,
        -0.0007713736760226932,
        -0.00010413071427970404,
        0.00011324623983168478,
        3.861849136821459e-06,
        -1.1057230027974098e-05,
    ];
}

impl Accuracy for f64 {
    const EXPONENTIAL: &'static [f64] = &reciprocal_factorials::<14>();
    const UNDERFLOW: f64 = -745.2;
    // Relative error 1e-19 before rounding.
    const TAIL: &'static [f64] = &[
        1.2530080582697296,
        -0.1356211061245812,
        -0.04756229435345109,
        0.1296451587027629,
        -0.11927366341528023,
        0.06830802734391057,
        -0.023770514919506852,
        0.0025293918169509407,
        0.0018886903716907627,
        -0.0007798322781262303,
        -0.00010515990108729849,
        0.00012509937456456623,
        4.949988662264347e-06,
        -2.0100605325083817e-05,
        -7.33143259743597e-07,
        3.472390115145775e-06,
        3.603910925712771e-07,
        -6.163869055512103e-07,
        -1.4683175494120584e-07,
        1.0126845607238986e-07,
        4.6950946691614734e-08,
        -1.2581767405545219e-08,
        -1.1734464137789657e-08,
        4.4817555029519333e-10,
        2.0626322959832455e-09,
        2.1675048969615204e-10,
        -1.881936630944858e-10,
        -3.722451327004375e-11,
    ];
}

/// 1/(n + 1)! for n = 0, 1, ...
const fn reciprocal_factorials<const N: usize>() -> [f64; N] {
    let (mut terms, mut factorial, mut n) = ([1.0; N], 1.0, 0);
    while n < N {
        factorial *= (n + 1) as f64;
        terms[n] = 1.0 / factorial;
        n += 1;
    }
    terms
}

impl Transcendental for Exp {
    #[inline(always)]
    fn at<T: Accuracy>(x: f64) -> f64 {
        // Many entries are masked and underflow. Subnormal numbers are slow, so 0 takes their place
        // until the end.
        let underflows = x < T::UNDERFLOW;
        let (n, e) = reduced::<T>(limited(if underflows { 0.0 } else { x }, -746.0, 710.0));
        // In two factors, neither of which overflows.
        let half = (0.5 * n + ROUND) - ROUND;
        let power = (1.0 + e) * power_of_two(half) * power_of_two(n - half);
        if underflows { 0.0 } else { power }
    }
}

impl Transcendental for Tanh {
    #[inline(always)]
    fn at<T: Accuracy>(x: f64) -> f64 {
        // With e²ˣ − 1, so that nothing cancels near 0. From x = 22 on, the result is 1.
        let (n, e) = reduced::<T>(limited(2.0 * x.abs(), 0.0, 44.0));
        let power = power_of_two(n);
        let e = power * e + (power - 1.0);
        (e / (e + 2.0)).copysign(x)
    }
}

impl Transcendental for Sigmoid {
    #[inline(always)]
    fn at<T: Accuracy>(x: f64) -> f64 {
        // e^|x| would overflow.
        let small = Exp::at::<T>(-x.abs());
        (if x < 0.0 { small } else { 1.0 }) / (1.0 + small)
    }
}

impl Transcendental for SigmoidComplement {
    #[inline(always)]
    fn at<T: Accuracy>(x: f64) -> f64 {
        Sigmoid::at::<T>(-x)
    }
}

impl Transcendental for NormalCdf {
    #[inline(always)]
    fn at<T: Accuracy>(x: f64) -> f64 {
        // Φ(−40) is 0 in f64.
        let size = limited(x.abs(), 0.0, 40.0);
        let z = size * FRAC_1_SQRT_2;
        let tail = polynomial(T::TAIL, (z - 3.0) / (z + 3.0)) / (2.0 + 4.0 * z);
        // e^(−x²/2) from an exact square and the rest, which is small: x² = h² + (x − h)(x + h).
        let high = f64::from_bits(size.to_bits() & (!0 << 27));
        let rest = -0.5 * (size - high) * (size + high);
        let series = 1.0 + rest * (1.0 + rest * (0.5 + rest / 6.0));
        let density = Exp::at::<T>(-0.5 * high * high) * series;
        let below = tail * density;
        if x > 0.0 { 1.0 - below } else { below }
    }
}

impl Transcendental for Log {
    /// As in fdlibm's `e_log.c`: x = 2ᵏ(1 + f) and log(1 + f) by a polynomial in s² with
    /// s = f/(2 + f).
    #[inline(always)]
    fn at<T: Accuracy>(x: f64) -> f64 {
        const SERIES: [f64; 7] = [
            6.666666666666735e-1,
            3.999999999940942e-1,
            2.857142874366239e-1,
            2.222219843214978e-1,
            1.818357216161805e-1,
            1.531383769920937e-1,
            1.479819860511659e-1,
        ];
        const EXPONENT: u64 = !0 << 52;
        // Subnormal numbers have no exponent.
        let subnormal = x < f64::MIN_POSITIVE;
        let scaled = if subnormal { x * 2_f64.powi(54) } else { x };
        let bits = scaled.to_bits();
        // The exponent of the number between √½ and √2 times a power of two.
        let exponent = bits.wrapping_sub(FRAC_1_SQRT_2.to_bits()) & EXPONENT;
        let f = f64::from_bits(bits.wrapping_sub(exponent)) - 1.0;
        // As a signed number: `ROUND` has room for it.
        let k = f64::from_bits(ROUND.to_bits() + ((exponent >> 52) ^ 0x800)) - (ROUND + 2048.0);
        let k = k - if subnormal { 54.0 } else { 0.0 };
        let (s, half) = (f / (2.0 + f), 0.5 * f * f);
        let square = s * s;
        let rest = s * (half + square * polynomial(&SERIES, square)) + k * LN_2[1];
        let finite = k * LN_2[0] - ((half - rest) - f);
        let special = if x == 0.0 { f64::NEG_INFINITY } else { f64::NAN };
        let positive = if x == f64::INFINITY { x } else { finite };
        if x > 0.0 { positive } else { special }
    }
}

/// log 2 in two parts; small integers times the first are exact.
const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];

/// (n, eʳ − 1) with x = n ln 2 + r, an integer n and |r| ≤ ½ ln 2.
#[inline(always)]
fn reduced<T: Accuracy>(x: f64) -> (f64, f64) {
    let n = (x * LOG2_E + ROUND) - ROUND;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    (n, r * polynomial(T::EXPONENTIAL, r))
}

/// 1.5 · 2⁵²: the sum with a small number is rounded to an integer, which its lowest bits hold.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// 2ⁿ for an integer n, |n| ≤ 1022.
#[inline(always)]
fn power_of_two(n: f64) -> f64 {
    f64::from_bits((n + ROUND).to_bits().wrapping_add(1023) << 52)
}

/// x within limits; NaN stays NaN, unlike with `clamp` in vector code.
#[inline(always)]
fn limited(x: f64, low: f64, high: f64) -> f64 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// Σ cₖ xᵏ by Horner's rule.
#[inline(always)]
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// Replaces each number x by f(x). A type, because a closure would be compiled without the
/// machine's vector instructions.
struct InPlace<'a, F, T> {
    numbers: &'a mut [T],
    function: PhantomData<F>,
}

impl<F: Transcendental, T: Element> WithSimd for InPlace<'_, F, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.numbers {
            *x = T::rounded(F::at::<T>(x.wide()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_2_SQRT_PI;

    use super::*;
    use crate::kernels::simd::levels;

    /// Zeros, subnormal and tiny numbers, the range of all functions, and what is not a number.
    fn arguments() -> Vec<f64> {
        let mut x = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 5e-324, -1e-310];
        x.extend((-80_000..80_000).map(|i| 0.01 * f64::from(i) + 1e-7));
        x.extend((-4000..4000).map(|i| 0.002 * f64::from(i) - 3e-9));
        x.extend((-300..1).flat_map(|i| [10_f64.powi(i), -(10_f64.powi(i))]));
        x
    }

    /// f(x) at a level of vector instructions, with a remainder behind the last whole vector.
    fn at<F: Transcendental, T: Element>(level: pulp::Arch, x: &[T]) -> Vec<T> {
        let mut numbers = x.to_vec();
        level.dispatch(InPlace::<F, T> { numbers: &mut numbers, function: PhantomData });
        numbers
    }

    /// Compares with `expected` up to `ulps` units of the last place of f64; f32 must be what the
    /// expected number is rounded to, or its neighbour where it lies between two.
    fn agrees<F: Transcendental>(expected: impl Fn(f64) -> f64, ulps: f64) {
        let x = arguments();
        let narrow: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let scalar = at::<F, f64>(pulp::Arch::Scalar, &x);
        let scalar_narrow = at::<F, f32>(pulp::Arch::Scalar, &narrow);
        for level in levels() {
            let bits = |x: f64| if x.is_nan() { 0 } else { x.to_bits() };
            for (one, other) in at::<F, f64>(level, &x).into_iter().zip(&scalar) {
                assert_eq!(bits(one), bits(*other));
            }
            for (one, other) in at::<F, f32>(level, &narrow).into_iter().zip(&scalar_narrow) {
                assert_eq!(bits(one.into()), bits((*other).into()));
            }
        }
        for (x, found) in x.into_iter().zip(scalar) {
            let expected = expected(x);
            let unit = (expected.abs() * f64::EPSILON).max(5e-324);
            let same = found == expected || found.is_nan() && expected.is_nan();
            assert!(same || (found - expected).abs() <= ulps * unit, "at {x}: {found:e}, not {expected:e}");
        }
        for (x, found) in narrow.into_iter().zip(scalar_narrow) {
            let (wide, found) = (expected(x.into()), f64::from(found));
            let expected = f64::from(wide as f32);
            let unit = (wide.abs() * f64::from(f32::EPSILON)).max(1e-45);
            let same = found == expected || found.is_nan() && expected.is_nan();
            assert!(same || (found - wide).abs() <= 0.501 * unit, "at {x}: {found:e}, not {expected:e}");
        }
    }

    #[test]
    fn the_exponential_is_that_of_the_library() {
        agrees::<Exp>(f64::exp, 1.0);
    }

    #[test]
    fn the_logarithm_is_that_of_the_library() {
        agrees::<Log>(f64::ln, 1.0);
    }

    #[test]
    fn the_hyperbolic_tangent_is_that_of_the_library() {
        agrees::<Tanh>(f64::tanh, 2.5);
    }

    #[test]
    fn the_sigmoid_is_its_definition_without_overflow() {
        let sigmoid = |x: f64| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
        agrees::<Sigmoid>(sigmoid, 2.0);
        agrees::<SigmoidComplement>(|x| sigmoid(-x), 2.0);
    }

    /// Also far below, where Φ is as small as 1e-300.
    #[test]
    fn the_normal_distribution_is_that_of_the_error_function() {
        // 1/√2 minus the constant.
        const REST: f64 = -4.833_646_656_726_457e-17;
        // Φ is steep there: what −x/√2 loses by rounding counts, to first order.
        let expected = |x: f64| {
            let z = -x * FRAC_1_SQRT_2;
            let lost = if z.is_finite() { f64::mul_add(-x, FRAC_1_SQRT_2, -z) - x * REST } else { 0.0 };
            0.5 * (libm::erfc(z) - lost * FRAC_2_SQRT_PI * (-z * z).exp())
        };
        agrees::<NormalCdf>(expected, 4.0);
    }

    #[test]
    fn views_are_read_in_their_order() {
        let data: Vec<f64> = (0..6).map(f64::from).collect();
        let transposed = View { data: &data, dims: &[3, 2], strides: &[1, 3] };
        let mut out = vec![0.0; 6];
        transcendental::<Exp, _>(&transposed, &mut out);
        let expected = [0.0_f64, 3.0, 1.0, 4.0, 2.0, 5.0].map(f64::exp);
        assert!(out.iter().zip(expected).all(|(x, y)| (x / y - 1.0).abs() < 1e-15));
    }
}
