//! An estimator: mean and variance of the eigenvalues.

use std::num::NonZeroUsize;

use eigenscape::candle_core::{DType, Device, Tensor};
use eigenscape::rand::RngExt;
use eigenscape::{Context, CurvatureOperator, Estimate, ProbeEstimator, Registry, Result, Spectrum};

/// The measure of two atoms with the eigenvalues' mean and variance, from vectors v of random
/// signs: E vᵀHv = tr H and E ‖Hv‖² = tr H².
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TwoAtoms {
    /// The number of random vectors.
    pub probes: NonZeroUsize,
}

impl ProbeEstimator for TwoAtoms {
    fn estimate(&self, operator: &dyn CurvatureOperator, context: &Context) -> Result<Estimate> {
        let (k, p) = (self.probes.get(), operator.dimension());
        // All randomness comes from the context: the same seed gives the same numbers.
        let mut random = context.random.stream("two-atoms", 0);
        let signs = (0..k * p).map(|_| if random.random() { 1.0 } else { -1.0 }).collect();
        let v = Tensor::from_vec(signs, (k, p), &Device::Cpu)?.to_dtype(operator.dtype())?;
        let product = operator.apply(&v)?;
        let mean = |x: Tensor| x.to_dtype(DType::F64)?.mean_all()?.to_scalar::<f64>();
        let (first, second) = (mean((v * &product)?)?, mean(product.sqr()?)?);
        let deviation = (second - first * first).max(0.0).sqrt();
        let atoms = vec![(first + deviation, 0.5), (first - deviation, 0.5)];
        Ok(Spectrum::estimated(p, atoms, first * p as f64, None, k)?.into())
    }

    fn products(&self, _dimension: usize) -> usize {
        self.probes.get()
    }

    fn description(&self) -> String {
        format!("mean and variance from {} random vectors", self.probes)
    }
}

/// Adds the estimator to the registry.
pub fn register(registry: &mut Registry) {
    registry.estimators.add("two-atoms", "mean and variance", |two: TwoAtoms, _| Ok(Box::new(two)));
}
