//! Checks of a whole network: every derivative against finite differences of the one before it, the
//! exact factor against the Gauss-Newton matrix, and proofs of affinity against the residual.

use candle_core::{DType, Device, Tensor};
use eigenscape_curvature::{Factor, MeanLoss, Objective, Point, TraceEstimate, class_targets};
use eigenscape_losses::{binary_cross_entropy, cross_entropy, mean_squared_error};
use eigenscape_program::{Loss, Mode, Network, Scope, Value};
use eigenscape_runtime::{Error, Result};
use proptest::prelude::*;

pub const SAMPLES: usize = 3;
pub const CLASSES: usize = 3;
const TOLERANCE: f64 = 2e-6;

pub fn losses() -> impl Strategy<Value = Loss> {
    prop::sample::select(vec![cross_entropy(), mean_squared_error(), binary_cross_entropy()])
}

pub fn modes() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::Eval, Mode::Train])
}

/// A deterministic stream of numbers in (−1, 1): a linear congruential generator (Knuth's MMIX
/// constants).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        };
        let data: Vec<f64> = (0..shape.iter().product()).map(|_| next()).collect();
        Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
    }

    pub fn like(&mut self, tensors: &[Tensor]) -> Vec<Tensor> {
        tensors.iter().map(|t| self.tensor(t.dims())).collect()
    }
}

/// A network with its mean loss at a point.
pub struct Case {
    seed: u64,
    network: Network,
    loss: Loss,
    objective: Objective,
    point: Point,
}

/// The network that `build` emits, at a random point; targets are smoothed, and every fifth is
/// ignored where there are tokens.
pub fn set_up(
    seed: u64,
    loss: &Loss,
    mode: Mode,
    sample_shape: &[usize],
    build: impl Fn(&mut Scope, Value) -> eigenscape_program::Result<Value> + Send + Sync + 'static,
) -> Result<Case> {
    let network = Network::with_mode(sample_shape, mode, build)?;
    let mut numbers = Numbers(seed);
    let parameters = network.parameters().iter().map(|p| numbers.tensor(&p.shape)).collect();
    // Means may be any numbers; variances must be positive.
    let buffers = network.buffers().iter().map(|b| numbers.tensor(&b.shape).affine(0.4, 1.0));
    let buffers = buffers.collect::<candle_core::Result<_>>()?;
    let inputs = numbers.tensor(&[&[SAMPLES], sample_shape].concat());
    let masks = network.masks().iter().map(|mask| {
        let uniform = numbers.tensor(&[&[SAMPLES], mask.shape.as_slice()].concat());
        let kept = uniform.le(2.0 * mask.keep - 1.0)?.to_dtype(DType::F64)?;
        kept.affine(mask.keep.recip(), 0.0)
    });
    let masks = masks.collect::<candle_core::Result<_>>()?;
    let (last, rows) = network.output_shape().split_last().unwrap();
    let labels: Vec<i64> = (0..SAMPLES * rows.iter().product::<usize>())
        .map(|i| if i % 5 == 4 { -1 } else { (i % last) as i64 })
        .collect();
    let labels = Tensor::from_vec(labels, [&[SAMPLES], rows].concat(), &Device::Cpu)?;
    let targets = class_targets(&labels, *last, 0.1, Some(-1))?;
    let objective = Objective::new(&network, loss, SAMPLES)?;
    let point = Point { backend: eigenscape_cpu::Cpu::shared(), parameters, buffers, inputs, targets, masks };
    Ok(Case { seed, network, loss: loss.clone(), objective, point })
}

fn moved(point: &Point, direction: &[Tensor], step: f64) -> Point {
    let parameters = point.parameters.iter().zip(direction).map(|(p, v)| (p + (v * step).unwrap()).unwrap());
    Point { parameters: parameters.collect(), ..point.clone() }
}

fn flat(tensors: &[Tensor]) -> Vec<f64> {
    tensors.iter().flat_map(|t| t.flatten_all().unwrap().to_vec1::<f64>().unwrap()).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// The central difference quotient of `f` along `direction`.
fn quotient(f: impl Fn(&Point) -> Vec<f64>, point: &Point, direction: &[Tensor], step: f64) -> Vec<f64> {
    let (after, before) = (f(&moved(point, direction, step)), f(&moved(point, direction, -step)));
    after.iter().zip(before).map(|(a, b)| (a - b) / (2.0 * step)).collect()
}

/// The largest difference, relative to the largest number expected.
fn error(ours: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(ours.len(), expected.len());
    let scale = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    ours.iter().zip(expected).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs())) / scale
}

