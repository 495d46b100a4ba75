//! The estimator finds the moments of a known matrix.

use std::num::NonZeroUsize;

use eigenscape::candle_core::{DType, Device, Tensor};
use eigenscape::{Context, CurvatureOperator, Error, ExactFactor, ProbeEstimator, Result};
use eigenscape_example_plugin::estimator::TwoAtoms;

/// The diagonal matrix of 1 to 4.
struct Diagonal;

impl CurvatureOperator for Diagonal {
    fn dimension(&self) -> usize {
        4
    }

    fn dtype(&self) -> DType {
        DType::F64
    }

    fn description(&self) -> String {
        "diagonal".to_owned()
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        Ok(vectors.broadcast_mul(&Tensor::new(&[1.0, 2.0, 3.0, 4.0], &Device::Cpu)?)?)
    }

    fn factor(&self) -> Result<ExactFactor> {
        Err(Error::input("diagonal", "no factor is known", "use products"))
    }
}

/// For a diagonal matrix random signs give both moments without error.
#[test]
fn it_finds_mean_and_variance() -> Result<()> {
    let estimator = TwoAtoms { probes: NonZeroUsize::MIN };
    let found = estimator.spectrum(&Diagonal, &Context::silent(0))?;
    let deviation = 1.25_f64.sqrt();
    assert!((found.lambda_max() - (2.5 + deviation)).abs() < 1e-14);
    assert!((found.lambda_min() - (2.5 - deviation)).abs() < 1e-14);
    Ok(())
}
