//! Probe estimators, which compute the spectrum of an operator, or one number of it.

use std::{borrow::Cow, num::NonZeroUsize};

use serde::{Deserialize, Serialize};

use crate::{
    Account, ClassMeans, CurvatureOperator, Eigenpair, Interrupt, Number, Random, Spectrum,
    error::{Error, Result},
};

/// Receives the progress of an estimator.
pub trait Progress {
    /// Reports that `products` more operator-vector products (or work of the same cost) are done.
    fn advance(&self, products: usize);
}

/// A [`Progress`] that ignores all reports.
pub struct Silent;

impl Progress for Silent {
    fn advance(&self, _products: usize) {}
}

/// What an estimator needs in addition to the operator.
pub struct Context<'a> {
    /// The source of the estimator's random vectors.
    pub random: Random,
    /// The receiver of progress reports.
    pub progress: &'a dyn Progress,
    /// Bytes that the estimator may hold in addition to what the operator's products take. An
    /// estimator that can adapt stays within this limit; one that cannot takes what
    /// [`ProbeEstimator::memory`] states.
    pub memory: usize,
    /// Checked by long computations of the estimator itself, such as an eigenvalue problem.
    /// Operators check their own interrupt in products.
    pub interrupt: Interrupt,
}

impl Context<'_> {
    /// A context with this seed, no progress reports, unlimited memory and nothing that interrupts.
    #[must_use]
    pub fn silent(seed: u64) -> Context<'static> {
        let (random, interrupt) = (Random::new(seed), Interrupt::default());
        Context { random, progress: &Silent, memory: usize::MAX, interrupt }
    }
}

/// The result of an estimator: the spectrum of an operator, or one number. A number has no
/// eigenvalues, and so neither a density nor a distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Estimate {
    /// The spectrum, exact or estimated.
    Spectrum(Spectrum),
    /// One number: the trace.
    Number(Number),
}

impl Estimate {
    /// The spectrum; `None` for a number.
    #[must_use]
    pub fn spectrum(&self) -> Option<&Spectrum> {
        match self {
            Self::Spectrum(spectrum) => Some(spectrum),
            Self::Number(_) => None,
        }
    }

    /// The estimate for the operator plus `shift` times the identity.
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
    /// When the estimate is a number.
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

/// The estimate for an operator and what else its estimator found.
#[derive(Debug, Clone)]
pub struct Findings {
    /// The estimate for the whole operator.
    pub estimate: Estimate,
    /// From an estimator that decomposes the operator, each part's name ("G1") with its spectrum.
    pub parts: Vec<(Cow<'static, str>, Spectrum)>,
    /// The class means from which the parts are computed; `None` unless the estimator uses classes.
    pub means: Option<ClassMeans>,
    /// The eigenvalues of largest magnitude with orthonormal eigenvectors, from the largest; empty
    /// unless the estimator was asked for them ([`ProbeEstimator::with_eigenvectors`]).
    pub eigenpairs: Vec<Eigenpair>,
}

impl From<Estimate> for Findings {
    fn from(estimate: Estimate) -> Self {
        Self { estimate, parts: Vec::new(), means: None, eigenpairs: Vec::new() }
    }
}

/// Computes or estimates the spectrum of a curvature operator, or one number of it.
pub trait ProbeEstimator: Send + Sync {
    /// The estimate for `operator`, with the number of products used and, for random vectors, the
    /// standard error.
    ///
    /// # Errors
    /// When the estimator cannot be used on this operator: the error says why and what to use
    /// instead.
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Estimate>;

    /// The spectrum of `operator`, from an estimator that finds one.
    ///
    /// # Errors
    /// Those of [`Self::estimate`], and when the estimate is a number.
    fn spectrum(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Spectrum> {
        self.estimate(operator, context)?.into_spectrum()
    }

    /// The spectra of several operators, from an estimator that finds them.
    ///
    /// # Errors
    /// Those of [`Self::estimate`], and when an estimate is a number.
    fn spectra(&self, operators: &[&dyn CurvatureOperator], context: &Context) -> Result<Vec<Spectrum>> {
        self.estimate_all(operators, context)?.into_iter().map(Estimate::into_spectrum).collect()
    }

    /// The estimates for several operators, by default one after the other. An estimator that works
    /// on exact factors computes once what the operators have in common.
    ///
    /// # Errors
    /// Those of [`Self::estimate`].
    fn estimate_all(&self, operators: &[&dyn CurvatureOperator], context: &Context) -> Result<Vec<Estimate>> {
        operators.iter().map(|operator| self.estimate(*operator, context)).collect()
    }

    /// As [`Self::estimate_all`], with the parts of each operator and its eigenvectors. By default
    /// there are neither.
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

    /// This estimator, asked for eigenvectors: [`Self::estimate_parts`] then also returns the
    /// eigenpairs of the `count` eigenvalues of largest magnitude, or fewer where there are no more
    /// non-zero eigenvalues or no more have converged. [`Self::memory`] and [`Self::products`]
    /// include them. `None` from an estimator that finds no eigenvectors, which is the default.
    fn with_eigenvectors(self: Box<Self>, count: NonZeroUsize) -> Option<Box<dyn ProbeEstimator>> {
        let _ = count;
        None
    }

    /// Checks, without evaluating anything, whether [`Self::estimate_all`] can work: it cannot if,
    /// for example, an operator has no exact factor or a matrix does not fit into memory.
    ///
    /// # Errors
    /// The error names the obstacle and what to use instead.
    fn check(&self, operators: &[&dyn CurvatureOperator]) -> Result<()> {
        let _ = operators;
        Ok(())
    }

    /// The most memory that [`Self::estimate_parts`] of these operators holds at any time, with
    /// `allowed` bytes as [`Context::memory`]; computed from dimensions and types alone. An
    /// estimator that can adapt stays within `allowed`; if that is too little even for its least
    /// demanding method, the account states the memory of that method. The account includes what is
    /// computed from an operator's exact factor, and excludes what the operator's products take
    /// ([`NetworkOperator::memory`](crate::landscape::NetworkOperator::memory)).
    ///
    /// By default the account is empty.
    ///
    /// # Errors
    /// When an operator cannot be used.
    fn memory(&self, operators: &[&dyn CurvatureOperator], allowed: usize) -> Result<Account> {
        let _ = (operators, allowed);
        Ok(Account::default())
    }

    /// The most vectors that [`Self::estimate`] passes to one product of this operator, with
    /// `allowed` bytes as [`Context::memory`]. By default unlimited.
    fn vectors(&self, operator: &dyn CurvatureOperator, allowed: usize) -> usize {
        let _ = (operator, allowed);
        usize::MAX
    }

    /// The most eigenvalues that a spectrum of this operator lists and results keep. By default the
    /// operator's dimension.
    fn eigenvalues(&self, operator: &dyn CurvatureOperator) -> usize {
        operator.dimension()
    }

    /// How many products [`Self::estimate`] will report for an operator of this dimension (for
    /// progress bars).
    fn products(&self, dimension: usize) -> usize;

    /// The name of the number ("trace") that the estimator finds instead of a spectrum; `None` if
    /// it finds a spectrum.
    fn number(&self) -> Option<&'static str> {
        None
    }

    /// Whether the estimate is exact or has a standard error. With a single random vector it has
    /// none.
    fn has_standard_error(&self) -> bool {
        true
    }

    /// Whether the estimator uses the operators' exact factors ([`CurvatureOperator::factor`])
    /// instead of products.
    fn needs_factor(&self) -> bool {
        false
    }

    /// How the spectrum is computed, with the settings, in one line for the report.
    fn description(&self) -> String;
}
