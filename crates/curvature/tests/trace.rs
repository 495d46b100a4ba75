//! Estimates of a trace have exactly their stated expectation, computed over all draws of the
//! signs.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use candle_core::{DType, Device, Tensor};
use eigenscape_curvature::{Objective, Penalty, PenaltyFunction, Point, TraceEstimate};
use eigenscape_losses::{binary_cross_entropy, cross_entropy, mean_squared_error};
use eigenscape_program::{ConvSettings, Loss, Mode, Network, PoolSettings, Scope, Value, nn};
use eigenscape_runtime::{Error, Result};

const SAMPLES: usize = 3;
const CLASSES: usize = 3;
const POOL: PoolSettings = PoolSettings { kernel: 2, stride: 2, padding: 0 };

type Build = fn(&mut Scope, Value) -> eigenscape_program::Result<Value>;

fn relu(scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
    nn::activation(scope, x, nn::Activation::Relu)
}

fn mlp(scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
    let x = nn::flatten(scope, x)?;
    let x = nn::linear(&mut scope.at("0"), x, 4, true)?;
    let x = relu(scope, x)?;
    nn::linear(&mut scope.at("1"), x, CLASSES, true)
}

fn lenet(scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
    let x = nn::conv2d(&mut scope.at("conv1"), x, 3, 3, ConvSettings::default(), true)?;
    let x = relu(scope, x)?;
    let x = nn::max_pool2d(scope, x, POOL)?;
    // Two output positions, so that outer products are the cheaper form here; in the first layer,
    // explicit gradients are.
    let x = nn::conv2d(&mut scope.at("conv2"), x, 8, 2, ConvSettings::default(), true)?;
    let x = relu(scope, x)?;
    let x = nn::flatten(scope, x)?;
    nn::linear(&mut scope.at("fc"), x, CLASSES, true)
}

fn resnet(scope: &mut Scope, x: Value) -> eigenscape_program::Result<Value> {
    let padded = ConvSettings { padding: 1, ..ConvSettings::default() };
    let x = nn::conv2d(&mut scope.at("stem"), x, 2, 3, ConvSettings { stride: 2, ..padded }, false)?;
    let body = nn::batch_norm(&mut scope.at("bn1"), x)?;
    let body = relu(scope, body)?;
    let body = nn::conv2d(&mut scope.at("conv"), body, 2, 3, padded, false)?;
    let body = nn::batch_norm(&mut scope.at("bn2"), body)?;
    let x = scope.graph().add(x, body)?;
    let x = relu(scope, x)?;
    let x = nn::global_avg_pool(scope, x)?;
    let x = nn::flatten(scope, x)?;
    nn::linear(&mut scope.at("fc"), x, CLASSES, true)
}

const NETWORKS: [(&str, Build); 3] = [("mlp", mlp), ("lenet", lenet), ("resnet", resnet)];

/// Numbers in (−1, 1) from multiples of the golden ratio.
fn wave(shape: &[usize], phase: f64) -> Tensor {
    let count = shape.iter().product::<usize>() as u32;
    let value = |i: u32| 2.0 * (phase + f64::from(i + 1) * 0.618_033_988_749_895).fract() - 1.0;
    Tensor::from_iter((0..count).map(value), &Device::Cpu).unwrap().reshape(shape).unwrap()
}

struct Case {
    network: Network,
    objective: Objective,
    point: Point,
}

fn case(build: Build, loss: &Loss, mode: Mode) -> Result<Case> {
    let network = Network::with_mode(&[1, 6, 8], mode, build)?;
    let parameters = network.parameters().iter().enumerate().map(|(i, p)| wave(&p.shape, 0.3 * i as f64));
    let buffers = network.buffers().iter().map(|b| wave(&b.shape, 0.1).affine(0.4, 1.0));
    let point = Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: parameters.collect(),
        buffers: buffers.collect::<candle_core::Result<_>>()?,
        inputs: wave(&[SAMPLES, 1, 6, 8], 0.7),
        targets: (wave(&[SAMPLES, CLASSES], 0.2).abs()? * 0.8)?,
        masks: vec![],
    };
    let objective = Objective::new(&network, loss, SAMPLES)?;
    Ok(Case { network, objective, point })
}

impl Case {
    fn all(&self) -> Vec<usize> {
        (0..self.point.parameters.len()).collect()
    }

