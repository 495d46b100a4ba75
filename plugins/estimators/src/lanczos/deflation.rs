//! Implicit deflation: converged Ritz values count as one eigenvalue each.
//!
//! The quadrature gives an eigenvalue λ with unit eigenvector u the weight (vᵀu)², which has the
//! mean 1/P and the standard deviation √2/P over random v. Where a few eigenvalues are large
//! outliers, the error of their weights dominates the error of the estimate. But a converged Ritz
//! value is an eigenvalue, whose true weight is 1/P. The remainder of v is a random vector in the
//! span of the other eigenvectors. Its quadrature rule, scaled to the remaining weight, estimates
//! their part of the spectrum, as if the converged eigenvectors had been projected out of the
//! operator and of v in advance (Bhattacharjee, Jayaram, Musco, Musco & Ray, "Improved Spectral
//! Density Estimation via Explicit and Implicit Deflation", SODA 2025).
//!
//! A Krylov space contains one vector of the eigenspace of a *multiple* eigenvalue, whose true
//! weight is m/P for the multiplicity m. Multiplicity shows only in the weights: P (vᵀu)² is χ²₁
//! for a simple eigenvalue and χ²ₘ for a multiple one, so that sums of independent weights are
//! tested ([`Multiple`]). A multiple eigenvalue that passes as simple causes an error of at most a
//! few standard deviations of its random weights.

use eigenscape_core::Node;

use super::Rule;
use crate::eigen::Ritz;

/// A Ritz value has converged when its residual is at most this share of its distance to the next
/// Ritz value. The interval around it with the residual as radius then contains an eigenvalue and
/// meets no other such interval, and the error is of the order of residual² / distance.
///
/// The residual is first multiplied by √(P (vᵀu)²), which makes it that of a vector v with the
/// weight 1/P in the eigenvector. Ritz values with large weights converge sooner; without this
/// factor they would also be counted sooner, so that large weights would be reduced to 1/P while
/// small ones stayed as they are, and the mean of the spectrum would be underestimated by up to
/// half of a probe's standard deviation. With the factor the bias is less than a tenth of it.
const SEPARATED: f64 = 0.1;
/// The normal quantile that a sum of weights must not exceed. One in two hundred simple eigenvalues
/// exceeds it by chance, and keeps its random weight.
const UNLIKELY: f64 = 2.58;
/// Converged Ritz values of different rules count as one eigenvalue when they differ by at most
/// this share of the largest.
const SAME: f64 = 1e-6;

/// For each Ritz value, whether it has converged to a single one of P eigenvalues.
fn converged(Rule { ritz, residual, .. }: &Rule, dimension: usize) -> Vec<bool> {
    let has = |k: usize| {
        let distance = [k.checked_sub(1), Some(k + 1)]
            .into_iter()
            .flatten()
            .filter_map(|next| ritz.get(next))
            .map(|next| (next.value - ritz[k].value).abs())
            .fold(f64::INFINITY, f64::min);
        let (residual, share) = (residual * ritz[k].last.abs(), share(&ritz[k], dimension));
        residual <= distance && residual * share.sqrt() <= SEPARATED * distance && share <= likely(1)
    };
    (0..ritz.len()).map(has).collect()
}

/// The weight of a Ritz value in units of 1/P, the weight of one eigenvalue.
fn share(ritz: &Ritz, dimension: usize) -> f64 {
    ritz.first * ritz.first * dimension as f64
}

/// The value that a sum of `count` independent χ²₁ variables exceeds with a probability of 1/200
/// (Wilson & Hilferty 1931).
pub(super) fn likely(count: usize) -> f64 {
    let (n, spread) = (count as f64, 2.0 / (9.0 * count as f64));
    n * (1.0 - spread + UNLIKELY * spread.sqrt()).powi(3)
}

/// The converged Ritz values that stand for several eigenvalues, judged by their weights.
#[derive(Debug, Default)]
pub(super) struct Multiple {
    /// Ritz values whose own weights, summed over all probes, are too large for a simple
    /// eigenvalue.
    values: Vec<f64>,
    /// Whether the other weights are too large in sum, so that every Ritz value counts as multiple.
    all: bool,
    tolerance: f64,
}

impl Multiple {
    /// From one rule per probe.
    pub fn of<'a>(rules: impl Iterator<Item = &'a Rule>, dimension: usize) -> Self {
        let mut found: Vec<(f64, f64)> = Vec::new();
        for rule in rules {
            let converged = converged(rule, dimension);
            let counted = rule.ritz.iter().zip(converged).filter(|(_, converged)| *converged);
            found.extend(counted.map(|(ritz, _)| (ritz.value, share(ritz, dimension))));
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let tolerance = SAME * found.iter().map(|(value, _)| value.abs()).fold(0.0, f64::max);
        let (mut multiple, mut sum, mut count) = (Self { tolerance, ..Self::default() }, 0.0, 0);
        for same in found.chunk_by(|a, b| b.0 - a.0 <= tolerance) {
            let heavy = same.iter().map(|(_, share)| share).sum::<f64>();
            if heavy > likely(same.len()) {
                multiple.values.extend(same.iter().map(|(value, _)| value));
            } else {
                (sum, count) = (sum + heavy, count + same.len());
            }
        }
        multiple.all = count > 0 && sum > likely(count);
        multiple
    }

    fn has(&self, value: f64) -> bool {
        self.all || self.values.iter().any(|other| (other - value).abs() <= self.tolerance)
    }
}

/// The Gauss quadrature rule in which each Ritz value that has converged to one of P eigenvalues
/// has the weight 1/P, and the other weights are scaled to sum to the rest.
pub(super) fn deflated(rule: &Rule, dimension: usize, multiple: &Multiple) -> Vec<Node> {
    let one = 1.0 / dimension as f64;
    // As many Ritz values as dimensions: these are all eigenvalues.
    if rule.ritz.len() == dimension {
        return rule.nodes().into_iter().map(|node| Node { weight: one, ..node }).collect();
    }
    let mut counted = converged(rule, dimension);
    rule.ritz.iter().zip(&mut counted).for_each(|(ritz, counted)| *counted &= !multiple.has(ritz.value));
    let rule = rule.nodes();
    let rest: f64 =
        rule.iter().zip(&counted).filter(|(_, counted)| !**counted).map(|(node, _)| node.weight).sum();
    let left = 1.0 - one * counted.iter().filter(|counted| **counted).count() as f64;
    // No other node can take the remaining weight, so some eigenvalues are multiple: keep the
    // random weights.
    if rest <= 0.0 && left > 0.5 * one {
        return rule;
    }
    let scale = if rest > 0.0 { left / rest } else { 0.0 };
    rule.into_iter()
        .zip(counted)
        .map(|(node, counted)| Node { weight: if counted { one } else { scale * node.weight }, ..node })
        .collect()
}
