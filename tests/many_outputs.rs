//! `gram` and `trace` for samples with many more outputs than the group has parameters: networks
//! from images to images.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{
    Context, Curvature, CurvatureOperator, Estimate, Group, Landscape, ProbeEstimator, Spectrum,
};
use eigenscape_curvature::Point;
use eigenscape_estimators::{dense::Dense, gram::Gram, trace::Trace};
use eigenscape_losses::{binary_cross_entropy, cross_entropy, mean_squared_error};
use eigenscape_program::{ConvSettings, Loss, Network, nn};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

const SAMPLES: usize = 3;

/// Two convolutions with a ReLU between them, [channels, side, side] → [channels, side, side].
fn landscape(channels: usize, side: usize, loss: &Loss, dtype: DType, memory: usize) -> Fallible<Landscape> {
    let shape = [channels, side, side];
    let network = Network::new(&shape, move |scope, x| {
        let same = ConvSettings { padding: 1, ..ConvSettings::default() };
        let x = nn::conv2d(&mut scope.at("0"), x, 2, 3, same, true)?;
        let x = nn::activation(&mut scope.at("1"), x, nn::Activation::Relu)?;
        nn::conv2d(&mut scope.at("2"), x, channels, 3, same, true)
    })?;
    let wave = |shape: &[usize], phase: f64| -> Fallible<Tensor> {
        let count = shape.iter().product::<usize>();
        let values: Vec<f64> = (0..count).map(|i| (i as f64 * 1.3 + phase).sin()).collect();
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?)
    };
    let data = [[SAMPLES].as_slice(), &shape].concat();
    let parameters = network.parameters().iter().zip([0.2, 0.4, 0.6, 0.8]);
    let point = Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: parameters.map(|(p, phase)| wave(&p.shape, phase)).collect::<Fallible<_>>()?,
        buffers: vec![],
        inputs: wave(&data, 0.1)?,
        targets: wave(&data, 0.9)?.abs()?,
        masks: vec![],
    };
    Ok(Landscape::new(&network, loss, point, memory)?)
}

fn group(variables: &[usize], channels: usize) -> Group {
    let sizes = [18 * channels, 2, 18 * channels, channels];
    let dimension = variables.iter().map(|&variable| sizes[variable]).sum();
    Group { name: format!("{variables:?}"), variables: variables.into(), dimension }
}

fn estimate(estimator: &dyn ProbeEstimator, operator: &dyn CurvatureOperator) -> Fallible<Spectrum> {
    Ok(estimator.spectrum(operator, &Context::silent(0))?)
}

fn trace(operator: &dyn CurvatureOperator) -> Fallible<f64> {
    match Trace.estimate(operator, &Context::silent(0))? {
        Estimate::Number(number) => Ok(number.value),
        Estimate::Spectrum(spectrum) => Err(format!("no number: {spectrum:?}").into()),
    }
}

/// 12,288 outputs and three parameters, with derivatives 1: G = 2/12288 · 64² · I.
#[test]
fn three_parameters_take_three_passes() -> Fallible<()> {
    let start = Instant::now();
    let landscape = landscape(3, 64, &mean_squared_error(), DType::F32, 1 << 30)?;
    let bias = group(&[3], 3);
    let operator = landscape.operator(Curvature::Hessian, &bias);
    let spectrum = estimate(&Gram::default(), &operator)?;
    assert_eq!(spectrum.eigenvalues.len(), 3);
    assert!(spectrum.eigenvalues.iter().all(|value| (value * 1.5 - 1.0).abs() < 1e-6), "{spectrum:?}");
    let trace = trace(&operator)?;
    assert!((trace - 2.0).abs() < 1e-6, "{trace}");
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    Ok(())
}

/// Both sides of the factor, compared with the matrix itself: few outputs (backward passes) and
/// many (forward passes), several groups at once.
#[test]
fn either_side_gives_the_matrix() -> Fallible<()> {
    for (channels, side) in [(1, 2), (2, 8)] {
        for loss in [&mean_squared_error(), &binary_cross_entropy(), &cross_entropy()] {
            for memory in [usize::MAX, 4 << 20] {
                let landscape = landscape(channels, side, loss, DType::F64, memory)?;
                let groups: Vec<Group> = [vec![0], vec![1], vec![2, 3], vec![0, 1, 2, 3]]
                    .iter()
                    .map(|variables| group(variables, channels))
                    .collect();
                let operators: Vec<_> =
                    groups.iter().map(|group| landscape.operator(Curvature::GaussNewton, group)).collect();
                let all: Vec<&dyn CurvatureOperator> =
                    operators.iter().map(|operator| operator as _).collect();
                let spectra = Gram::default().spectra(&all, &Context::silent(0))?;
                for (operator, spectrum) in all.iter().zip(&spectra) {
                    let name =
                        format!("{} with {loss:?} of {channels}x{side}x{side}", operator.description());
                    let expected = estimate(&Dense::default(), *operator)?;
                    let largest = expected.lambda_max();
                    for (value, expected) in spectrum.eigenvalues.iter().zip(&expected.eigenvalues) {
                        assert!(
                            (value - expected).abs() < 1e-12 * largest,
                            "{name}: {value:e} for {expected:e}"
                        );
                    }
                    assert!(spectrum.eigenvalues.len().abs_diff(expected.eigenvalues.len()) < 3, "{name}");
                    let trace = trace(*operator)?;
                    assert!((trace - expected.trace).abs() < 1e-12 * expected.trace, "{name}");
                }
            }
        }
    }
    Ok(())
}

/// The cheaper of R backward passes and P forward passes is chosen.
#[test]
fn the_cheaper_passes_are_taken() -> Fallible<()> {
    let rank = |side: usize, variables: &[usize]| -> Fallible<[usize; 2]> {
        let landscape = landscape(2, side, &cross_entropy(), DType::F64, usize::MAX)?;
        let group = group(variables, 2);
        let factor = landscape.operator(Curvature::GaussNewton, &group).factor()?;
        let backward = factor.source.rank();
        Ok([backward, factor.cheaper()?.source.rank()])
    };
    // 2·8·8 outputs of a sample, in rows of eight classes: the rank is 7/8 of them.
    assert_eq!(rank(8, &[3])?, [112, 128]);
    // 2·2·2 outputs, and 36 weights.
    assert_eq!(rank(2, &[2])?, [4, 4]);
    Ok(())
}

/// The outputs are piecewise affine in each tensor, and bilinear in both layers together: the
/// Hessian has the trace of the Gauss-Newton matrix, but is a different matrix.
#[test]
fn the_trace_of_all_parameters_is_that_of_each() -> Fallible<()> {
    let landscape = landscape(2, 4, &cross_entropy(), DType::F64, usize::MAX)?;
    let all = group(&[0, 1, 2, 3], 2);
    let hessian = landscape.operator(Curvature::Hessian, &all);
    assert!(Gram::default().check(&[&hessian]).is_err());
    Trace.check(&[&hessian])?;
    let [dense, trace] = [estimate(&Dense::default(), &hessian)?.trace, trace(&hessian)?];
    assert!((trace - dense).abs() < 1e-12 * dense, "{trace} for {dense}");
    let gauss_newton = landscape.operator(Curvature::GaussNewton, &all);
    let other = estimate(&Dense::default(), &gauss_newton)?;
    assert!(other.lambda_min() > -1e-12 && estimate(&Dense::default(), &hessian)?.lambda_min() < -1e-6);
    Ok(())
}
