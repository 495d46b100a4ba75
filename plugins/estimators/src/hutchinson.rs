//! `hutchinson`: the trace from random vectors.

use std::num::NonZeroUsize;

use candle_core::DType;
use eigenscape_core::{
    Account, Context, CurvatureOperator, Estimate, Number, Probe, ProbeEstimator, Random, Registry, Result,
    account::size, number::mean, probe::check_count,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    float::Float,
    lanczos::Starts,
    operator::{dimension, not_finite, quadratic_forms},
};

/// The number of vectors that share one call of the operator, where memory allows.
const TOGETHER: usize = 16;
/// Copies per vector: the vector, the operator's input, the product and a copy of the product.
const VECTORS: usize = 4;

/// Parameters of `hutchinson`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HutchinsonParameters {
    /// The number of random vectors, 32 by default. A single one gives no standard error. With P or
    /// more, the P coordinate unit vectors are used instead and the trace is exact.
    pub probes: NonZeroUsize,
    /// The distribution of the random vectors: "rademacher" (default) or "gaussian".
    pub probe: Probe,
}

impl Default for HutchinsonParameters {
    fn default() -> Self {
        Self { probes: const { NonZeroUsize::new(32).unwrap() }, probe: Probe::Rademacher }
    }
}

/// The trace by Hutchinson's estimate (1990): the mean of vᵀHv over random vectors v with
/// E\[v vᵀ\] = I, whose expectation is tr H, with its standard error.
///
/// Each v is scaled to the length √P, since the length of a Gaussian vector carries no information
/// about H. With P or more probes the P coordinate unit vectors are used instead, which give the
/// exact trace.
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

    /// The number of vectors, at least one, that share one call of the operator within `memory`
    /// bytes. `number` is the size of a number in bytes.
    fn together(&self, dimension: usize, number: usize, memory: usize) -> usize {
        let left = memory.saturating_sub(self.bytes_of_samples(dimension));
        (left / size([dimension, VECTORS], number).max(1)).clamp(1, self.probes(dimension).clamp(1, TOGETHER))
    }

    /// Bytes of the samples, one number per vector in a growing list.
    fn bytes_of_samples(&self, dimension: usize) -> usize {
        size([self.probes(dimension), 2], size_of::<f64>())
    }

    /// The number of vectors for an operator of this dimension.
    fn probes(&self, dimension: usize) -> usize {
        self.starts(Random::new(0), dimension).count()
    }

    fn starts(&self, random: Random, dimension: usize) -> Starts {
        let HutchinsonParameters { probes, probe } = self.parameters;
        Starts { probe, asked: probes, dimension, random }
    }

    /// P·vᵀHv of each unit vector v.
    fn samples<T: Float>(
        &self,
        operator: &dyn CurvatureOperator,
        context: &Context,
        dimension: usize,
    ) -> Result<Vec<f64>> {
        let starts = self.starts(context.random, dimension);
        let mut samples = Vec::new();
        let together = self.together(dimension, size_of::<T>(), context.memory);
        for first in (0..starts.count()).step_by(together) {
            let indices = first..starts.count().min(first + together);
            let count = indices.len();
            let vectors: Vec<T> = indices.flat_map(|index| starts.different(index)).collect();
            let forms = quadratic_forms(operator, vectors, dimension)?;
            samples.extend(forms.into_iter().map(|form| dimension as f64 * form));
            context.progress.advance(count);
        }
        if samples.iter().all(|sample| sample.is_finite()) { Ok(samples) } else { Err(not_finite(operator)) }
    }
}

impl ProbeEstimator for Hutchinson {
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Estimate> {
        let dimension = dimension(operator)?;
        let samples = match operator.dtype() {
            DType::F32 => self.samples::<f32>(operator, context, dimension)?,
            _ => self.samples::<f64>(operator, context, dimension)?,
        };
        if self.starts(context.random, dimension).are_coordinates() {
            let (trace, _) = mean(&samples);
            return Ok(Number::exact(dimension, trace, samples.len())?.into());
        }
        Ok(Number::estimated(dimension, &samples, samples.len())?.into())
    }

