//! Bounds on how far the extreme eigenvalues lie beyond the extreme Ritz values.
//!
//! The largest Ritz value is a lower bound on the largest eigenvalue λ. An upper bound holds with a
//! given probability over the random vectors. With the orthonormal polynomials p₀ … p_m of the
//! three-term recurrence, a Lanczos vector is q_k = p_k(H) v, so that the unit eigenvector u of λ
//! has uᵀq_k = p_k(λ) uᵀv. As the q_k are orthonormal, (uᵀv)² S(λ) ≤ 1 with S = Σ p_k². A random
//! vector v of P coordinates has P (uᵀv)² ~ χ²₁. For n vectors, Σ P (uᵀvᵢ)² ~ χ²ₙ exceeds its 5 %
//! quantile q with a probability of 95 %, and then q ≤ P Σ 1/Sᵢ(λ). The right side decreases above
//! the Ritz values, so that λ is at most the point where it equals q (van Dorsselaer, Hochstenbach
//! & van der Vorst 2000, for one vector and p_m alone).
//!
//! The χ² distribution does not cover random signs, which can be orthogonal to an eigenvector with
//! few large entries.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::{krylov::Krylov, vectors::Vectors};

/// The probability that the sum of squares lies below the quantile, so that a bound may fail.
const TOO_SMALL: f64 = 0.05;
/// Bisection steps, from an interval about as long as the bound's distance from the Ritz value.
const HALVINGS: usize = 60;
/// A sum of squares above this value counts as infinite.
const ENOUGH: f64 = 1e250;

/// The three-term recurrence of one probe: β_{k+1} p_{k+1} = (x − α_k) p_k − β_k p_{k−1}.
pub(super) struct Recurrence {
    alpha: Vec<f64>,
    /// β₁ to β_m; the last is the residual.
    beta: Vec<f64>,
}

impl Recurrence {
    pub fn of<V: Vectors>(probe: &Krylov<V>) -> Self {
        let beta = probe.off_diagonal().iter().copied().chain([probe.residual()]);
        Self { alpha: probe.diagonal().to_vec(), beta: beta.collect() }
    }

    /// Σ p_k(x)² for k from 0 to m; for an invariant space, infinite outside its eigenvalues.
    fn sum(&self, x: f64) -> f64 {
        let (mut before, mut current, mut beta_before, mut sum) = (0.0, 1.0, 0.0, 1.0);
        for (alpha, beta) in self.alpha.iter().zip(&self.beta) {
            let next = ((x - alpha) * current - beta_before * before) / beta;
            (before, current, beta_before) = (current, next, *beta);
            sum += current * current;
            if sum.is_nan() || sum > ENOUGH {
                return f64::INFINITY;
            }
        }
        sum
    }

    /// The recurrence of −H.
    fn negated(&self) -> Self {
        Self { alpha: self.alpha.iter().map(|alpha| -alpha).collect(), beta: self.beta.clone() }
    }
}

/// A lower bound on the smallest eigenvalue and an upper bound on the largest, each with a
/// probability of 95 %, given the extreme Ritz values; `rounding` is the rounding error of the
/// recurrences. If `exact`, the vectors are the coordinate unit vectors, for which Σ (uᵀvᵢ)² = 1.
pub(super) fn bounds(
    recurrences: &[Recurrence],
    dimension: usize,
    [smallest, largest]: [f64; 2],
    rounding: f64,
    exact: bool,
) -> [f64; 2] {
    let least = match ChiSquared::new(recurrences.len() as f64) {
        _ if exact => 1.0,
        Ok(distribution) => distribution.inverse_cdf(TOO_SMALL) / dimension as f64,
        Err(_) => 0.0,
    };
    let negated: Vec<Recurrence> = recurrences.iter().map(Recurrence::negated).collect();
    let above =
        |recurrences: &[Recurrence], ritz: f64| ritz + beyond(recurrences, ritz, least, rounding) + rounding;
    [-above(&negated, -smallest), above(recurrences, largest)]
}

/// The distance above the largest Ritz value at which Σ 1/S falls to `least`.
fn beyond(recurrences: &[Recurrence], ritz: f64, least: f64, rounding: f64) -> f64 {
    let is_inside = |distance: f64| {
        recurrences.iter().map(|recurrence| 1.0 / recurrence.sum(ritz + distance)).sum::<f64>() > least
    };
    let mut high = rounding.max(f64::MIN_POSITIVE);
    while is_inside(high) {
        high *= 2.0;
        if high.is_infinite() {
            return f64::MAX;
        }
    }
    let mut low = 0.0;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if is_inside(middle) { low = middle } else { high = middle }
    }
    high
}
