//! Probe estimators: from an operator to its spectrum.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    Account, ClassMeans, CurvatureOperator, Number, Random, Spectrum,
    error::{Error, Result},
};

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
    /// Bytes that it may hold beside what the operator's products take. What can work in less does,
    /// and what cannot takes what [`ProbeEstimator::memory`] says.
    pub memory: usize,
}

impl Context<'_> {
    /// A context for the seed with silent progress and as much memory as there is use for.
    #[must_use]
    pub fn silent(seed: u64) -> Context<'static> {
        Context { random: Random::new(seed), progress: &Silent, memory: usize::MAX }
    }
}

/// What an estimator finds of an operator: its spectrum, or one number. A number has no
/// eigenvalues, and so no density and no distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Estimate {
    /// The spectrum, exact or estimated.
    Spectrum(Spectrum),
    /// One number: the trace.
    Number(Number),
}

impl Estimate {
    /// The spectrum, where it is one.
    #[must_use]
    pub fn spectrum(&self) -> Option<&Spectrum> {
        match self {
            Self::Spectrum(spectrum) => Some(spectrum),
            Self::Number(_) => None,
        }
    }

    /// What would be found of the operator plus `shift` times the identity.
    #[must_use]
    pub fn shifted(self, shift: f64) -> Self {
        match self {
            Self::Spectrum(spectrum) => Self::Spectrum(spectrum.shifted(shift)),
            Self::Number(number) => {
                Self::Number(Number { value: number.value + number.dimension as f64 * shift, ..number })
            }
        }
    }

    /// The spectrum.
    ///
    /// # Errors
    /// When it is a number.
    pub fn into_spectrum(self) -> Result<Spectrum> {
        match self {
            Self::Spectrum(spectrum) => Ok(spectrum),
            Self::Number(_) => Err(Error::input(
                "estimator",
                "finds one number, and a spectrum is asked for",
                "use the estimator \"lanczos\" or \"gram\"",
            )),
        }
    }
}

impl From<Spectrum> for Estimate {
    fn from(spectrum: Spectrum) -> Self {
        Self::Spectrum(spectrum)
    }
}

impl From<Number> for Estimate {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

/// What was found of an operator and, by an estimator that takes the operator apart, of its parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// Of the operator.
    pub estimate: Estimate,
    /// Each part's name ("G1") with its spectrum.
    pub parts: Vec<(Cow<'static, str>, Spectrum)>,
    /// The class means that the parts are made of, from an estimator that knows classes.
    pub means: Option<ClassMeans>,
}

impl From<Estimate> for Findings {
    fn from(estimate: Estimate) -> Self {
        Self { estimate, parts: Vec::new(), means: None }
    }
}

/// Computes or estimates the spectrum of a curvature operator, or one number of it.
pub trait ProbeEstimator: Send + Sync {
    /// What it finds of `operator`, with the number of products used and, where probes are random,
    /// the standard error.
    ///
    /// # Errors
    /// When the estimator cannot be used on this operator: the error says why and what to use
    /// instead.
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Estimate>;

    /// The spectrum of `operator`, from an estimator that finds one.
    ///
    /// # Errors
    /// Those of [`Self::estimate`], and when it finds a number.
    fn spectrum(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Spectrum> {
        self.estimate(operator, context)?.into_spectrum()
    }

    /// The spectra of several operators, from an estimator that finds them.
    ///
    /// # Errors
    /// Those of [`Self::estimate`], and when it finds a number.
    fn spectra(&self, operators: &[&dyn CurvatureOperator], context: &Context) -> Result<Vec<Spectrum>> {
        self.estimate_all(operators, context)?.into_iter().map(Estimate::into_spectrum).collect()
    }

    /// What it finds of several operators: by default one after the other. An estimator that works
    /// on exact factors computes once what they have in common.
    ///
    /// # Errors
    /// Those of [`Self::estimate`].
    fn estimate_all(&self, operators: &[&dyn CurvatureOperator], context: &Context) -> Result<Vec<Estimate>> {
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
    ) -> Result<Vec<Findings>> {
        Ok(self.estimate_all(operators, context)?.into_iter().map(Findings::from).collect())
    }

    /// Whether [`Self::estimate_all`] will be refused for what is known without evaluating
    /// anything: an operator that has no exact factor, a matrix that does not fit into memory.
    ///
    /// # Errors
    /// What stands in the way and what to use instead.
    fn check(&self, operators: &[&dyn CurvatureOperator]) -> Result<()> {
        let _ = operators;
        Ok(())
    }

    /// What [`Self::estimate_all`] of these operators holds in memory at the same time, at most,
    /// with `allowed` bytes as [`Context::memory`]: known from dimensions and types alone. An
    /// estimator that can do with less stays within `allowed`; where that is not enough for the
    /// least of its ways to work, the account says what the least takes. What an operator's
    /// products take ([`NetworkOperator::memory`](crate::landscape::NetworkOperator::memory)) is
    /// not in it, what is made of its exact factor is.
    ///
    /// By default nothing is said and so nothing counted.
    ///
    /// # Errors
    /// When an operator cannot be used.
    fn memory(&self, operators: &[&dyn CurvatureOperator], allowed: usize) -> Result<Account> {
        let _ = (operators, allowed);
        Ok(Account::default())
    }

    /// How many vectors [`Self::estimate`] hands to one product of this operator at most, with
    /// `allowed` bytes as [`Context::memory`]. By default as many as it likes.
    fn vectors(&self, operator: &dyn CurvatureOperator, allowed: usize) -> usize {
        let _ = (operator, allowed);
        usize::MAX
    }

    /// How many eigenvalues a spectrum of this operator lists at most: what results keep of it. By
    /// default its dimension.
    fn eigenvalues(&self, operator: &dyn CurvatureOperator) -> usize {
        operator.dimension()
    }

    /// How many products [`Self::estimate`] will report for an operator of this dimension (for
    /// progress bars).
    fn products(&self, dimension: usize) -> usize;

    /// What the one number is ("trace") that it finds instead of a spectrum.
    fn number(&self) -> Option<&'static str> {
        None
    }

    /// Whether what it finds is exact or has a standard error: that of one random vector has none.
    fn has_standard_error(&self) -> bool {
        true
    }

    /// Whether it works on the operators' exact factors ([`CurvatureOperator::factor`]) and not on
    /// products.
    fn needs_factor(&self) -> bool {
        false
    }

    /// How the spectrum is computed, with the settings, in one line for the report.
    fn description(&self) -> String;
}
