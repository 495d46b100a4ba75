//! Compares the memory that estimators declare with what an allocator counts.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    ops::Range,
    sync::{Arc, Mutex},
};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Context, CurvatureOperator, Error, Estimate, ExactFactor, FactorColumns, FactorSource, Probe,
    ProbeEstimator, Result,
};
use eigenscape_curvature::{Factor, RowSize, Rows};
use eigenscape_estimators::{
    dense::{Dense, DenseParameters},
    gram::Gram,
    hutchinson::{Hutchinson, HutchinsonParameters},
    lanczos::{Lanczos, LanczosParameters},
    trace::Trace,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes for threads, pools and short lists.
const BESIDE: usize = 300 << 10;

/// diag(d), which computes each product independently of the others.
struct Diagonal(Tensor);

impl Diagonal {
    fn new(dimension: usize, dtype: DType) -> Self {
        Self::of(dimension, dtype, |i| (1.0 + (i as f64 * 0.37).sin()).powi(3))
    }

    /// With 64 different eigenvalues, most of which Lanczos finds in 60 steps.
    fn with_few_values(dimension: usize, dtype: DType) -> Self {
        Self::of(dimension, dtype, |i| 0.8_f64.powi((i % 64) as i32))
    }

    fn of(dimension: usize, dtype: DType, entry: impl Fn(usize) -> f64) -> Self {
        let entries = (0..dimension).map(entry);
        let entries = Tensor::from_iter(entries, &Device::Cpu).unwrap();
        Self(entries.reshape((1, dimension)).unwrap().to_dtype(dtype).unwrap())
    }
}

impl CurvatureOperator for Diagonal {
    fn dimension(&self) -> usize {
        self.0.elem_count()
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

/// ΦᵀΦ of a [`Factored`] factor.
struct FromFactor(Arc<Factored>);

/// A factor whose rows are computed on request.
#[derive(Clone, Copy)]
struct Factored {
    samples: usize,
    columns: usize,
    memory: usize,
}

impl CurvatureOperator for FromFactor {
    fn dimension(&self) -> usize {
        self.0.columns
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn description(&self) -> String {
        "factored".to_owned()
    }

    /// Not a product: the estimators of this factor use products only for residuals.
    fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        Ok((vectors * 2.0)?)
    }

    fn factor(&self) -> Result<ExactFactor> {
        Ok(ExactFactor { source: self.0.clone(), variables: vec![0] })
    }
}

impl FactorSource for Factored {
    fn samples(&self) -> usize {
        self.samples
    }

    fn rank(&self) -> usize {
        1
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn memory(&self) -> usize {
        self.memory
    }

    fn columns(&self, _: &[usize]) -> Result<Box<dyn FactorColumns + '_>> {
        Ok(Box::new(Columns(self.columns)))
    }
}

struct Columns(usize);

impl FactorColumns for Columns {
    fn sizes(&self) -> Vec<RowSize> {
        vec![RowSize { columns: self.0, numbers: self.0, outer: false }]
    }

    fn evaluating(&self, _: usize) -> usize {
        0
    }

    fn rows(&self, samples: Range<usize>, _: usize) -> Result<Factor> {
        let mut numbers = Vec::with_capacity(samples.len() * self.0);
        numbers.extend(samples.clone().flat_map(|n| {
            (0..self.0).map(move |i| ((n * 31 + i * 17) as f32 * 0.013).sin() + f32::from(u8::from(n == i)))
        }));
        let rows = Tensor::from_vec(numbers, (samples.len(), self.0), &Device::Cpu)?;
        Ok(Factor { rows: samples.len(), tensors: vec![Rows::Explicit(rows)] })
    }
}

/// The estimate within `allowed` bytes, the peak memory counted while it was computed, and the
/// memory declared before.
fn measured(
    estimator: &dyn ProbeEstimator,
    operator: &dyn CurvatureOperator,
    allowed: usize,
) -> (Estimate, usize, usize) {
    let said = estimator.memory(&[operator], allowed).unwrap().total();
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let context = Context { memory: allowed, ..Context::silent(3) };
    let spectrum = estimator.estimate_parts(&[operator], &context).unwrap().remove(0).estimate;
    (spectrum, ALLOCATOR.peak_usage() - before, said)
}

/// `estimator`, asked for `count` eigenvectors.
fn with_eigenvectors(estimator: impl ProbeEstimator + 'static, count: usize) -> Box<dyn ProbeEstimator> {
    Box::new(estimator).with_eigenvectors(count.try_into().unwrap()).unwrap()
}

/// Asserts that the held memory is at most the declared, and the declared at most 3/2 of the held.
fn assert_counted(
    name: &str,
    estimator: &dyn ProbeEstimator,
    operator: &dyn CurvatureOperator,
    allowed: usize,
) {
    let (_, held, said) = measured(estimator, operator, allowed);
    assert!(held <= said + BESIDE, "{name}: {held} bytes are held, and {said} were said");
    assert!(said <= held + held / 2 + BESIDE, "{name}: {said} bytes were said, and {held} are held");
}

fn lanczos(steps: usize, probes: usize, averaged: bool) -> Lanczos {
    let (steps, probes) = (steps.try_into().unwrap(), probes.try_into().unwrap());
    Lanczos::new(LanczosParameters { steps, probes, averaged, ..LanczosParameters::default() })
}

fn hutchinson(probes: usize) -> Hutchinson {
    Hutchinson::new(HutchinsonParameters { probes: probes.try_into().unwrap(), ..Default::default() })
}

/// The allocator counts for all threads of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn what_is_held_is_what_was_said() {
    let _alone = ALONE.lock();
    let factored = |samples, columns, memory| FromFactor(Arc::new(Factored { samples, columns, memory }));
    // Warm up: matrix products reserve buffers for each thread once.
    let warm_up = || {
        let once = |estimator: &dyn ProbeEstimator, operator: &dyn CurvatureOperator| {
            drop(estimator.estimate(operator, &Context::silent(3)).unwrap());
        };
        once(&Gram::default(), &factored(300, 3_000, usize::MAX));
        once(&Gram::default(), &factored(3_000, 300, usize::MAX));
        once(&lanczos(3, 2, false), &Diagonal::new(50_000, DType::F32));
        once(&lanczos(300, 1, false), &Diagonal::new(400, DType::F32));
    };
    rayon::broadcast(|_| warm_up());
    warm_up();
    let plenty = usize::MAX;
    for dtype in [DType::F32, DType::F64] {
        let operator = Diagonal::new(40_000, dtype);
        for (steps, probes, allowed) in [(12, 1, plenty), (20, 4, plenty), (20, 4, 10 << 20), (64, 1, plenty)]
        {
            let name = format!("lanczos, {steps} steps, {probes} probes, {dtype:?}");
            assert_counted(&name, &lanczos(steps, probes, false), &operator, allowed);
        }
        assert_counted("hutchinson", &hutchinson(100), &operator, plenty);
        assert_counted("hutchinson in little", &hutchinson(40), &operator, 4 << 20);
        for (block, allowed) in [(32, plenty), (1000, plenty), (1000, 4 << 20)] {
            let dense =
                Dense::new(DenseParameters { block: block.try_into().unwrap(), ..Default::default() });
            assert_counted("dense", &dense, &Diagonal::new(600, dtype), allowed);
        }
    }
    // The eigenvectors of the tridiagonal matrix dominate the first case, the nodes the others.
    assert_counted("many steps", &lanczos(700, 1, false), &Diagonal::new(800, DType::F32), plenty);
    let gaussian = |parameters| Lanczos::new(LanczosParameters { probe: Probe::Gaussian, ..parameters });
    let (steps, probes) = (30.try_into().unwrap(), 3000.try_into().unwrap());
    let averaged = LanczosParameters { steps, probes, averaged: true, ..LanczosParameters::default() };
    assert_counted("many nodes", &gaussian(averaged), &Diagonal::new(40, DType::F32), plenty);
    let deflating = LanczosParameters {
        deflation: true,
        probes: 2000.try_into().unwrap(),
        ..LanczosParameters::default()
    };
    let deflating = gaussian(LanczosParameters { steps, ..deflating });
    assert_counted("many nodes, deflated", &deflating, &Diagonal::new(40, DType::F32), plenty);
    for memory in [plenty, 6 << 20] {
        let by_rows = factored(500, 5_000, memory);
        assert_counted("gram by rows", &Gram::default(), &by_rows, plenty);
        let by_columns = factored(5_000, 500, memory);
        assert_counted("gram by columns", &Gram::default(), &by_columns, plenty);
        assert_counted("trace", &Trace, &by_rows, plenty);
    }
    // Eigenvalues via a band matrix.
    for memory in [plenty, 16 << 20] {
        assert_counted("large gram", &Gram::default(), &factored(1_100, 2_000, memory), plenty);
    }
    for (dtype, count) in [(DType::F32, 5), (DType::F64, 40)] {
        let operator = Diagonal::with_few_values(40_000, dtype);
        for (steps, probes, allowed) in [(60, 1, plenty), (64, 3, plenty), (64, 3, 30 << 20)] {
            let lanczos = with_eigenvectors(lanczos(steps, probes, false), count);
            let name = format!("{count} eigenvectors, {steps} steps, {probes} probes, {dtype:?}");
            assert_counted(&name, &*lanczos, &operator, allowed);
        }
        for dimension in [600, 1_100] {
            let dense = with_eigenvectors(Dense::default(), count);
            let name = format!("{count} eigenvectors of {dimension} rows");
            assert_counted(&name, &*dense, &Diagonal::new(dimension, dtype), plenty);
        }
    }
    for memory in [plenty, 16 << 20] {
        let gram = with_eigenvectors(Gram::default(), 8);
        assert_counted("gram by rows, with eigenvectors", &*gram, &factored(500, 5_000, memory), plenty);
        assert_counted("gram by columns, with eigenvectors", &*gram, &factored(5_000, 500, memory), plenty);
        let large = factored(1_100, 2_000, memory);
        assert_counted("large gram, with eigenvectors", &*gram, &large, plenty);
    }
    assert_counted("large dense", &Dense::default(), &Diagonal::new(1_100, DType::F64), plenty);
}

/// Where the bases of all probes do not fit, probes run one after another, with the same results:
/// only the operator's products could change them, and here each is computed independently.
#[test]
fn what_can_work_in_less_does() {
    let _alone = ALONE.lock();
    let operator = Diagonal::new(20_000, DType::F32);
    let of_one = lanczos(30, 1, false).memory(&[&operator], usize::MAX).unwrap().total();
    let cases: [(&dyn ProbeEstimator, &[usize]); 2] = [
        (&lanczos(30, 5, true), &[of_one + (1 << 20), 3 * of_one]),
        (&hutchinson(300), &[0, of_one, 3 * of_one]),
    ];
    for (estimator, memories) in cases {
        let (together, ..) = measured(estimator, &operator, usize::MAX);
        for &allowed in memories {
            let (found, _, said) = measured(estimator, &operator, allowed);
            assert_eq!(found, together, "{allowed}");
            assert!(said <= of_one.max(allowed) + (1 << 20), "{said} of {allowed}");
        }
    }
    // In less than one basis takes, vectors are rounded; the account is that of what is held.
    for allowed in [0, of_one / 2, 3 * of_one / 4] {
        let lanczos = lanczos(30, 5, false);
        let (Estimate::Spectrum(found), held, said) = measured(&lanczos, &operator, allowed) else {
            panic!()
        };
        assert!(found.orthogonality_loss.is_some() && said <= (3 * of_one / 4).max(allowed), "{said}");
        assert!(held <= said + BESIDE && said <= held + held / 2 + BESIDE, "{held} of {said}");
    }
    // The memory of a trace grows by only a few words per probe.
    let said = |probes| hutchinson(probes).memory(&[&operator], usize::MAX).unwrap().total();
    assert!(said(1_000_000) - said(1_000) < 50 << 20);
}
