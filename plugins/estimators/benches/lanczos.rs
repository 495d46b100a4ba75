//! What Lanczos itself costs beside the operator's products, and what the eigenproblem of `gram` costs.
//!
//! `cargo bench -p eigenscape-estimators`

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{num::NonZeroUsize, ops::Range, sync::Arc, time::Instant};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Context, CurvatureOperator, ExactFactor, FactorColumns, FactorSource, Probe, ProbeEstimator, Result,
};
use eigenscape_curvature::{Factor, RowSize, Rows};
use eigenscape_estimators::{
    gram::Gram,
    lanczos::{Lanczos, LanczosParameters},
};

/// A diagonal matrix: products that cost next to nothing. Its factor is arbitrary.
struct Diagonal {
    entries: Tensor,
    rows: usize,
}

impl Diagonal {
    fn new(dimension: usize, rows: usize, dtype: DType) -> Self {
        let entry = |i: usize| (i as f64 * 0.618).fract().powi(4);
        let entries: Vec<f64> = (0..dimension).map(entry).collect();
        let entries = Tensor::from_vec(entries, (1, dimension), &Device::Cpu).unwrap();
        Self { entries: entries.to_dtype(dtype).unwrap(), rows }
    }
}

impl CurvatureOperator for Diagonal {
    fn dimension(&self) -> usize {
        self.entries.dims()[1]
    }

    fn dtype(&self) -> DType {
        self.entries.dtype()
    }

    fn description(&self) -> String {
        "diagonal".to_owned()
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        Ok(vectors.broadcast_mul(&self.entries)?)
    }

    fn factor(&self) -> Result<ExactFactor> {
        let rows =
            Tensor::randn(0.0, 1.0, (self.rows, self.dimension()), &Device::Cpu)?.to_dtype(self.dtype())?;
        Ok(ExactFactor { source: Arc::new(Independent(rows)), variables: vec![0] })
    }
}

/// One row a sample.
#[derive(Clone)]
struct Independent(Tensor);

impl FactorSource for Independent {
    fn samples(&self) -> usize {
        self.0.dims()[0]
    }

    fn rank(&self) -> usize {
        1
    }

    fn dtype(&self) -> DType {
        self.0.dtype()
    }

    fn memory(&self) -> usize {
        usize::MAX
    }

    fn columns(&self, _variables: &[usize]) -> Result<Box<dyn FactorColumns + '_>> {
        Ok(Box::new(self.clone()))
    }
}

impl FactorColumns for Independent {
    fn sizes(&self) -> Vec<RowSize> {
        let columns = self.0.dims()[1];
        vec![RowSize { columns, numbers: columns, outer: false }]
    }

    fn evaluating(&self, _samples: usize) -> usize {
        0
    }

    fn rows(&self, samples: Range<usize>, _memory: usize) -> Result<Factor> {
        let rows = self.0.narrow(0, samples.start, samples.len())?;
        Ok(Factor { rows: samples.len(), tensors: vec![Rows::Explicit(rows)] })
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
            let operator = Diagonal::new(dimension, 0, dtype);
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
    for (rows, dimension) in [(1000, 2400), (150, 1000)] {
        let operator = Diagonal::new(dimension, rows, DType::F32);
        let time = seconds(|| {
            Gram::default().estimate(&operator, &Context::silent(0)).unwrap();
        });
        println!("gram M={rows} P={dimension} F32: {time:.3} s");
    }
}
