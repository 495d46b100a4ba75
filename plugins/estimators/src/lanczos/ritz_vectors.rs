//! Ritz vectors: approximate eigenvectors Q s from the basis Q of a Krylov space and eigenvectors s
//! of its tridiagonal matrix.
//!
//! They are taken from one Krylov space, where they are orthonormal, and where a value occurs twice
//! only if two eigenvalues are that close: with full reorthogonalisation there are no ghosts.

use candle_core::Tensor;
use eigenscape_core::Result;

use super::{Rule, krylov::Krylov, vectors::Vectors};
use crate::{eigen::ritz_vectors, eigenpairs::oriented};

/// A Ritz pair has converged when the residual is at most this share of the value: the vector is
/// then an eigenvector of a matrix that differs by that much.
const CONVERGED: f64 = 1e-2;

/// The converged Ritz pairs of largest magnitude found so far, all from one Krylov space.
pub(super) struct Best {
    /// How many are wanted.
    count: usize,
    pairs: Vec<(f64, Tensor)>,
    /// The largest residual of a pair, as a share of its value.
    worst: f64,
}

impl Best {
    /// No pairs yet, of `count` that are wanted.
    pub fn of(count: usize) -> Self {
        Self { count, pairs: Vec::new(), worst: f64::INFINITY }
    }

    pub fn pairs(&self) -> &[(f64, Tensor)] {
        &self.pairs
    }

    /// Takes the pairs of another Krylov space instead, if more of them have converged, or as many
    /// with smaller residuals.
    pub fn see<V: Vectors>(&mut self, space: &Krylov<V>, rule: &Rule, dimension: usize) -> Result<()> {
        let (indices, worst) = converged(rule, self.count);
        let is_better = match indices.len().cmp(&self.pairs.len()) {
            std::cmp::Ordering::Equal => worst < self.worst,
            order => order.is_gt(),
        };
        if indices.is_empty() || !is_better {
            return Ok(());
        }
        // Frees the others first.
        (self.pairs, self.worst) = (Vec::with_capacity(indices.len()), worst);
        let vectors = ritz_vectors(space.diagonal(), space.off_diagonal(), &indices)?;
        for (index, coefficients) in indices.iter().zip(vectors) {
            let vector = space.combination(&coefficients, dimension)?;
            self.pairs.push((rule.ritz[*index].value, oriented(vector)?));
        }
        Ok(())
    }
}

/// The indices of the `count` Ritz values of largest magnitude, from the largest to the first that
/// has not converged, and the largest of their residuals as a share of the value.
fn converged(rule: &Rule, count: usize) -> (Vec<usize>, f64) {
    let mut order: Vec<usize> = (0..rule.ritz.len()).collect();
    order.sort_by(|&i, &j| rule.ritz[j].value.abs().total_cmp(&rule.ritz[i].value.abs()));
    let share = |index: usize| {
        let node = rule.node(&rule.ritz[index]);
        node.residual / node.value.abs()
    };
    // The share is NaN for 0 in an invariant space.
    let indices: Vec<usize> =
        order.into_iter().take(count).take_while(|&index| share(index) <= CONVERGED).collect();
    let worst = indices.iter().map(|&index| share(index)).fold(0.0, f64::max);
    (indices, worst)
}
