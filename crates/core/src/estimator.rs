//! Probe estimators: from an operator to its spectrum.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{ClassMeans, CurvatureOperator, Random, Spectrum, error::Result};

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

/// An operator's spectrum and, from an estimator that takes the operator apart, those of its parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The operator's.
    pub spectrum: Spectrum,
    /// Each part's name ("G1") with its spectrum.
    pub parts: Vec<(Cow<'static, str>, Spectrum)>,
    /// The class means that the parts are made of, from an estimator that knows classes.
    pub means: Option<ClassMeans>,
}

impl From<Spectrum> for Estimate {
    fn from(spectrum: Spectrum) -> Self {
        Self { spectrum, parts: Vec::new(), means: None }
    }
}

/// Computes or estimates the spectrum of a curvature operator.
pub trait ProbeEstimator: Send + Sync {
    /// The spectrum of `operator`, with the number of products used and, where probes are random, standard errors.
    ///
    /// # Errors
    /// When the estimator cannot be used on this operator: the error says why and what to use instead.
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Spectrum>;

    /// The spectra of several operators: by default one after the other. An estimator that works on exact factors computes once
    /// what they have in common.
    ///
    /// # Errors
    /// Those of [`Self::estimate`].
    fn estimate_all(&self, operators: &[&dyn CurvatureOperator], context: &Context) -> Result<Vec<Spectrum>> {
        operators.iter().map(|operator| self.estimate(*operator, context)).collect()
    }

    /// [`Self::estimate_all`], with the parts of each operator: by default there are none.
    ///
    /// # Errors
    /// Those of [`Self::estimate`].
    fn estimate_parts(
        &self,
        operators: &[&dyn CurvatureOperator],
        context: &Context,
    ) -> Result<Vec<Estimate>> {
        Ok(self.estimate_all(operators, context)?.into_iter().map(Estimate::from).collect())
    }

    /// Whether [`Self::estimate_all`] will be refused for what is known without evaluating anything: an operator that has no exact
    /// factor, a matrix that does not fit into memory.
    ///
    /// # Errors
    /// What stands in the way and what to use instead.
    fn check(&self, operators: &[&dyn CurvatureOperator]) -> Result<()> {
        let _ = operators;
        Ok(())
    }

    /// How many products [`Self::estimate`] will report for an operator of this dimension (for progress bars).
    fn products(&self, dimension: usize) -> usize;

    /// Whether it works on the operators' exact factors ([`CurvatureOperator::factor`]) and not on products.
    fn needs_factor(&self) -> bool {
        false
    }

    /// How the spectrum is computed, with the settings, in one line for the report.
    fn description(&self) -> String;
}
