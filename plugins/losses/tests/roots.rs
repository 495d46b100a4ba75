//! Square roots of each loss' Hessian in the outputs, compared with the derived Hessian; and what
//! is refused for losses without a root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use candle_core::{DType, Device, Tensor};
use common::{along, gradient, loss, wave};
use eigenscape_curvature::{MeanLoss, Objective, Point, TraceEstimate};
use eigenscape_laws::evaluate;
use eigenscape_losses::{cross_entropy, mean_squared_error};
use eigenscape_program::{Graph, Loss, Network, nn};
use eigenscape_runtime::Result;

/// The losses that have a root, with the number by which a row's outputs exceed the root's columns.
fn convex() -> [(Loss, usize); 6] {
    [
        (cross_entropy(), 1),
        (mean_squared_error(), 0),
        (loss("binary-cross-entropy", ""), 0),
        (loss("huber", "delta = 0.7"), 0),
        (loss("huber", "delta = 2.0"), 0),
        (loss("output", ""), 0),
    ]
}

/// The Hessian of the loss in the outputs, \[N·D, N·D\], by the transforms.
fn hessian(loss: &Loss, z: &Tensor, t: &Tensor) -> Result<Tensor> {
    let mut graph = Graph::default();
    let [zs, ts, v] = [("z", z), ("t", t), ("v", z)].map(|(name, x)| graph.input(name, x.dims()));
    let mean = loss.emit(&mut graph, zs, ts)?;
    let gradient = gradient(&mut graph, mean, zs)?;
    let product = along(&mut graph, gradient, zs, v)?;
    let size = z.elem_count();
    let vectors = Tensor::eye(size, DType::F64, &Device::Cpu)?;
    let vectors = vectors.reshape([&[size], z.dims()].concat())?;
    let rows = evaluate(&graph, &[zs, ts, v], &[product], &[z.clone(), t.clone(), vectors])?;
    Ok(rows[0].broadcast_as([&[size], z.dims()].concat())?.reshape((size, size))?)
}

fn factor(loss: &Loss, z: &Tensor, t: &Tensor) -> Result<Tensor> {
    let mut graph = Graph::default();
    let [zs, ts] = ["z", "t"].map(|name| graph.input(name, z.dims()));
    let factor = loss.factor(&mut graph, zs, ts)?;
    Ok(evaluate(&graph, &[zs, ts], &[factor], &[z.clone(), t.clone()])?.remove(0))
}

/// Non-negative targets in which every third row is zero, as for ignored samples.
fn weighted_rows(shape: &[usize]) -> Result<Tensor> {
    let rows: usize = shape[..shape.len() - 1].iter().product();
    let keep: Vec<f64> = (0..rows).map(|row| if row % 3 == 1 { 0.0 } else { 1.0 }).collect();
    let keep = Tensor::from_vec(keep, [&shape[..shape.len() - 1], &[1]].concat(), &Device::Cpu)?;
    Ok(wave(shape, 0.8, 1.0).abs()?.broadcast_mul(&keep)?)
}