fn assert_close(what: &str, ours: &[f64], expected: &[f64]) {
    let error = error(ours, expected);
    assert!(error < TOLERANCE, "{what} is off by {error:e}");
}

/// Asserts that `ours` is the derivative of `f` along `direction`. A difference quotient across a
/// kink of a ReLU is wrong; a second, smaller step seldom crosses the same kink, and does not agree
/// with a wrong derivative either.
fn assert_derivative(
    what: &str,
    ours: &[f64],
    f: impl Fn(&Point) -> Vec<f64>,
    point: &Point,
    direction: &[Tensor],
) {
    let errors = [1e-5, 1e-6].map(|step| error(ours, &quotient(&f, point, direction, step)));
    assert!(errors.iter().any(|error| *error < TOLERANCE), "{what} is off by {errors:?}");
}

/// Gradient, Hv, vᵀHv and its gradient agree with finite differences.
pub fn derivatives_agree(case: &Case) -> Result<()> {
    let Case { seed, objective, point, .. } = case;
    let mut numbers = Numbers(seed ^ 0x5eed);
    let all: Vec<usize> = (0..point.parameters.len()).collect();
    let (v, w) = (numbers.like(&point.parameters), numbers.like(&point.parameters));
    let (flat_v, flat_w) = (flat(&v), flat(&w));

    let value = objective.loss()?;
    let gradient = objective.gradient(&all)?;
    let gradient_at = |point: &Point| flat(&gradient.at(point, &[]).unwrap()[2..]);
    let value_at = |point: &Point| flat(&value.at(point, &[]).unwrap()[..1]);
    assert_derivative("gradient", &[dot(&gradient_at(point), &flat_v)], value_at, point, &v);

    let hv = flat(&objective.hessian(point, &all)?.apply(&v)?);
    assert_derivative("Hv", &hv, gradient_at, point, &v);

    let along = objective.curvature_along(&all, &all)?;
    let form = along.at(point, &v)?;
    assert_close("vᵀHv", &flat(&form[..1]), &[dot(&hv, &flat_v)]);
    let form_at = |point: &Point| flat(&along.at(point, &v).unwrap()[..1]);
    assert_derivative("∇vᵀHv", &[dot(&flat(&form[1..]), &flat_w)], form_at, point, &w);
    Ok(())
}

/// ΦᵀΦ is the Gauss-Newton matrix, and the Jacobian's rows are the derivatives of the outputs.
/// Skipped where samples are coupled.
pub fn factors_agree(case: &Case) -> Result<()> {
    let Case { seed, objective, point, .. } = case;
    if objective.mixes_samples().is_some() {
        return Ok(());
    }
    let all: Vec<usize> = (0..point.parameters.len()).collect();
    let v = Numbers(seed ^ 0x5eed).like(&point.parameters);
    let column = Tensor::from_vec(flat(&v), (flat(&v).len(), 1), &Device::Cpu)?;
    let gv = flat(&objective.gauss_newton(point, &all)?.apply(&v)?);
    let phi = matrix(&objective.factor(point, &all)?)?;
    assert_close("ΦᵀΦv", &flat(&[phi.t()?.matmul(&phi.matmul(&column)?)?]), &gv);

    // Row c·N + n of the Jacobian times v is the derivative of output c of sample n along v.
    let value = objective.loss()?;
    let outputs = |p: &Point| {
        let outputs = value.at(p, &[]).unwrap()[1].flatten_from(1).unwrap();
        flat(&[outputs.t().unwrap().contiguous().unwrap()])
    };
    let jv = matrix(&objective.jacobian(point, &all)?)?.matmul(&column)?;
    assert_derivative("Jv", &flat(&[jv]), outputs, point, &v);
    Ok(())
}

/// Where affinity in a parameter is proved, the residual's block vanishes.
pub fn affinity_is_honest(case: &Case) -> Result<()> {
    let Case { seed, objective, point, .. } = case;
    let mut numbers = Numbers(seed ^ 0x5eed);
    for i in 0..point.parameters.len() {
        let v = [numbers.tensor(point.parameters[i].dims())];
        let residual = flat(&objective.residual(point, &[i])?.apply(&v)?);
        let (level, _) = objective.affinity(&[i])?;
        if level.is_affine() {
            assert!(residual.iter().all(|r| r.abs() < 1e-12), "{level:?} in parameter {i}");
        }
    }
    Ok(())
}

