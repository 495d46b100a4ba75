//! Implicit deflation: converged Ritz values count as one eigenvalue each.
//!
//! The quadrature gives an eigenvalue λ with unit eigenvector u the weight (vᵀu)², whose mean over
//! random v is 1/P and whose deviation is √2/P: where a few eigenvalues stand far out, most of the
//! estimate's error is that of their weights. But a Ritz value that has converged is an eigenvalue,
//! and an eigenvalue has the weight 1/P. What is left of v is a random vector of the other
//! eigenvectors' span, and its quadrature rule, scaled to the weight that is left, estimates
//! theirs: as if the converged eigenvectors had been projected out of operator and v before
//! (Bhattacharjee, Jayaram, Musco, Musco & Ray, "Improved Spectral Density Estimation via Explicit
//! and Implicit Deflation", SODA 2025).
//!
//! A Krylov space holds one vector of the eigenspace of a *multiple* eigenvalue, whose weight is
//! m/P for the multiplicity m. Only weights tell: P (vᵀu)² is χ²₁ for a simple eigenvalue and χ²ₘ
//! for a multiple one, so that the sum over independent ones is tested ([`Multiple`]). What the
//! test lets pass is wrong by less than a few deviations of what chance makes of the same weights.

use eigenscape_core::Node;

use super::Rule;
use crate::eigen::Ritz;

/// A Ritz value has converged when its residual is at most this share of its distance to the next
/// Ritz value: the interval of that radius around it contains an eigenvalue and meets no other such
/// interval, and the error is of the order of residual² over distance.
///
/// The residual meant is that of a vector v with the weight 1/P in the eigenvector, √(P (vᵀu)²)
/// times the residual. Those of large weights converge sooner: if they were counted sooner, too,
/// large weights would be cut down to 1/P and small ones left as they are, and the mean of the
/// spectrum would be underestimated by up to half of a probe's standard deviation. So it is by less
/// than a tenth.
const SEPARATED: f64 = 0.1;
/// The normal quantile that a sum of weights must not exceed: of simple eigenvalues one in two
/// hundred does, and keeps its weight.
const UNLIKELY: f64 = 2.58;
/// Converged Ritz values of different rules that are nearer than this share of the largest are one
/// eigenvalue.
const SAME: f64 = 1e-6;

/// For each Ritz value whether it has converged to one of P eigenvalues.
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

/// The weight of a Ritz value in units of that of one eigenvalue, 1/P.
fn share(ritz: &Ritz, dimension: usize) -> f64 {
    ritz.first * ritz.first * dimension as f64
}

/// What the sum of so many χ²₁ variables hardly exceeds (Wilson & Hilferty 1931).
pub(super) fn likely(count: usize) -> f64 {
    let (n, spread) = (count as f64, 2.0 / (9.0 * count as f64));
    n * (1.0 - spread + UNLIKELY * spread.sqrt()).powi(3)
}

/// Which converged Ritz values stand for several eigenvalues, as far as their weights tell.
#[derive(Debug, Default)]
pub(super) struct Multiple {
    /// Those that are alone too heavy over all probes.
    values: Vec<f64>,
    /// All of them are too heavy together.
    all: bool,
    tolerance: f64,
}

impl Multiple {
    /// From one rule a probe.
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

/// The Gauss quadrature rule with the weight 1/P for Ritz values that have converged to one of P
/// eigenvalues and the rest in proportion.
pub(super) fn deflated(rule: &Rule, dimension: usize, multiple: &Multiple) -> Vec<Node> {
    let one = 1.0 / dimension as f64;
    // As many as dimensions are all there are.
    if rule.ritz.len() == dimension {
        return rule.nodes().into_iter().map(|node| Node { weight: one, ..node }).collect();
    }
    let mut counted = converged(rule, dimension);
    rule.ritz.iter().zip(&mut counted).for_each(|(ritz, counted)| *counted &= !multiple.has(ritz.value));
    let rule = rule.nodes();
    let rest: f64 =
        rule.iter().zip(&counted).filter(|(_, counted)| !**counted).map(|(node, _)| node.weight).sum();
    let left = 1.0 - one * counted.iter().filter(|counted| **counted).count() as f64;
    // Nobody is left to take the weight that is left: then some eigenvalues are multiple, and
    // chance is all there is.
    if rest <= 0.0 && left > 0.5 * one {
        return rule;
    }
    let scale = if rest > 0.0 { left / rest } else { 0.0 };
    rule.into_iter()
        .zip(counted)
        .map(|(node, counted)| Node { weight: if counted { one } else { scale * node.weight }, ..node })
        .collect()
}