    /// The exact traces of the Hessian and of the Gauss-Newton matrix.
    fn traces(&self, point: &Point) -> Result<[f64; 2]> {
        let identity = Tensor::eye(self.network.dimension(), DType::F64, &Device::Cpu)?;
        let (hessian, gauss_newton) =
            (self.objective.hessian(point, &self.all())?, self.objective.gauss_newton(point, &self.all())?);
        let trace = |products: Tensor| (products * &identity)?.sum_all()?.to_scalar::<f64>();
        Ok([trace(hessian.apply_rows(&identity)?)?, trace(gauss_newton.apply_rows(&identity)?)?])
    }
}

/// All sign vectors of `count` elements, \[2^count, count\].
fn all_signs(count: usize) -> Result<Tensor> {
    let sign = |draw: usize, i: usize| if draw >> i & 1 == 1 { 1.0 } else { -1.0 };
    let signs: Vec<f64> = (0..1 << count).flat_map(|draw| (0..count).map(move |i| sign(draw, i))).collect();
    Ok(Tensor::from_vec(signs, (1 << count, count), &Device::Cpu)?)
}

/// All draws of an estimate. For Hutchinson's, scaled unit vectors, over which it has the same mean
/// as over all signs.
fn every_draw(estimate: TraceEstimate, function: &PenaltyFunction) -> Result<Vec<Vec<Tensor>>> {
    let shapes = function.probe_shapes();
    let size = |shape: &[usize]| shape.iter().product::<usize>();
    let total: usize = shapes.iter().map(|shape| size(shape)).sum();
    let draws = if estimate == TraceEstimate::Hutchinson {
        (Tensor::eye(total, DType::F64, &Device::Cpu)? * (total as f64).sqrt())?
    } else {
        all_signs(total)?
    };
    let draw = |k: usize| {
        let (draw, mut start) = (draws.get(k)?, 0);
        let part = |shape: &Vec<usize>| {
            let part = draw.narrow(0, start, size(shape))?;
            start += size(shape);
            Ok(part.reshape(shape.as_slice())?)
        };
        shapes.iter().map(part).collect()
    };
    (0..draws.dims()[0]).map(draw).collect()
}

/// The estimate averaged over `draws`.
fn over(trace: &PenaltyFunction, point: &Point, draws: Vec<Vec<Tensor>>) -> Result<Penalty> {
    trace.at(point, None, draws.into_iter().map(Ok::<_, Error>))
}

fn scalar(tensor: &Tensor) -> f64 {
    tensor.to_scalar().unwrap()
}

fn dot(x: &[Tensor], y: &[Tensor]) -> f64 {
    x.iter().zip(y).map(|(x, y)| scalar(&(x * y).unwrap().sum_all().unwrap())).sum()
}

#[test]
fn estimates_and_their_gradients_are_unbiased() -> Result<()> {
    const STEP: f64 = 1e-5;
    for (name, build) in NETWORKS {
        for loss in [cross_entropy(), mean_squared_error(), binary_cross_entropy()] {
            let case = case(build, &loss, Mode::Eval)?;
            let all = case.all();
            assert_eq!(case.objective.trace_breaker(&all)?, None);
            let [hessian, gauss_newton] = case.traces(&case.point)?;
            assert!((hessian / gauss_newton - 1.0).abs() < 1e-12, "{name} {loss:?}");
            let w: Vec<Tensor> = case.point.parameters.iter().map(|p| wave(p.dims(), 0.5)).collect();
            let moved = |step: f64| {
                let pairs = case.point.parameters.iter().zip(&w);
                let parameters = pairs.map(|(p, w)| (p + (w * step).unwrap()).unwrap()).collect();
                case.traces(&Point { parameters, ..case.point.clone() }).unwrap()
            };
            let slope = (moved(STEP)[1] - moved(-STEP)[1]) / (2.0 * STEP);
            for estimate in [TraceEstimate::Hutchinson, TraceEstimate::Summed, TraceEstimate::PerSample] {
                let trace = case.objective.trace(estimate, &all, &all)?;
                let found = over(&trace, &case.point, every_draw(estimate, &trace)?)?;
                let error = found.mean() / gauss_newton - 1.0;
                assert!(error.abs() < 1e-12, "{name} {loss:?} {estimate:?}: {error:e}");
                let error = (dot(&found.gradient, &w) - slope).abs() / slope.abs().max(gauss_newton);
                assert!(error < 1e-7, "gradient, {name} {loss:?} {estimate:?}: {error:e} of {slope}");
            }
        }
    }
    Ok(())
}