#[test]
fn the_factor_squares_to_the_hessian_in_the_outputs() -> Result<()> {
    let shapes: [&[usize]; 4] = [&[4, 3], &[2, 3, 4], &[2, 2, 2, 3], &[1, 5]];
    for shape in shapes {
        for (loss, fewer) in convex() {
            let z = wave(shape, 0.3, 3.0);
            let t = weighted_rows(shape)?;
            let (hessian, s) = (hessian(&loss, &z, &t)?, factor(&loss, &z, &t)?);
            let (n, d) = (shape[0], shape[1..].iter().product::<usize>());
            let (tokens, classes) = (d / shape[shape.len() - 1], shape[shape.len() - 1]);
            let rank = tokens * (classes - fewer);
            assert_eq!((s.dims(), loss.rank(&shape[1..])?), ([n, d, rank].as_slice(), rank));
            let squares = s.matmul(&s.t()?)?;
            for i in 0..n {
                for j in 0..n {
                    let block = hessian.narrow(0, i * d, d)?.narrow(1, j * d, d)?;
                    let expected = if i == j { squares.get(i)? } else { block.zeros_like()? };
                    let error = (block - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
                    assert!(error < 1e-14, "{loss:?} {shape:?}: block ({i}, {j}) is off by {error:e}");
                }
            }
        }
    }
    Ok(())
}

/// [`eigenscape_program::LossRoot::times`] and the factor, which is compared with the derived
/// Hessian, have the same S Sᵀ.
#[test]
fn times_signs_is_a_root_of_the_same_matrix() -> Result<()> {
    for shape in [vec![2, 4], vec![2, 3, 4]] {
        for (loss, _) in convex() {
            let mut graph = Graph::default();
            let [z, t, s] = ["z", "t", "s"].map(|name| graph.input(name, &shape));
            let product = loss.root_times(&mut graph, z, t, s)?;
            let factor = loss.factor(&mut graph, z, t)?;
            let (inputs, outputs) = ([z, t, s], [product, factor]);
            let (z, t) = (wave(&shape, 0.3, 3.0), wave(&shape, 0.8, 1.0).abs()?);
            let (n, d) = (shape[0], shape[1..].iter().product::<usize>());
            // The columns of S: the products with the unit vectors of each sample.
            let units = Tensor::eye(d, DType::F64, &Device::Cpu)?.unsqueeze(1)?.repeat((1, n, 1))?;
            let units = units.reshape([&[d], shape.as_slice()].concat())?;
            let mut results = evaluate(&graph, &inputs, &outputs, &[z, t, units])?;
            let (factor, columns) = (results.remove(1), results.remove(0));
            let columns = columns.broadcast_as([&[d], shape.as_slice()].concat())?.reshape((d, n, d))?;
            let root = columns.permute((1, 2, 0))?.contiguous()?;
            let square = root.matmul(&root.transpose(1, 2)?.contiguous()?)?;
            let expected = factor.matmul(&factor.transpose(1, 2)?.contiguous()?)?;
            let error = (square - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(error < 1e-14, "{loss:?} {shape:?}: {error:e}");
        }
    }
    Ok(())
}

#[test]
fn outputs_that_do_not_fit_are_refused() {
    let mut graph = Graph::default();
    let (vector, matrix) = (graph.input("z", &[3]), graph.input("t", &[3, 2]));
    assert!(mean_squared_error().factor(&mut graph, vector, vector).is_err());
    assert!(cross_entropy().factor(&mut graph, matrix, vector).is_err());
    assert!(cross_entropy().emit(&mut graph, matrix, vector).is_err());
}

/// Five samples with four outputs, and a linear network from three inputs to these.
fn linear(loss: &Loss) -> Result<(Network, Point)> {
    let network = Network::new(&[3], |scope, x| nn::linear(&mut scope.at("fc"), x, 4, true))?;
    let mut targets = vec![0.0; 20];
    // The last sample is ignored.
    [1, 3, 0, 3].into_iter().enumerate().for_each(|(n, label)| targets[n * 4 + label] = 1.25);
    let targets = Tensor::from_vec(targets, (5, 4), &Device::Cpu)?;
    let point = Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: vec![wave(&[4, 3], 0.1, 2.0), wave(&[4], 0.7, 2.0)],
        buffers: vec![],
        inputs: wave(&[5, 3], 0.4, 2.0),
        targets: targets.narrow(1, 0, loss.target_shape(&[4])?[0])?.contiguous()?,
        masks: vec![],
    };
    Ok((network, point))
}

#[test]
fn without_a_root_there_are_products_and_no_factor() -> Result<()> {
    for (name, keys) in [("focal", ""), ("gaussian-nll", "")] {
        let loss = loss(name, keys);
        assert!(!loss.is_convex());
        let (network, point) = linear(&loss)?;
        let objective = Objective::new(&network, &loss, 5)?;
        let refused = |message: String| {
            assert!(message.contains(name) && message.contains("lanczos"), "{message}");
        };
        refused(objective.factor(&point, &[0, 1]).unwrap_err().to_string());
        for estimate in [TraceEstimate::Summed, TraceEstimate::PerSample] {
            refused(objective.trace(estimate, &[0, 1], &[]).unwrap_err().to_string());
        }
        let mean = MeanLoss::new(&network, &loss, point.clone(), usize::MAX)?;
        for message in [mean.factor(&[0, 1]).err(), mean.columns(&[0, 1]).err()] {
            refused(message.unwrap().to_string());
        }
        // The network is linear: all of the Hessian is the Gauss-Newton matrix, which has negative
        // eigenvalues here.
        assert!(objective.trace(TraceEstimate::Hutchinson, &[0, 1], &[]).is_ok());
        let units = Tensor::eye(16, DType::F64, &Device::Cpu)?;
        let gauss_newton = objective.gauss_newton(&point, &[0, 1])?.apply_rows(&units)?;
        let hessian = objective.hessian(&point, &[0, 1])?.apply_rows(&units)?;
        assert!(largest(&(&gauss_newton - &hessian)?)? < 1e-14 * largest(&hessian)?);
        let least = (0..16).map(|i| gauss_newton.get(i)?.get(i)?.to_scalar::<f64>());
        let least = least.collect::<candle_core::Result<Vec<f64>>>()?.into_iter().fold(0.0, f64::min);
        assert!(least < 0.0 || name == "gaussian-nll", "{name}: {least}");
    }
    Ok(())
}

#[test]
fn combinations_of_the_rows_are_extended_gradients() -> Result<()> {
    const C: usize = 4;
    let (network, point) = linear(&cross_entropy())?;
    let objective = Objective::new(&network, &cross_entropy(), 5)?;
    let outputs = objective.loss()?.at(&point, &[])?.remove(1);
    let factor = factor(&cross_entropy(), &outputs, &point.targets)?.to_vec3::<f64>()?;
    let outputs = outputs.to_vec2::<f64>()?;
    let predictions = MeanLoss::new(&network, &cross_entropy(), point, usize::MAX)?.predictions()?;
    let labels: Vec<_> = (0..5).map(|n| predictions.label(n)).collect();
    assert_eq!(labels, [Some(1), Some(3), Some(0), Some(3), None]);
    for (n, z) in outputs.iter().enumerate() {
        let mass = if n < 4 { 1.25 } else { 0.0 };
        let total: f64 = z.iter().map(|z| z.exp()).sum();
        for class in 0..C {
            let weight = mass * z[class].exp() / total / 5.0;
            assert!((predictions.weight(n, class) - weight).abs() < 1e-15);
            let combination = predictions.combination(n, class);
            for output in 0..C {
                let found: f64 = (0..C - 1).map(|r| factor[n][output][r] * combination[r]).sum();
                let unit = f64::from(u8::from(output == class));
                let expected = weight.sqrt() * (unit - z[output].exp() / total);
                assert!((found - expected).abs() < 1e-15, "{n} {class} {output}: {found} {expected}");
            }
        }
    }
    Ok(())
}

#[test]
fn only_a_loss_of_classes_predicts_them() -> Result<()> {
    let (network, point) = linear(&mean_squared_error())?;
    let refused = MeanLoss::new(&network, &mean_squared_error(), point, usize::MAX)?.predictions();
    assert!(refused.is_err_and(|error| error.to_string().contains("`mse` knows no classes")));
    Ok(())
}

/// k, the number of roundings allowed from a vector to an element of its product: linear programs
/// of these losses have some tens of steps, and sums over few classes and samples.
const ROUNDINGS: f64 = 32.0;

/// The error of a product in f32 comes only from the roundings of its linear steps, also for a
/// confident classifier, since its residuals are evaluated in f64. To first order it is below k u κ
/// for k roundings of at most u = ε/2 each, where κ is the condition of the sums: the sum of the
/// terms' magnitudes in an element over the largest element.
#[test]
fn products_in_f32_are_those_in_f64() -> Result<()> {
    let losses = [
        ("focal", 1.0),
        ("focal", 5.0),
        ("focal", 20.0),
        ("cross-entropy", 1.0),
        ("cross-entropy", 20.0),
        ("huber", 1.0),
        ("gaussian-nll", 1.0),
    ];
    for (name, scale) in losses {
        let loss = loss(name, "");
        let (network, mut point) = linear(&loss)?;
        point.parameters = point.parameters.iter().map(|p| p * scale).collect::<candle_core::Result<_>>()?;
        // All numbers are representable in f32.
        let single = point.to_dtype(DType::F32)?;
        let double = single.to_dtype(DType::F64)?;
        let objective = Objective::new(&network, &loss, 5)?;
        let units = Tensor::eye(16, DType::F64, &Device::Cpu)?;
        let product = |point: &Point, dtype: DType| -> Result<Tensor> {
            let product = objective.hessian(point, &[0, 1])?.apply_rows(&units.to_dtype(dtype)?)?;
            Ok(product.to_dtype(DType::F64)?)
        };
        let (single, exact) = (product(&single, DType::F32)?, product(&double, DType::F64)?);
        let error = largest(&(single - &exact)?)? / largest(&exact)?;
        let outputs = objective.loss()?.at(&double, &[])?.remove(1);
        let terms = magnitudes(&loss, &outputs, &double.targets)?;
        let condition = largest(&of_parameters(&terms, &double.inputs)?)? / largest(&exact)?;
        let bound = ROUNDINGS * f64::from(f32::EPSILON) / 2.0 * condition;
        assert!(error < bound, "{name} {scale}: {error:e}, and {bound:e} for the condition {condition:.1}");
    }
    Ok(())
}

fn largest(t: &Tensor) -> Result<f64> {
    Ok(t.abs()?.max_all()?.to_scalar()?)
}

/// Σₙ Aₙ ⊗ (|x| |x|ᵀ)ₙ with x extended by 1, where Aₙ are the diagonal blocks of a matrix in the
/// outputs, \[N·C, N·C\].
fn of_parameters(all: &Tensor, x: &Tensor) -> Result<Tensor> {
    let samples = x.dims()[0];
    let classes = all.dims()[0] / samples;
    let x = Tensor::cat(&[x.abs()?, Tensor::ones((samples, 1), DType::F64, &Device::Cpu)?], 1)?;
    let size = classes * x.dims()[1];
    let mut sum = Tensor::zeros((size, size), DType::F64, &Device::Cpu)?;
    for n in 0..samples {
        let block = all.narrow(0, n * classes, classes)?.narrow(1, n * classes, classes)?;
        let block = block.reshape((classes, 1, classes, 1))?;
        let x = x.narrow(0, n, 1)?;
        let inputs = x.t()?.matmul(&x)?.reshape((1, x.dims()[1], 1, x.dims()[1]))?;
        sum = (sum + block.broadcast_mul(&inputs)?.reshape((size, size))?)?;
    }
    Ok(sum)
}

/// The terms of the Hessian in the outputs, each by its magnitude. Without cancellation these are
/// the magnitudes of its elements. The focal loss of a label y has, for ℓ = log p_y, q = 1 − p_y
/// and f = −w q² ℓ, the Hessian f″ ggᵀ − f′ (diag(p) − ppᵀ) with g = e_y − p, where f″ is a sum of
/// terms of both signs.
fn magnitudes(loss: &Loss, z: &Tensor, t: &Tensor) -> Result<Tensor> {
    if loss.name() != "focal" {
        return Ok(hessian(loss, z, t)?.abs()?);
    }
    let (samples, classes) = z.dims2()?;
    let mut all = vec![vec![0.0; samples * classes]; samples * classes];
    for (n, (z, t)) in z.to_vec2::<f64>()?.iter().zip(t.to_vec2::<f64>()?).enumerate() {
        let Some(y) = t.iter().position(|t| *t > 0.0) else { continue };
        let total: f64 = z.iter().map(|z| z.exp()).sum();
        let p: Vec<f64> = z.iter().map(|z| z.exp() / total).collect();
        let others = |class: usize| (0..classes).filter(|c| *c != class).map(|c| p[c]).sum::<f64>();
        let (w, l, q) = (t[y] / samples as f64, -p[y].ln(), others(y));
        let first = w * (q * q + 2.0 * p[y] * q * l);
        let second = w * (4.0 * p[y] * q + (4.0 * p[y] * p[y] + 2.0 * p[y]) * l);
        let g: Vec<f64> = (0..classes).map(|c| if c == y { q } else { p[c] }).collect();
        for i in 0..classes {
            for j in 0..classes {
                let covariance = if i == j { p[i] * others(i) } else { p[i] * p[j] };
                all[n * classes + i][n * classes + j] = second * g[i] * g[j] + first * covariance;
            }
        }
    }
    Ok(Tensor::new(all, &Device::Cpu)?)
}
