//! A Krylov basis on an emulated card: its algebra, and estimates that copy no vector back to the
//! host.
#![allow(clippy::unwrap_used, reason = "also in what several tests share")]

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Context, Curvature, CurvatureOperator, Estimate, GroupSelector, Landscape, ProbeEstimator, Spectrum,
};
use eigenscape_cpu::Cpu;
use eigenscape_cuda::{Cuda, Folders, Settings};
use eigenscape_cuda_emulator::{copied, libraries};
use eigenscape_curvature::Point;
use eigenscape_estimators::{
    hutchinson::{Hutchinson, HutchinsonParameters},
    lanczos::{Lanczos, LanczosParameters},
};
use eigenscape_losses::mean_squared_error;
use eigenscape_program::{Network, nn};
use eigenscape_runtime::{Backend, Buffer};

/// Serialises the tests, because copies are counted for the whole process.
static TURN: Mutex<()> = Mutex::new(());

fn cuda() -> Cuda {
    let folders = Some(Folders::only(libraries().unwrap()));
    Cuda::open(&Settings { folders, ..Settings::default() }).unwrap()
}

/// Numbers that do not repeat.
fn wave(shape: &[usize], phase: f64, dtype: DType) -> Tensor {
    let numbers = (0..shape.iter().product::<usize>()).map(|i| (i as f64 * 0.7 + phase).sin());
    let numbers = Tensor::from_iter(numbers, &Device::Cpu).unwrap();
    numbers.reshape(shape).unwrap().to_dtype(dtype).unwrap()
}

fn wide(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The lengths are around the numbers of a thread and of a group of threads; the counts are around
/// the vectors of a thread and of a launch.
#[test]
fn dots_and_combinations_are_those_of_the_host() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cuda = cuda();
    for dtype in [DType::F32, DType::F64] {
        for (length, count) in
            [(1, 1), (5, 3), (511, 4), (513, 5), (3000, 9), (70_001, 2), (100, 64), (40, 65), (33, 131)]
        {
            let vectors: Vec<Tensor> =
                (0..count).map(|k| wave(&[1, length], 0.3 * k as f64, dtype)).collect();
            let w = wave(&[1, length], 0.9, dtype);
            let placed: Vec<Buffer> = vectors.iter().map(|v| cuda.place(v).unwrap()).collect();
            let placed_w = cuda.place(&w).unwrap();
            let [_, before] = copied();
            let found = cuda.dots(&placed, &placed_w).unwrap();
            assert_eq!(copied()[1] - before, 8 * count as u64, "one number a vector");
            let w = wide(&w);
            for (vector, found) in vectors.iter().zip(&found) {
                let expected: f64 = wide(vector).iter().zip(&w).map(|(v, w)| v * w).sum();
                assert!((found - expected).abs() < 1e-14 * length as f64, "{length} x {count}: {found}");
            }
            assert_eq!(found, cuda.dots(&placed, &placed_w).unwrap());
            let terms: Vec<(f64, &Buffer)> =
                placed.iter().enumerate().map(|(k, v)| (0.1 * k as f64 - 1.0, v)).collect();
            for to in [DType::F32, DType::F64] {
                let sum = cuda.combine(&terms, to).unwrap();
                assert_eq!((sum.dims(), sum.dtype()), (&[1, length][..], to));
                let mut expected = vec![0.0; length];
                for ((factor, _), vector) in terms.iter().zip(&vectors) {
                    expected.iter_mut().zip(wide(vector)).for_each(|(sum, x)| *sum += factor * x);
                }
                let rounding = if to == DType::F32 { 6e-8 } else { 1e-15 };
                for (found, expected) in wide(&sum.to_host().unwrap()).iter().zip(&expected) {
                    let size = expected.abs() + count as f64 * 1e-14;
                    assert!((found - expected).abs() <= rounding * size + count as f64 * 1e-14, "{found}");
                }
            }
        }
    }
}

#[test]
fn rows_are_stacked_as_they_were() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cuda = cuda();
    for k in [1, 2, 70] {
        let vectors = wave(&[k, 37], 0.1, DType::F32);
        let rows = cuda.rows(&cuda.place(&vectors).unwrap()).unwrap();
        assert!(rows.len() == k && rows.iter().all(|row| row.dims() == [1, 37]));
        assert_eq!(wide(&rows[k - 1].to_host().unwrap()), wide(&vectors.narrow(0, k - 1, 1).unwrap()));
        let again = cuda.stack(&rows).unwrap();
        assert_eq!(again.dims(), [k, 37]);
        assert_eq!(wide(&again.to_host().unwrap()), wide(&vectors));
    }
}

