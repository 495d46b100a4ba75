//! The trace with deflation: converged Ritz vectors contribute exactly, and random vectors estimate
//! the rest.
//!
//! For orthonormal vectors U, tr H = tr UᵀHU + tr (I − UUᵀ) H (I − UUᵀ), and a random unit vector v
//! that is independent of U gives an unbiased sample of the second term: P·vᵀ(I − UUᵀ)H(I − UUᵀ)v
//! (as in Hutch++: Meyer, Musco, Musco & Woodruff 2021). U holds the converged Ritz vectors of
//! *another* probe, so that it costs no products. The identity also holds for multiple eigenvalues,
//! of whose eigenspaces U contains a part: the second term accounts for the rest.
//!
//! With three or more probes, v is the start vector of the next probe in a cycle. The samples are
//! uncorrelated, since each is unbiased given the vectors before it. With one or two probes, v is
//! an additional random vector. The standard error follows from the spread of the samples.

use eigenscape_core::{Result, number::mean};

use super::{deflation::likely, krylov::Krylov, skewness, vectors::Vectors};
use crate::eigen::ritz_projections;

/// A Ritz vector counts as an eigenvector when its residual is at most this share of the distance
/// to the next Ritz value. The threshold is strict: if only a few of many outliers were deflated,
/// the samples would be more skewed than without deflation, and Student's intervals too narrow.
const SEPARATED: f64 = 1e-3;

/// What the converged Ritz vectors U of a probe contribute to the trace.
pub(super) struct Known {
    /// tr UᵀHU.
    trace: f64,
    /// Σ |θ|, the scale of the rounding error.
    size: f64,
    /// vᵀHv − vᵀ(I − UUᵀ)H(I − UUᵀ)v for a random vector v that is independent of U.
    seen: f64,
    /// The eigenvalues of (I − UUᵀ)H(I − UUᵀ) as the probe's rule estimates them, each with its
    /// multiplicity.
    rest: Vec<(f64, f64)>,
}

impl Known {
    /// From a finished probe and a unit vector that is independent of it. A Ritz pair (θ, u = Q s)
    /// has H u = θ u + r s', where r is the residual vector of the last step and s' the last
    /// component of s.
    pub fn of<V: Vectors>(probe: &Krylov<V>, vector: &V::Vector, dimension: usize) -> Result<Self> {
        let ritz = ritz_projections(probe.diagonal(), probe.off_diagonal(), &probe.dots(vector)?)?;
        let (beta, across) = (probe.residual(), probe.rest_dot(vector)?);
        let mut known = Self { trace: 0.0, size: 0.0, seen: 0.0, rest: Vec::new() };
        for (k, (pair, along)) in ritz.iter().enumerate() {
            let next =
                [k.checked_sub(1), Some(k + 1)].into_iter().flatten().filter_map(|next| ritz.get(next));
            let distance =
                next.map(|(next, _)| (next.value - pair.value).abs()).fold(f64::INFINITY, f64::min);
            let share = pair.first * pair.first * dimension as f64;
            if beta * pair.last.abs() <= SEPARATED * distance {
                known.trace += pair.value;
                known.size += pair.value.abs();
                known.seen += along * (pair.value * along + 2.0 * pair.last * across);
                // A share larger than chance gives to one eigenvalue is that of several.
                let others = if share > likely(1) { share - 1.0 } else { 0.0 };
                known.rest.extend([(0.0, 1.0), (pair.value, others)]);
            } else {
                known.rest.push((pair.value, share));
            }
        }
        Ok(known)
    }

    /// The sample of the trace from the vector v with vᵀHv = `square`.
    fn sample(&self, square: f64, dimension: usize) -> f64 {
        self.trace + dimension as f64 * (square - self.seen)
    }
}

/// The trace with its standard error, from each probe's Ritz vectors and vᵀHv of the vector that
/// they are combined with; `epsilon` is the machine epsilon of the operator's type.
pub(super) fn trace(known: &[Known], squares: &[f64], dimension: usize, epsilon: f64) -> (f64, Option<f64>) {
    let samples = known.iter().zip(squares).map(|(known, square)| known.sample(*square, dimension));
    let (trace, stderr) = mean(&samples.collect::<Vec<_>>());
    // Where deflation leaves almost no variance, rounding dominates the error.
    let size = known.iter().fold(0.0, |size: f64, known| size.max(known.size));
    (trace, stderr.map(|stderr| stderr.hypot(epsilon * size)))
}

/// Degrees of freedom of Student's interval of the trace: see `skewness.rs`.
pub(super) fn degrees_of_freedom(known: &[Known]) -> f64 {
    let rest: Vec<(f64, f64)> = known.iter().flat_map(|known| known.rest.iter().copied()).collect();
    skewness::degrees_of_freedom(known.len(), &rest)
}