/// Products and factors do not depend on how the samples are split.
pub fn streams_agree(case: &Case) -> Result<()> {
    let Case { seed, network, loss, objective, point } = case;
    let all: Vec<usize> = (0..point.parameters.len()).collect();
    let v = flat(&Numbers(seed ^ 0x5eed).like(&point.parameters));
    let row = Tensor::from_vec(v.clone(), (1, v.len()), &Device::Cpu)?;
    let whole = flat(&[objective.hessian(point, &all)?.apply_rows(&row)?]);
    // The smallest memory, to within a factor of 1.5, in which products fit.
    let budgets: Vec<usize> = (0..60).map(|i| (1e3 * 1.5_f64.powi(i)) as usize).collect();
    let bounded = |memory: usize| MeanLoss::new(network, loss, point.clone(), memory);
    let small = budgets.iter().find_map(|&memory| bounded(memory).ok()?.hessian(&all).ok());
    assert_close("streamed Hv", &flat(&[small.unwrap().apply_rows(&row)?]), &whole);
    if objective.mixes_samples().is_some() {
        return Ok(());
    }
    // The factor, sample by sample.
    let gauss_newton = flat(&[objective.gauss_newton(point, &all)?.apply_rows(&row)?]);
    let factor = bounded(usize::MAX)?.factor(&all)?;
    let mut form = 0.0;
    for sample in 0..point.samples() {
        let rows = factor.rows(sample..sample + 1, factor.evaluating(1))?;
        form += matrix(&rows)?.matmul(&row.t()?)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
    }
    assert_close("streamed vᵀΦᵀΦv", &[form], &[dot(&gauss_newton, &v)]);
    Ok(())
}

/// Estimates of the trace agree with their definitions for the given random numbers, and their
/// gradients with finite differences.
pub fn traces_agree(case: &Case) -> Result<()> {
    let Case { seed, network, loss, objective, point } = case;
    let mut numbers = Numbers(seed ^ 0x5eed);
    let all: Vec<usize> = (0..point.parameters.len()).collect();
    let w = numbers.like(&point.parameters);
    for estimate in [TraceEstimate::Hutchinson, TraceEstimate::Summed, TraceEstimate::PerSample] {
        let trace = objective.trace(estimate, &all, &all);
        if estimate == TraceEstimate::PerSample && objective.mixes_samples().is_some() {
            assert!(trace.unwrap_err().to_string().contains("samples"));
            continue;
        }
        let trace = trace?;
        let probes: Vec<Tensor> = trace.probe_shapes().iter().map(|shape| numbers.tensor(shape)).collect();
        let at = |point: &Point| trace.at(point, None, [Ok::<_, Error>(probes.clone())]);
        let found = at(point)?;
        let value = |point: &Point| at(point).unwrap().values;
        let gradient = [dot(&flat(&found.gradient), &flat(&w))];
        assert_derivative(&format!("the gradient of {estimate:?}"), &gradient, value, point, &w);
        let expected = match estimate {
            TraceEstimate::Hutchinson => {
                dot(&flat(&probes), &flat(&objective.hessian(point, &all)?.apply(&probes)?))
            }
            // `Summed` is not checked: the factor has different signs than this root. The
            // per-sample estimate below checks the root by its definition.
            TraceEstimate::Summed => continue,
            TraceEstimate::PerSample => {
                let one = Objective::new(network, loss, 1)?.trace(TraceEstimate::Summed, &all, &[])?;
                let each = (0..SAMPLES).map(|n| {
                    let signs = probes[0].narrow(0, n, 1)?;
                    Ok(one.at(&point.narrow(n..n + 1)?, None, [Ok::<_, Error>(vec![signs])])?.mean())
                });
                each.sum::<Result<f64>>()? / SAMPLES as f64
            }
        };
        assert_close(&format!("{estimate:?}"), &found.values, &[expected]);
    }
    Ok(())
}

fn matrix(factor: &Factor) -> Result<Tensor> {
    let parts = factor.tensors.iter().map(|rows| rows.explicit(DType::F64)).collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&parts, 1)?)
}
