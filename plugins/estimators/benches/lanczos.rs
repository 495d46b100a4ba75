//! Times Lanczos itself, with an operator whose products are cheap.
//!
//! `cargo bench -p eigenscape-estimators --bench lanczos`

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{num::NonZeroUsize, time::Instant};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Context, CurvatureOperator, Error, ExactFactor, Probe, ProbeEstimator, Result};
use eigenscape_estimators::lanczos::{Lanczos, LanczosParameters};

/// A diagonal matrix, given by its entries; its products are cheap.
struct Diagonal(Tensor);

impl Diagonal {
    fn new(dimension: usize, dtype: DType) -> Self {
        let entry = |i: usize| (i as f64 * 0.618).fract().powi(4);
        let entries: Vec<f64> = (0..dimension).map(entry).collect();
        let entries = Tensor::from_vec(entries, (1, dimension), &Device::Cpu).unwrap();
        Self(entries.to_dtype(dtype).unwrap())
    }
}

impl CurvatureOperator for Diagonal {
    fn dimension(&self) -> usize {
        self.0.dims()[1]
    }

    fn dtype(&self) -> DType {
        self.0.dtype()
    }

    fn description(&self) -> String {
        "diagonal".to_owned()
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        Ok(vectors.broadcast_mul(&self.0)?)
    }

    fn factor(&self) -> Result<ExactFactor> {
        Err(Error::input(self.description(), "has no factor", "use its products"))
    }
}

fn seconds(work: impl Fn()) -> f64 {
    let time = || {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..3).map(|_| time()).fold(f64::INFINITY, f64::min)
}

fn main() {
    let (single, both) = (&[DType::F32] as &[DType], &[DType::F32, DType::F64] as &[DType]);
    for (name, dimension, steps, probes, dtypes) in [
        ("LeNet", 61_706, 128, 1, both),
        ("LeNet", 61_706, 128, 4, both),
        ("a million", 1_000_000, 64, 1, both),
        ("VGG11_bn", 28_156_554, 64, 1, single),
    ] {
        for &dtype in dtypes {
            let operator = Diagonal::new(dimension, dtype);
            let count = |n| NonZeroUsize::new(n).unwrap();
            let parameters = LanczosParameters {
                steps: count(steps),
                probes: count(probes),
                probe: Probe::Rademacher,
                ..LanczosParameters::default()
            };
            let estimator = Lanczos::new(parameters);
            let time = seconds(|| {
                estimator.estimate(&operator, &Context::silent(0)).unwrap();
            });
            println!("lanczos {name} P={dimension} steps={steps} probes={probes} {dtype:?}: {time:.3} s");
        }
    }
}
