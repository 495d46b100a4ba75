//! Consequences of whether a loss is convex in the outputs: exact factors, and known signs of
//! eigenvalues.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Context, Curvature, CurvatureOperator, Group, Landscape, ProbeEstimator, Spectrum};
use eigenscape_curvature::Point;
use eigenscape_estimators::{class_structure::ClassStructure, dense::Dense, gram::Gram, trace::Trace};
use eigenscape_losses::{
    focal::{Focal, FocalParameters},
    gaussian_nll::{GaussianNll, GaussianNllParameters},
    huber::{Huber, HuberParameters},
    output::Output,
};
use eigenscape_program::{Loss, Network, nn};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

const SAMPLES: usize = 6;
const OUTPUTS: usize = 4;

/// Linear, ReLU, linear: piecewise affine in each tensor.
fn landscape(loss: &Loss) -> Fallible<Landscape> {
    let network = Network::new(&[3], |scope, x| {
        let x = nn::linear(&mut scope.at("0"), x, 5, true)?;
        let x = nn::activation(&mut scope.at("1"), x, nn::Activation::Relu)?;
        nn::linear(&mut scope.at("2"), x, OUTPUTS, true)
    })?;
    let wave = |shape: &[usize], phase: f64| -> Fallible<Tensor> {
        let count = shape.iter().product::<usize>();
        let values: Vec<f64> = (0..count).map(|i| 1.5 * (i as f64 * 1.3 + phase).sin()).collect();
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    };
    let parameters = network.parameters().iter().zip([0.2, 0.4, 0.6, 0.8]);
    let targets = loss.target_shape(&[SAMPLES, OUTPUTS])?;
    let point = Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: parameters.map(|(p, phase)| wave(&p.shape, phase)).collect::<Fallible<_>>()?,
        buffers: vec![],
        inputs: wave(&[SAMPLES, 3], 0.1)?,
        targets: wave(&targets, 0.9)?.abs()?,
        masks: vec![],
    };
    Ok(Landscape::new(&network, loss, point, usize::MAX)?)
}

/// The weight of the second layer.
fn weight() -> Group {
    Group { name: "2.weight".to_owned(), variables: [2_usize].as_slice().into(), dimension: 5 * OUTPUTS }
}

fn spectrum(estimator: &dyn ProbeEstimator, operator: &dyn CurvatureOperator) -> Fallible<Spectrum> {
    Ok(estimator.spectrum(operator, &Context::silent(0))?)
}

#[test]
fn a_step_for_a_second_derivative_has_an_exact_factor() -> Fallible<()> {
    for delta in [0.5, 2.0] {
        let loss: Loss = Arc::new(Huber::new(HuberParameters { delta })?);
        let (landscape, group) = (landscape(&loss)?, weight());
        for curvature in [Curvature::Hessian, Curvature::GaussNewton] {
            let operator = landscape.operator(curvature, &group);
            assert!(operator.is_semidefinite());
            let (exact, dense) =
                (spectrum(&Gram::default(), &operator)?, spectrum(&Dense::default(), &operator)?);
            assert!(dense.lambda_max() > 0.0);
            for (value, expected) in exact.eigenvalues.iter().zip(&dense.eigenvalues) {
                assert!((value - expected).abs() < 1e-13 * dense.lambda_max(), "{value:e} {expected:e}");
            }
        }
    }
    Ok(())
}

#[test]
fn without_convexity_there_is_no_factor_and_there_are_negative_eigenvalues() -> Fallible<()> {
    let focal: Loss = Arc::new(Focal::new(FocalParameters::default())?);
    let gaussian: Loss = Arc::new(GaussianNll::new(GaussianNllParameters::default())?);
    for loss in [focal, gaussian] {
        let (landscape, group) = (landscape(&loss)?, weight());
        for curvature in [Curvature::Hessian, Curvature::GaussNewton] {
            let operator = landscape.operator(curvature, &group);
            assert!(!operator.is_semidefinite());
            let estimators: [&dyn ProbeEstimator; 3] = [&Gram::default(), &Trace, &ClassStructure::default()];
            for estimator in estimators {
                let refused = estimator.check(&[&operator]).err().map(|error| error.to_string());
                let message = refused.unwrap_or_default();
                let words = [format!("the loss `{}` is not convex", loss.name()), "\"lanczos\"".to_owned()];
                assert!(words.iter().all(|words| message.contains(words)), "{message}");
            }
            let dense = spectrum(&Dense::default(), &operator)?;
            assert!(
                dense.lambda_min() < -1e-3 * dense.lambda_max(),
                "{}: {}",
                loss.name(),
                dense.lambda_min()
            );
        }
    }
    Ok(())
}

/// With the network's own output as the loss, the Gauss-Newton matrix is exactly zero.
#[test]
fn a_loss_that_is_linear_in_the_outputs_has_a_factor_of_zeros() -> Fallible<()> {
    let loss: Loss = Arc::new(Output);
    let (landscape, group) = (landscape(&loss)?, weight());
    let all =
        Group { name: "full".to_owned(), variables: [0_usize, 1, 2, 3].as_slice().into(), dimension: 44 };
    let exact = spectrum(&Gram::default(), &landscape.operator(Curvature::GaussNewton, &all))?;
    assert_eq!((exact.lambda_max(), exact.trace), (0.0, 0.0), "{exact:?}");
    let exact = spectrum(&Gram::default(), &landscape.operator(Curvature::Hessian, &group))?;
    assert_eq!((exact.lambda_max(), exact.trace), (0.0, 0.0), "{exact:?}");
    // All curvature is between the layers: the residual.
    let units = Tensor::eye(44, DType::F64, &Device::Cpu)?;
    let hessian = landscape.operator(Curvature::Hessian, &all).apply(&units)?;
    let residual = landscape.operator(Curvature::Residual, &all).apply(&units)?;
    let largest = |t: &Tensor| -> Fallible<f64> { Ok(t.abs()?.max_all()?.to_scalar()?) };
    assert!(largest(&hessian)? > 0.1 && largest(&(hessian - residual)?)? < 1e-15);
    Ok(())
}
