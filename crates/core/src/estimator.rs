//! Probe estimators: from an operator to its spectrum.

use crate::{CurvatureOperator, Random, Spectrum, error::Result};

/// Receives how far an estimator has come.
pub trait Progress {
    /// `products` more operator-vector products (or work of the same cost) are done.
    fn advance(&self, products: usize);
}

/// A [`Progress`] that nobody looks at.
pub struct Silent;

impl Progress for Silent {
    fn advance(&self, _products: usize) {}
}

/// What an estimator needs beside the operator.
pub struct Context<'a> {
    /// The source of its probes.
    pub random: Random,
    /// Who wants to know how far it has come.
    pub progress: &'a dyn Progress,
}

impl Context<'_> {
    /// A context for the seed with silent progress.
    #[must_use]
    pub fn silent(seed: u64) -> Context<'static> {
        Context { random: Random::new(seed), progress: &Silent }
    }
}

/// Computes or estimates the spectrum of a curvature operator.
pub trait ProbeEstimator: Send + Sync {
    /// The spectrum of `operator`, with the number of products used and, where probes are random, standard errors.
    ///
    /// # Errors
    /// When the estimator cannot be used on this operator: the error says why and what to use instead.
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Spectrum>;

    /// How many products [`Self::estimate`] will report for an operator of this dimension (for progress bars).
    fn products(&self, dimension: usize) -> usize;

    /// Whether it works on the operator's exact factor ([`CurvatureOperator::factor`]), so that it can be said before
    /// anything is trained where there will be none.
    fn needs_factor(&self) -> bool {
        false
    }

    /// How the spectrum is computed, with the settings, in one line for the report.
    fn description(&self) -> String;
}
