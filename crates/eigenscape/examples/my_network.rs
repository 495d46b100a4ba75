//! The spectrum of your own network: exact for each layer, by Lanczos for the whole.
//!
//! It is checked against the decomposition of the whole matrix, which is computed by products
//! (`Dense`).

use std::error::Error;

use eigenscape::{
    Context, Cpu, Curvature, Dense, Gram, GroupSelector, Lanczos, Landscape, Network, Point, ProbeEstimator,
    Random, Weights,
    candle_core::{DType, Device, Tensor},
    class_targets, losses, nn,
};

const SAMPLES: usize = 30;
const CLASSES: usize = 3;

/// Points on three rays, and the ray of each point as its class.
fn data() -> Result<(Tensor, Tensor), Box<dyn Error>> {
    let place = |i: usize| {
        let (angle, radius) = (2.0 * (i % CLASSES) as f64, 1.0 + i as f64 / 10.0);
        [radius * angle.cos(), radius * angle.sin()]
    };
    let inputs = Tensor::from_iter((0..SAMPLES).flat_map(place), &Device::Cpu)?.reshape((SAMPLES, 2))?;
    let labels = Tensor::from_iter((0..SAMPLES).map(|i| (i % CLASSES) as i64), &Device::Cpu)?;
    Ok((inputs, class_targets(&labels, CLASSES, 0.0, None)?))
}

/// Runs the example.
pub fn main() -> Result<(), Box<dyn Error>> {
    // A network with PyTorch's parameter names: "hidden.weight", "hidden.bias", "out.weight",
    // "out.bias".
    let network = Network::new(&[2], |scope, x| {
        let x = nn::linear(&mut scope.at("hidden"), x, 6, true)?;
        let x = nn::activation(scope, x, nn::Activation::Relu)?;
        nn::linear(&mut scope.at("out"), x, CLASSES, true)
    })?;
    let Weights { parameters, buffers } = Weights::initial(&network, Random::new(1))?;
    let (inputs, targets) = data()?;
    let point = Point { backend: Cpu::shared(), parameters, buffers, inputs, targets, masks: vec![] };
    let landscape = Landscape::new(&network, &losses::cross_entropy(), point.to_dtype(DType::F64)?, 1 << 30)?;
    let context = Context::silent(0);

    // A ReLU network is piecewise affine in each layer: a small Gram matrix gives all eigenvalues
    // of the layer's Hessian.
    for group in GroupSelector::Layers.resolve(&network, SAMPLES)? {
        let hessian = landscape.operator(Curvature::Hessian, &group);
        let exact = Gram::default().spectrum(&hessian, &context)?;
        let dense = Dense::default().spectrum(&hessian, &context)?;
        println!("{}: trace {:.6}, largest {:.6}", group.name, exact.trace, exact.lambda_max());
        assert_eq!(exact.eigenvalues.len(), dense.eigenvalues.len());
        for (one, other) in exact.eigenvalues.iter().zip(&dense.eigenvalues) {
            assert!((one - other).abs() < 1e-12 * dense.lambda_max(), "{one} is not {other}");
        }
    }

    // It is not piecewise affine in all layers together: Gram refuses and names an alternative.
    let full = GroupSelector::Full.resolve(&network, SAMPLES)?.remove(0);
    let hessian = landscape.operator(Curvature::Hessian, &full);
    let refused = Gram::default().spectrum(&hessian, &context);
    assert!(refused.is_err_and(|error| error.remedy().contains("lanczos")));
    let estimated = Lanczos::default().spectrum(&hessian, &context)?;
    let dense = Dense::default().spectrum(&hessian, &context)?;
    println!("full: from {:.6} to {:.6}", estimated.lambda_min(), estimated.lambda_max());
    assert!((estimated.lambda_max() - dense.lambda_max()).abs() < 1e-10 * dense.lambda_max());
    assert!((estimated.lambda_min() - dense.lambda_min()).abs() < 1e-10 * dense.lambda_max());
    Ok(())
}
