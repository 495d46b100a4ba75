//! The trace with deflation: what has converged is known, and random vectors are asked for the rest
//! alone.
//!
//! For orthonormal vectors U, tr H = tr UᵀHU + tr (I − UUᵀ) H (I − UUᵀ), and a random unit vector v
//! that U does not depend on gives an unbiased sample of the second: P·vᵀ(I − UUᵀ)H(I − UUᵀ)v (as
//! in Hutch++: Meyer, Musco, Musco & Woodruff 2021). U are the converged Ritz vectors of *another*
//! probe, so that no product is spent. It holds for multiple eigenvalues too, of whose eigenspaces
//! U has a part: the rest has what is left of them.
//!
//! The samples of a cycle of three probes or more are uncorrelated: each is unbiased whatever the
//! vectors before it are. Fewer probes are asked with vectors of their own. The samples' spread is
//! the standard error.

use eigenscape_core::{Result, number::mean};

use super::{deflation::likely, krylov::Krylov, skewness, vectors::Vectors};
use crate::eigen::ritz_projections;

/// A Ritz vector counts as an eigenvector when its residual is at most this share of its value's
/// distance to the next one. Where few of many outliers are known, the samples are more skewed than
/// with none, and Student's intervals too narrow, so nothing that has half converged is taken.
const SEPARATED: f64 = 1e-3;

/// What the converged Ritz vectors U of a probe tell.
pub(super) struct Known {
    /// tr UᵀHU.
    trace: f64,
    /// Σ |θ|: what rounding is relative to.
    size: f64,
    /// vᵀHv − vᵀ(I − UUᵀ)H(I − UUᵀ)v of another probe's vector v.
    seen: f64,
    /// The eigenvalues of (I − UUᵀ)H(I − UUᵀ), as far as the probe's rule tells, and how many there
    /// are of each.
    rest: Vec<(f64, f64)>,
}

impl Known {
    /// From a probe that has ended, with a unit vector that it does not depend on. With the Ritz
    /// pair (θ, u = Q s), H u = θ u + r s' for the residual vector r of the last step and the last
    /// component s' of s.
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
                // A larger share than chance gives to one eigenvalue is that of several.
                let others = if share > likely(1) { share - 1.0 } else { 0.0 };
                known.rest.extend([(0.0, 1.0), (pair.value, others)]);
            } else {
                known.rest.push((pair.value, share));
            }
        }
        Ok(known)
    }

    /// The sample of the trace that the vector v with this vᵀHv gives.
    fn sample(&self, square: f64, dimension: usize) -> f64 {
        self.trace + dimension as f64 * (square - self.seen)
    }
}

/// The trace with its standard error, from what each probe knows and the vᵀHv of the vector that it
/// was asked with; `epsilon` is that of the operator's type.
pub(super) fn trace(known: &[Known], squares: &[f64], dimension: usize, epsilon: f64) -> (f64, Option<f64>) {
    let samples = known.iter().zip(squares).map(|(known, square)| known.sample(*square, dimension));
    let (trace, stderr) = mean(&samples.collect::<Vec<_>>());
    // Where next to nothing is left to chance, rounding is what is not known.
    let size = known.iter().fold(0.0, |size: f64, known| size.max(known.size));
    (trace, stderr.map(|stderr| stderr.hypot(epsilon * size)))
}

/// Degrees of freedom of Student's interval of the trace: see `skewness.rs`.
pub(super) fn degrees_of_freedom(known: &[Known]) -> f64 {
    let rest: Vec<(f64, f64)> = known.iter().flat_map(|known| known.rest.iter().copied()).collect();
    skewness::degrees_of_freedom(known.len(), &rest)
}
