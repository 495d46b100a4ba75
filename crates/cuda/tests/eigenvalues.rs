//! Eigenvalues of symmetric matrices on an emulated card.
#![allow(clippy::unwrap_used, reason = "also in what several tests share")]

use std::{f64::consts::PI, fs, os::unix::fs::symlink, sync::Arc};

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Context, Curvature, GroupSelector, Landscape, ProbeEstimator};
use eigenscape_cpu::Cpu;
use eigenscape_cuda::{Cuda, Folders, Settings};
use eigenscape_cuda_emulator::libraries;
use eigenscape_curvature::Point;
use eigenscape_estimators::gram::Gram;
use eigenscape_losses::mean_squared_error;
use eigenscape_program::{Network, nn};
use eigenscape_runtime::Backend;

fn cuda(folders: Folders) -> Cuda {
    Cuda::open(&Settings { folders: Some(folders), ..Settings::default() }).unwrap()
}

/// The columns of the second difference, with NaN above the diagonal.
fn second_difference(n: usize) -> Vec<Vec<f64>> {
    let entry = |i: usize, j: usize| match i.checked_sub(j) {
        None => f64::NAN,
        Some(0) => 2.0,
        Some(1) => -1.0,
        Some(_) => 0.0,
    };
    (0..n).map(|j| (0..n).map(|i| entry(i, j)).collect()).collect()
}

fn eigenvalues(cuda: &Cuda, n: usize) -> Option<Vec<f64>> {
    let columns = second_difference(n);
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    cuda.eigenvalues(&columns).unwrap()
}

#[test]
fn they_are_those_of_the_second_difference() {
    let card = cuda(Folders::only(libraries().unwrap()));
    let n = 210;
    let found = eigenvalues(&card, n).unwrap();
    assert_eq!(found.len(), n);
    for (k, found) in found.iter().enumerate() {
        let expected = 2.0 - 2.0 * ((k + 1) as f64 * PI / (n + 1) as f64).cos();
        assert!((found - expected).abs() < 1e-12, "{k}: {found} is not {expected}");
    }
    assert!(eigenvalues(&card, 100).is_none(), "the host is as fast");
    let uneven: [&[f64]; 2] = [&[1.0, 2.0], &[1.0]];
    assert!(card.eigenvalues(&uneven).is_err());
}

#[test]
fn without_cusolver_the_host_computes_them() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["libcuda.so.1", "libnvrtc.so.13", "libcublas.so.13"] {
        symlink(libraries().unwrap().join(name), folder.path().join(name)).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    assert!(eigenvalues(&cuda(Folders::only(folder.path())), 210).is_none());
}

/// Numbers that do not repeat.
fn wave(shape: &[usize], phase: f64) -> Tensor {
    let numbers = (0..shape.iter().product::<usize>()).map(|i| (i as f64 * 0.7 + phase).sin());
    Tensor::from_iter(numbers, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

/// The exact spectrum of a linear layer by a Gram matrix of 240 rows.
fn spectrum(backend: Arc<dyn Backend>) -> Vec<f64> {
    let network = Network::new(&[90], |scope, x| nn::linear(scope, x, 3, true)).unwrap();
    let parameters = network.parameters().iter().map(|one| wave(&one.shape, 0.2)).collect();
    let (inputs, targets) = (wave(&[80, 90], 0.5), wave(&[80, 3], 0.9));
    let point = Point { backend, parameters, buffers: vec![], inputs, targets, masks: vec![] };
    assert_eq!(point.targets.dtype(), DType::F64);
    let landscape = Landscape::new(&network, &mean_squared_error(), point, 1 << 30).unwrap();
    let group = GroupSelector::Full.resolve(&network, 80).unwrap().remove(0);
    let operator = landscape.operator(Curvature::GaussNewton, &group);
    Gram::default().spectrum(&operator, &Context::silent(0)).unwrap().eigenvalues
}

#[test]
fn an_exact_spectrum_is_the_hosts() {
    let card = Arc::new(cuda(Folders::only(libraries().unwrap())));
    let found = spectrum(card);
    let expected = spectrum(Cpu::shared());
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().copied().fold(0.0, f64::max);
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-12 * largest, "{found} is not {expected}");
    }
}
