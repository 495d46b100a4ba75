//! `hutchinson`: the trace from random vectors.

use std::num::NonZeroUsize;

use eigenscape_core::{Context, CurvatureOperator, Probe, ProbeEstimator, Registry, Result, Spectrum};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::lanczos::{Lanczos, LanczosParameters};

/// Parameters of `hutchinson`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HutchinsonParameters {
    /// How many random vectors, 32 by default. With one there is no standard error.
    pub probes: NonZeroUsize,
    /// What the random vectors are: "rademacher" (default) or "gaussian".
    pub probe: Probe,
}

impl Default for HutchinsonParameters {
    fn default() -> Self {
        Self { probes: const { NonZeroUsize::new(32).unwrap() }, probe: Probe::Rademacher }
    }
}

/// The mean of vᵀHv over random vectors v with E\[v vᵀ\] = I, which has the expectation tr H (Hutchinson 1990), and its standard error.
///
/// As a spectrum it is stochastic Lanczos quadrature of one step: the Rayleigh quotient vᵀHv/vᵀv of each vector, a measure of which
/// the mean, tr H / P, is meant and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hutchinson {
    parameters: HutchinsonParameters,
}

impl Hutchinson {
    /// The estimator with these parameters.
    #[must_use]
    pub fn new(parameters: HutchinsonParameters) -> Self {
        Self { parameters }
    }
}

impl ProbeEstimator for Hutchinson {
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Spectrum> {
        let HutchinsonParameters { probes, probe } = self.parameters;
        Lanczos::new(LanczosParameters {
            steps: NonZeroUsize::MIN,
            probes,
            probe,
            ..LanczosParameters::default()
        })
        .estimate(operator, context)
    }

    fn products(&self, _dimension: usize) -> usize {
        self.parameters.probes.get()
    }

    fn description(&self) -> String {
        let HutchinsonParameters { probes, probe } = self.parameters;
        let plural = if probes.get() == 1 { "" } else { "s" };
        format!("the trace by Hutchinson's estimate, {probes} {probe} probe{plural}")
    }
}

/// Adds `hutchinson` to the registry.
pub fn register(registry: &mut Registry) {
    registry.estimators.add::<HutchinsonParameters>(
        "hutchinson",
        "the trace of any operator, with its standard error, from random vectors; no spectrum",
        |parameters, _| Ok(Box::new(Hutchinson::new(parameters))),
    );
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::testing::DenseOperator;

    #[test]
    fn the_trace_is_unbiased_and_its_standard_error_right() {
        const SEEDS: u64 = 400;
        let spectrum: Vec<f64> = (0..40).map(|i| 10.0 * 0.8_f64.powi(i) - 0.1).collect();
        let (operator, trace) =
            (DenseOperator::with_spectrum(&spectrum, 5, DType::F64), spectrum.iter().sum::<f64>());
        for probe in [Probe::Rademacher, Probe::Gaussian] {
            let estimator = Hutchinson::new(HutchinsonParameters { probe, ..Default::default() });
            let score = |seed| {
                let found = estimator.estimate(&operator, &Context::silent(seed)).unwrap();
                assert_eq!(found.products, 32);
                let mean: f64 = found.atoms().iter().map(|(value, weight)| value * weight).sum();
                assert!((40.0 * mean / found.trace - 1.0).abs() < 1e-12);
                (found.trace - trace) / found.trace_stderr.unwrap()
            };
            let scores: Vec<f64> = (0..SEEDS).map(score).collect();
            let n = scores.len() as f64;
            let (mean, square) =
                (scores.iter().sum::<f64>() / n, scores.iter().map(|z| z * z).sum::<f64>() / n);
            // Student's t with 31 degrees of freedom has the variance 31/29; both bounds are four standard errors away.
            assert!(mean.abs() < 0.21, "{probe:?}: mean score {mean}");
            assert!((square - 31.0 / 29.0).abs() < 0.32, "{probe:?}: mean square score {square}");
        }
    }
}
