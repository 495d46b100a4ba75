//! Eigenvectors on an emulated card: those of the host, up to rounding.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Context, Curvature, CurvatureOperator, Findings, GroupSelector, Landscape, ProbeEstimator,
};
use eigenscape_cpu::Cpu;
use eigenscape_cuda::{Cuda, Folders, Settings};
use eigenscape_cuda_emulator::libraries;
use eigenscape_curvature::Point;
use eigenscape_estimators::{
    dense::Dense,
    gram::Gram,
    lanczos::{Lanczos, LanczosParameters},
};
use eigenscape_losses::cross_entropy;
use eigenscape_program::{ConvSettings, Network, nn};
use eigenscape_runtime::Backend;

const SAMPLES: usize = 7;

/// Numbers that do not repeat.
fn wave(shape: &[usize], phase: f64) -> Tensor {
    let numbers = (0..shape.iter().product::<usize>()).map(|i| (i as f64 * 0.7 + phase).sin());
    Tensor::from_iter(numbers, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

/// A convolution, whose rows are explicit or outer products at several positions, and a linear
/// layer; `dtype` is the type of the products.
fn found(
    backend: Arc<dyn Backend>,
    dtype: DType,
    group: &str,
    estimator: Box<dyn ProbeEstimator>,
) -> Findings {
    let network = Network::new(&[2, 6, 6], |scope, x| {
        let x = nn::conv2d(&mut scope.at("0"), x, 5, 3, ConvSettings::default(), true)?;
        let x = nn::activation(scope, x, nn::Activation::Relu)?;
        let x = nn::flatten(scope, x)?;
        nn::linear(&mut scope.at("1"), x, 4, true)
    });
    let network = network.unwrap();
    let typed = |tensor: Tensor| tensor.to_dtype(dtype).unwrap();
    let targets = (wave(&[SAMPLES, 4], 0.9).sqr().unwrap() + 0.1).unwrap();
    let parameters = network.parameters().iter();
    let point = Point {
        backend,
        parameters: parameters.map(|parameter| typed((wave(&parameter.shape, 0.2) * 0.4).unwrap())).collect(),
        buffers: vec![],
        inputs: typed(wave(&[SAMPLES, 2, 6, 6], 0.5)),
        targets: typed(targets.broadcast_div(&targets.sum_keepdim(1).unwrap()).unwrap()),
        masks: vec![],
    };
    let landscape = Landscape::new(&network, &cross_entropy(), point, usize::MAX).unwrap();
    let group = GroupSelector::from(group).resolve(&network, SAMPLES).unwrap().remove(0);
    let operator = landscape.operator(Curvature::GaussNewton, &group);
    let estimator = estimator.with_eigenvectors(3.try_into().unwrap()).unwrap();
    let operator: &dyn CurvatureOperator = &operator;
    estimator.estimate_parts(&[operator], &Context::silent(2)).unwrap().remove(0)
}

#[test]
fn eigenvectors_are_the_hosts() {
    let folders = Some(Folders::only(libraries().unwrap()));
    let cuda: Arc<dyn Backend> = Arc::new(Cuda::open(&Settings { folders, ..Settings::default() }).unwrap());
    type Named = (&'static str, fn() -> Box<dyn ProbeEstimator>);
    let estimators: [Named; 3] = [
        ("dense", || Box::new(Dense::default())),
        ("gram", || Box::new(Gram::default())),
        ("lanczos", || {
            Box::new(Lanczos::new(LanczosParameters {
                steps: 40.try_into().unwrap(),
                ..LanczosParameters::default()
            }))
        }),
    ];
    // The factor of the last group has more rows than columns.
    for group in ["full", "0.weight", "1.weight[1:3]", "1.bias"] {
        for (name, estimator) in estimators {
            for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 1e-3)] {
                let host = found(Cpu::shared(), dtype, group, estimator());
                let card = found(Arc::clone(&cuda), dtype, group, estimator());
                assert_eq!((host.eigenpairs.len(), card.eigenpairs.len()), (3, 3), "{name} of {group}");
                for (host, card) in host.eigenpairs.iter().zip(&card.eigenpairs) {
                    let largest = host.value.abs();
                    let difference =
                        ((&host.vector - &card.vector).unwrap()).sqr().unwrap().sum_all().unwrap();
                    let difference = difference.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap();
                    assert!((host.value - card.value).abs() <= tolerance * largest, "{name} of {group}");
                    assert!(difference.sqrt() <= tolerance, "{name} of {group}: {difference:e}");
                    assert!(card.residual <= tolerance * largest, "{name} of {group}: {:e}", card.residual);
                }
            }
        }
    }
}