/// For N equal samples, the variance of the summed estimate is a sum over N² pairs of samples, that
/// of the per-sample estimate a sum over N samples.
#[test]
fn without_products_between_samples_the_variance_is_n_times_smaller() -> Result<()> {
    for (name, build) in NETWORKS {
        let mut case = case(build, &cross_entropy(), Mode::Eval)?;
        case.point.inputs = case.point.inputs.narrow(0, 0, 1)?.repeat((SAMPLES, 1, 1, 1))?;
        case.point.targets = case.point.targets.narrow(0, 0, 1)?.repeat((SAMPLES, 1))?;
        let variance = |estimate| -> Result<f64> {
            let trace = case.objective.trace(estimate, &case.all(), &[])?;
            let values = over(&trace, &case.point, every_draw(estimate, &trace)?)?.values;
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            Ok(values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64)
        };
        let (summed, per_sample) = (variance(TraceEstimate::Summed)?, variance(TraceEstimate::PerSample)?);
        assert!(
            per_sample > 0.0 && per_sample < 1.001 * summed / SAMPLES as f64,
            "{name}: {per_sample:e} of {summed:e}"
        );
    }
    Ok(())
}

#[test]
fn a_penalised_step_is_the_step_and_the_penalty() -> Result<()> {
    const STRENGTH: f64 = 0.3;
    for mode in [Mode::Eval, Mode::Train] {
        for (name, build) in NETWORKS {
            let case = case(build, &cross_entropy(), mode)?;
            let (all, group) = (case.all(), [0, 1]);
            let step = case.objective.training_step()?.at(&case.point, &[])?;
            for estimate in [TraceEstimate::Hutchinson, TraceEstimate::Summed, TraceEstimate::PerSample] {
                if estimate == TraceEstimate::PerSample && case.objective.mixes_samples().is_some() {
                    continue;
                }
                let trace = case.objective.trace(estimate, &group, &all)?;
                let probes: Vec<Tensor> =
                    trace.probe_shapes().iter().map(|shape| wave(shape, 0.9).sign().unwrap()).collect();
                let penalty = over(&trace, &case.point, vec![probes.clone()])?;
                let penalised = case.objective.penalised_step(estimate, &group, STRENGTH)?;
                let ours = over(&penalised, &case.point, vec![probes])?;
                let error = (ours.mean() - penalty.mean()).abs();
                assert!(error < 1e-12, "{name} {estimate:?} {mode:?}: the estimate is off by {error:e}");
                let ours = [ours.others[..2].to_vec(), ours.gradient, ours.others[2..].to_vec()].concat();
                assert_eq!(ours.len(), step.len());
                let gradients = step[2..].iter().zip(&penalty.gradient).map(|(g, t)| g + (t * STRENGTH)?);
                let gradients = gradients.collect::<candle_core::Result<Vec<_>>>()?;
                let updates = step[2 + all.len()..].iter().cloned();
                let expected: Vec<Tensor> =
                    step[..2].iter().cloned().chain(gradients).chain(updates).collect();
                for (i, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
                    assert_eq!(ours.dims(), expected.dims(), "{name} {estimate:?}: result {i}");
                    let error = scalar(&(ours - expected)?.abs()?.max_all()?);
                    assert!(error < 1e-12, "{name} {estimate:?} {mode:?}: result {i} is off by {error:e}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn where_the_traces_may_differ_it_is_said() -> Result<()> {
    let case = case(
        |scope, x| {
            let x = nn::flatten(scope, x)?;
            let x = nn::linear(&mut scope.at("0"), x, 2, true)?;
            let x = nn::activation(&mut scope.at("act"), x, nn::Activation::Tanh)?;
            nn::linear(&mut scope.at("1"), x, CLASSES, true)
        },
        &cross_entropy(),
        Mode::Eval,
    )?;
    assert_eq!(case.objective.trace_breaker(&[2, 3])?, None);
    let breaker = case.objective.trace_breaker(&[0, 1, 2, 3])?.unwrap();
    assert_eq!(
        (breaker.node.as_str(), breaker.to_string().as_str()),
        ("tanh in act", "tanh in act is curved")
    );
    let [hessian, gauss_newton] = case.traces(&case.point)?;
    assert!((hessian / gauss_newton - 1.0).abs() > 1e-3);
    Ok(())
}