    fn number(&self) -> Option<&'static str> {
        Some("trace")
    }

    fn has_standard_error(&self) -> bool {
        self.parameters.probes.get() > 1
    }

    fn memory(&self, operators: &[&dyn CurvatureOperator], allowed: usize) -> Result<Account> {
        let of = |operator: &&dyn CurvatureOperator| {
            let (dimension, number) = (operator.dimension(), operator.dtype().size_in_bytes());
            let together = self.together(dimension, number, allowed);
            let vectors = size([dimension, VECTORS, together], number);
            Account::of(format!("{together} random vectors at a time"), vectors)
                .with("a number for each", self.bytes_of_samples(dimension))
        };
        Ok(operators.iter().map(of).max_by_key(Account::total).unwrap_or_default())
    }

    fn vectors(&self, operator: &dyn CurvatureOperator, allowed: usize) -> usize {
        self.together(operator.dimension(), operator.dtype().size_in_bytes(), allowed)
    }

    fn eigenvalues(&self, _operator: &dyn CurvatureOperator) -> usize {
        0
    }

    fn products(&self, dimension: usize) -> usize {
        self.probes(dimension)
    }

    fn description(&self) -> String {
        let HutchinsonParameters { probes, probe } = self.parameters;
        let plural = if probes.get() == 1 { "" } else { "s" };
        format!("the trace by Hutchinson's estimate, {probes} {probe} random vector{plural}")
    }
}

/// Adds `hutchinson` to the registry.
pub fn register(registry: &mut Registry) {
    registry.estimators.add::<HutchinsonParameters>(
        "hutchinson",
        "the trace of any operator, with its standard error, from random vectors; no spectrum",
        |parameters, _| {
            check_count(parameters.probes)?;
            Ok(Box::new(Hutchinson::new(parameters)))
        },
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
                let Estimate::Number(found) = found else { panic!("it is a number") };
                assert_eq!((found.products, found.probes, found.exact), (32, Some(32), false));
                (found.value - trace) / found.stderr.unwrap()
            };
            let scores: Vec<f64> = (0..SEEDS).map(score).collect();
            let n = scores.len() as f64;
            let (mean, square) =
                (scores.iter().sum::<f64>() / n, scores.iter().map(|z| z * z).sum::<f64>() / n);
            // Student's t with 31 degrees of freedom has the variance 31/29; both bounds are four
            // standard errors away.
            assert!(mean.abs() < 0.21, "{probe:?}: mean score {mean}");
            assert!((square - 31.0 / 29.0).abs() < 0.32, "{probe:?}: mean square score {square}");
        }
    }

    /// In few dimensions random sign vectors often coincide. With as many probes as dimensions the
    /// trace is exact; with fewer it is unbiased and no two vectors coincide, so that the standard
    /// error is never 0 by chance.
    #[test]
    fn in_few_dimensions_the_trace_is_exact_or_unbiased() {
        const SEEDS: u64 = 400;
        for dimension in 1..=4 {
            let spectrum: Vec<f64> = (0..dimension).map(|i| 3.0 * 0.4_f64.powi(i as i32) - 0.2).collect();
            let operator = DenseOperator::with_spectrum(&spectrum, 7, DType::F64);
            let trace: f64 = spectrum.iter().sum();
            for probes in 1..=5_usize {
                let parameters =
                    HutchinsonParameters { probes: probes.try_into().unwrap(), ..Default::default() };
                let estimator = Hutchinson::new(parameters);
                let of = |seed| match estimator.estimate(&operator, &Context::silent(seed)).unwrap() {
                    Estimate::Number(found) => found,
                    Estimate::Spectrum(_) => panic!("it is a number"),
                };
                if probes >= dimension {
                    let found = of(0);
                    assert!((found.value - trace).abs() < 1e-12, "{dimension}: {}", found.value);
                    assert_eq!((found.exact, found.stderr, found.probes), (true, Some(0.0), None));
                    assert_eq!((found.products, estimator.products(dimension)), (dimension, dimension));
                    continue;
                }
                let all: Vec<Number> = (0..SEEDS).map(of).collect();
                let (mean, stderr) = mean(&all.iter().map(|found| found.value).collect::<Vec<_>>());
                let (bias, stderr) = ((mean - trace).abs(), stderr.unwrap());
                assert!(
                    bias <= 4.0 * stderr + 1e-12,
                    "{dimension}, {probes} probes: off by {bias} ± {stderr}"
                );
                let coinciding = all.iter().filter(|found| found.stderr.is_some_and(|error| error < 1e-9));
                assert_eq!(coinciding.count(), 0, "{dimension}, {probes} probes");
            }
        }
    }
}