#[test]
fn what_kernels_would_read_beyond_is_refused() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cuda = cuda();
    let of = |length, dtype| cuda.place(&wave(&[1, length], 0.0, dtype)).unwrap();
    let (w, shorter, other) = (of(9, DType::F64), of(8, DType::F64), of(9, DType::F32));
    for vector in [&shorter, &other] {
        assert!(cuda.dots(std::slice::from_ref(vector), &w).is_err());
        assert!(cuda.combine(&[(1.0, &w), (1.0, vector)], DType::F64).is_err());
        assert!(cuda.stack(&[w.clone(), vector.clone()]).is_err());
    }
    assert!(cuda.combine(&[], DType::F64).is_err() && cuda.stack(&[]).is_err());
    assert!(cuda.dots(&[], &w).unwrap().is_empty());
}

/// The Hessian of a small network.
fn operator(backend: Arc<dyn Backend>) -> impl CurvatureOperator {
    let network = Network::new(&[12], |scope, x| {
        let x = nn::linear(&mut scope.at("0"), x, 40, true)?;
        let x = nn::activation(scope, x, nn::Activation::Tanh)?;
        nn::linear(&mut scope.at("1"), x, 3, true)
    });
    let network = network.unwrap();
    let parameters = network.parameters().iter().map(|parameter| wave(&parameter.shape, 0.2, DType::F64));
    let point = Point {
        backend,
        parameters: parameters.collect(),
        buffers: vec![],
        inputs: wave(&[10, 12], 0.5, DType::F64),
        targets: wave(&[10, 3], 0.9, DType::F64),
        masks: vec![],
    };
    let landscape = Landscape::new(&network, &mean_squared_error(), point, 1 << 30).unwrap();
    let group = GroupSelector::Full.resolve(&network, 10).unwrap().remove(0);
    landscape.operator(Curvature::Hessian, &group)
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-10, "{found} is not {expected}");
    }
}

#[test]
fn a_spectrum_is_the_hosts_and_no_vector_comes_back() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let of = |count| NonZeroUsize::new(count).unwrap();
    for (steps, probes, deflation) in [(12, 1, false), (6, 3, false), (8, 1, true), (5, 3, true)] {
        let parameters = LanczosParameters {
            steps: of(steps),
            probes: of(probes),
            deflation,
            ..LanczosParameters::default()
        };
        let lanczos = Lanczos::new(parameters);
        let spectrum = |operator: &dyn CurvatureOperator| -> Spectrum {
            lanczos.spectrum(operator, &Context::silent(3)).unwrap()
        };
        let cuda = operator(Arc::new(cuda()));
        // The first product uploads the point's data, which all products share.
        cuda.apply(&wave(&[1, cuda.dimension()], 0.1, DType::F64)).unwrap();
        let before = copied();
        let found = spectrum(&cuda);
        let [there, back] = [0, 1].map(|way| (copied()[way] - before[way]) as usize / size_of::<f64>());
        let expected = spectrum(&operator(Cpu::shared()));
        close(&found.eigenvalues, &expected.eigenvalues);
        close(&found.weights, &expected.weights);
        close(&[found.trace], &[expected.trace]);
        let further = match (deflation, probes) {
            (false, _) => 0,
            (true, 1) => 2,
            (true, _) => probes,
        };
        // Dot products per step: with the newest vector, twice with all vectors, and three norms.
        let numbers = probes * (0..=steps).map(|step| 2 * step + 4).sum::<usize>() + 2 * steps;
        assert!(back <= numbers, "{back} numbers came back, {numbers} are asked for");
        assert_eq!(there, (probes + further) * cuda.dimension(), "start vectors alone are placed");
        assert!(back < cuda.dimension(), "{back}");
    }
}

#[test]
fn hutchinsons_trace_is_the_hosts_and_no_vector_comes_back() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for probes in [1, 5, 20, 10_000] {
        let parameters = HutchinsonParameters {
            probes: NonZeroUsize::new(probes).unwrap(),
            ..HutchinsonParameters::default()
        };
        let trace = |operator: &dyn CurvatureOperator| match Hutchinson::new(parameters)
            .estimate(operator, &Context::silent(3))
            .unwrap()
        {
            Estimate::Number(trace) => trace,
            Estimate::Spectrum(_) => panic!("it is a number"),
        };
        let cuda = operator(Arc::new(cuda()));
        let before = copied();
        let found = trace(&cuda);
        let back = (copied()[1] - before[1]) as usize / size_of::<f64>();
        assert_eq!(back, found.products, "one number a product");
        let expected = trace(&operator(Cpu::shared()));
        close(&[found.value, found.stderr.unwrap_or(0.0)], &[expected.value, expected.stderr.unwrap_or(0.0)]);
    }
}
