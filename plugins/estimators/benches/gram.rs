//! Times the eigenproblem of `gram` on one thread and on all; computing the matrix is cheap here.
//!
//! `cargo bench -p eigenscape-estimators --bench gram`

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{ops::Range, sync::Arc, time::Instant};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Context, CurvatureOperator, ExactFactor, FactorColumns, FactorSource, ProbeEstimator, Result,
};
use eigenscape_curvature::{Factor, RowSize, Rows};
use eigenscape_estimators::gram::Gram;
use rayon::ThreadPoolBuilder;

/// The length of the random vectors whose outer products are the rows of the factor, one per
/// sample: the Gram matrix is an entry-wise product.
const SIDE: usize = 128;

#[derive(Clone)]
struct Outer {
    left: Tensor,
    right: Tensor,
}

impl Outer {
    fn new(rows: usize) -> Self {
        let random = |shape: &[usize]| Tensor::randn(0.0, 1.0, shape, &Device::Cpu).unwrap();
        Self { left: random(&[1, rows, 1, SIDE]), right: random(&[rows, 1, SIDE]) }
    }
}

impl CurvatureOperator for Outer {
    fn dimension(&self) -> usize {
        SIDE * SIDE
    }

    fn dtype(&self) -> DType {
        DType::F64
    }

    fn description(&self) -> String {
        "outer products".to_owned()
    }

    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        Ok(vectors.clone())
    }

    fn factor(&self) -> Result<ExactFactor> {
        Ok(ExactFactor { source: Arc::new(self.clone()), variables: vec![0] })
    }
}

impl FactorSource for Outer {
    fn samples(&self) -> usize {
        self.right.dims()[0]
    }

    fn rank(&self) -> usize {
        1
    }

    fn dtype(&self) -> DType {
        DType::F64
    }

    fn memory(&self) -> usize {
        usize::MAX
    }

    fn columns(&self, _variables: &[usize]) -> Result<Box<dyn FactorColumns + '_>> {
        Ok(Box::new(self.clone()))
    }
}

impl FactorColumns for Outer {
    fn sizes(&self) -> Vec<RowSize> {
        vec![RowSize { columns: SIDE * SIDE, numbers: 2 * SIDE, outer: true }]
    }

    fn evaluating(&self, _samples: usize) -> usize {
        0
    }

    fn rows(&self, samples: Range<usize>, _memory: usize) -> Result<Factor> {
        let rows = Rows::Outer { left: self.left.clone(), right: self.right.clone() };
        let rows = rows.narrow(samples.clone(), self.right.dims()[0])?;
        Ok(Factor { rows: samples.len(), tensors: vec![rows] })
    }
}

/// The median time of `work` over `repetitions` runs, in seconds.
fn median(repetitions: usize, mut work: impl FnMut()) -> f64 {
    let mut time = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    let mut times: Vec<f64> = (0..repetitions).map(&mut time).collect();
    times.sort_by(f64::total_cmp);
    times[repetitions / 2]
}

fn main() {
    let all = std::thread::available_parallelism().unwrap().get();
    for (rows, repetitions) in [(500, 21), (1000, 11), (2000, 7), (5000, 3), (10_000, 1)] {
        let operator = Outer::new(rows);
        for threads in [1, all] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let time = median(repetitions, || {
                pool.install(|| Gram::default().estimate(&operator, &Context::silent(0)).unwrap());
            });
            println!("gram of {rows} rows on {threads} threads: {time:.3} s");
        }
    }
}
