//! Losses of every kind of target, with their gradients and second derivatives, against PyTorch's
//! formulas written out by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "common/given.rs"]
mod given;

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Examples, Interrupt, Targets, registry::Environment};
use eigenscape_curvature::{MeanLoss, Point};
use eigenscape_experiment::{
    check,
    choices::Choices,
    diagnostic::Source,
    document::Node,
    evaluate::{Batches, evaluate},
    plan::ExperimentPlan,
    prepare::prepare,
};
use given::{Given, classes, message, registry};

const SAMPLES: usize = 3;
const IN: usize = 2;
const OUT: usize = 3;

/// Numbers without a pattern, from −1 to 1.
fn wave(count: usize, phase: f64) -> Vec<f64> {
    (0..count).map(|i| (i as f64 * 1.7 + phase).sin()).collect()
}

fn tensor(values: Vec<f64>, shape: &[usize]) -> Tensor {
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn shape(channels: usize, places: &[usize]) -> Vec<usize> {
    [&[SAMPLES, channels], places].concat()
}

/// Outputs \[N, O, P\] of the pointwise network at θ = (W, b), as rows of O numbers:
/// z\[n\]\[p\]\[o\].
fn outputs(theta: &[f64], x: &[f64], out: usize, places: usize) -> Vec<Vec<f64>> {
    let (weight, bias) = theta.split_at(out * IN);
    let z = |n: usize, p: usize, o: usize| {
        let sum: f64 = (0..IN).map(|i| weight[o * IN + i] * x[(n * IN + i) * places + p]).sum();
        sum + bias[o]
    };
    let row = |n: usize, p: usize| (0..out).map(|o| z(n, p, o)).collect();
    (0..SAMPLES).flat_map(|n| (0..places).map(move |p| (n, p))).map(|(n, p)| row(n, p)).collect()
}

/// −log softmax(z) of each class.
fn surprises(z: &[f64]) -> Vec<f64> {
    let normaliser = z.iter().map(|z| z.exp()).sum::<f64>().ln();
    z.iter().map(|z| normaliser - z).collect()
}

/// `torch.nn.functional.cross_entropy(z, y, weight, ignore_index=255, label_smoothing)` as its
/// documentation writes it.
fn cross_entropy(z: &[Vec<f64>], y: &[i64], weight: &[f64], smoothing: f64) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (z, y) in z.iter().zip(y).filter(|(_, y)| **y != 255) {
        let (surprises, y) = (surprises(z), *y as usize);
        let smooth: f64 = surprises.iter().zip(weight).map(|(s, w)| s * w).sum::<f64>() / OUT as f64;
        sum += (1.0 - smoothing) * weight[y] * surprises[y] + smoothing * smooth;
        weights += weight[y];
    }
    sum / weights
}

/// The same for soft targets, as the mean over all rows.
fn soft_cross_entropy(z: &[Vec<f64>], t: &[Vec<f64>], weight: &[f64], smoothing: f64) -> f64 {
    let row = |(z, t): (&Vec<f64>, &Vec<f64>)| -> f64 {
        let each = surprises(z).into_iter().zip(t).zip(weight);
        each.map(|((s, t), w)| s * w * ((1.0 - smoothing) * t + smoothing / OUT as f64)).sum()
    };
    z.iter().zip(t).map(row).sum::<f64>() / z.len() as f64
}

/// `binary_cross_entropy_with_logits(z, y)`.
fn binary_cross_entropy(z: &[Vec<f64>], y: &[i64]) -> f64 {
    let each = z.iter().flatten().zip(y).map(|(z, y)| z.exp().ln_1p() - *y as f64 * z);
    each.sum::<f64>() / y.len() as f64
}

fn plan(loss: &str, given: &Given, out: usize) -> ExperimentPlan {
    let text = format!(
        "name = 'targets'\nloss = {loss}\ndata.name = 'given'\nmodel = {{ name = 'pointwise', out = {out} }}\n\
         [[probe]]\nsamples = 'all'\ndtype = 'f64'\nestimator = 'one'"
    );
    let document = Node::parse(&Source::new("targets.toml", text)).unwrap();
    let plan =
        check::document_plan(&document, &Environment::default(), &Choices::default(), &registry(given));
    plan.unwrap_or_else(|failure| panic!("{}", message(failure)))
}

/// Compares loss, slope and curvature along a direction with those of `by_hand` at θ, and the
/// evaluation with the loss.
fn compare(what: &str, loss: &str, examples: Examples, out: usize, by_hand: &dyn Fn(&[f64]) -> f64) {
    let plan = plan(loss, &Given { train: examples, test: None }, out);
    let prepared = prepare(&plan.runs[0]).unwrap_or_else(|failure| panic!("{what}: {}", message(failure)));
    let (theta, v) = (wave(out * IN + out, 0.3), wave(out * IN + out, 0.9));
    let parameters = |theta: &[f64]| {
        let (weight, bias) = theta.split_at(out * IN);
        vec![tensor(weight.to_vec(), &[out, IN, 1]), tensor(bias.to_vec(), &[out])]
    };
    let batch = &prepared.probes[0].batches[0];
    let point = Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: parameters(&theta),
        buffers: vec![],
        inputs: batch.inputs.clone(),
        targets: batch.targets.clone(),
        masks: vec![],
    };
    let (mean, all) = (MeanLoss::of(&prepared.programs, point, usize::MAX).unwrap(), vec![0_usize, 1]);
    let ours = mean.gradient(&all).unwrap();
    let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let found = ours.loss.to_scalar::<f64>().unwrap();
    let moved = |h: f64| by_hand(&theta.iter().zip(&v).map(|(t, v)| t + h * v).collect::<Vec<f64>>());
    let expected = by_hand(&theta);
    assert!((found - expected).abs() < 1e-14 * expected.abs().max(1.0), "{what}: {found} {expected}");
    let gradient: Vec<f64> = ours.gradient.iter().flat_map(numbers).collect();
    let along = |g: &[f64]| g.iter().zip(&v).map(|(g, v)| g * v).sum::<f64>();
    let (slope, step) = (along(&gradient), 1e-5);
    let expected = (moved(step) - moved(-step)) / (2.0 * step);
    assert!((slope - expected).abs() < 1e-9, "{what}: slope {slope} {expected}");
    let direction = tensor(v.clone(), &[1, v.len()]);
    let step = 1e-3;
    let expected =
        (16.0 * (moved(step) + moved(-step)) - (moved(2.0 * step) + moved(-2.0 * step)) - 30.0 * moved(0.0))
            / (12.0 * step * step);
    for product in [mean.hessian(&all), mean.gauss_newton(&all)] {
        let curvature = along(&numbers(&product.unwrap().apply_rows(&direction).unwrap()));
        assert!((curvature - expected).abs() < 1e-8, "{what}: curvature {curvature} {expected}");
    }
    // The evaluated loss of the split is the same mean.
    let split = Batches::new(&prepared.train, &prepared.labels, DType::F64).unwrap();
    let weights = eigenscape_experiment::weights::Weights { parameters: parameters(&theta), buffers: vec![] };
    let evaluated = evaluate(&prepared.programs, &split, &weights, &Interrupt::default()).unwrap();
    assert!((evaluated.loss - found).abs() < 1e-14, "{what}: {} {found}", evaluated.loss);
    assert_eq!(
        evaluated.accuracy.is_some(),
        matches!(prepared.train.targets, Targets::Classes { .. }) && prepared.loss().name() != "output",
        "{what}"
    );
}

const WEIGHT: [f64; OUT] = [1.0, 2.0, 0.5];

#[test]
fn classes_of_examples_tokens_pixels_and_voxels() {
    for places in [&[][..], &[4], &[3, 2], &[2, 3, 2]] {
        let count: usize = places.iter().product();
        let x = wave(SAMPLES * IN * count, 0.1);
        let y: Vec<i64> =
            (0..SAMPLES * count).map(|i| if i % 5 == 3 { 255 } else { (i * 7 % OUT) as i64 }).collect();
        let labels = Tensor::from_slice(&y, [&[SAMPLES], places].concat(), &Device::Cpu).unwrap();
        let examples = || classes(tensor(x.clone(), &shape(IN, places)), labels.clone(), OUT);
        let z = |theta: &[f64]| outputs(theta, &x, OUT, count);
        for (keys, weight, smoothing) in [
            ("", [1.0; OUT], 0.0),
            (", weight = [1.0, 2.0, 0.5]", WEIGHT, 0.0),
            (", label_smoothing = 0.2", [1.0; OUT], 0.2),
            (", weight = [1, 2, 0.5], label_smoothing = 0.2", WEIGHT, 0.2),
        ] {
            let loss = format!("{{ name = 'cross-entropy', ignore_index = 255{keys} }}");
            let by_hand = |theta: &[f64]| cross_entropy(&z(theta), &y, &weight, smoothing);
            compare(&format!("{places:?}{keys}"), &loss, examples(), OUT, &by_hand);
        }
    }
}

/// The focal loss (Lin et al. 2017) over classes, with the cross-entropy's mean.
fn focal(z: &[Vec<f64>], y: &[i64], weight: &[f64], gamma: f64) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (z, y) in z.iter().zip(y).filter(|(_, y)| **y != 255) {
        let (surprise, y) = (surprises(z)[*y as usize], *y as usize);
        sum += weight[y] * (1.0 - (-surprise).exp()).powf(gamma) * surprise;
        weights += weight[y];
    }
    sum / weights
}

#[test]
fn what_is_right_already_counts_less() {
    for places in [&[][..], &[4], &[3, 2]] {
        let count: usize = places.iter().product();
        let x = wave(SAMPLES * IN * count, 0.1);
        let y: Vec<i64> =
            (0..SAMPLES * count).map(|i| if i % 5 == 3 { 255 } else { (i * 7 % OUT) as i64 }).collect();
        let labels = Tensor::from_slice(&y, [&[SAMPLES], places].concat(), &Device::Cpu).unwrap();
        let examples = || classes(tensor(x.clone(), &shape(IN, places)), labels.clone(), OUT);
        for (keys, weight, gamma) in
            [("", [1.0; OUT], 2.0), (", gamma = 0.5, weight = [1.0, 2.0, 0.5]", WEIGHT, 0.5)]
        {
            let loss = format!("{{ name = 'focal', ignore_index = 255{keys} }}");
            let by_hand = |theta: &[f64]| focal(&outputs(theta, &x, OUT, count), &y, &weight, gamma);
            compare(&format!("focal {places:?}{keys}"), &loss, examples(), OUT, &by_hand);
        }
    }
}

/// Real targets \[N, OUT, ...\], also as rows in the order of [`outputs`].
fn real_targets(places: &[usize]) -> (Targets, Vec<Vec<f64>>) {
    let count: usize = places.iter().product();
    let t = wave(SAMPLES * OUT * count, 0.5);
    let row = |n: usize, p: usize| (0..OUT).map(|c| t[(n * OUT + c) * count + p]).collect();
    let rows = (0..SAMPLES).flat_map(|n| (0..count).map(move |p| (n, p))).map(|(n, p)| row(n, p)).collect();
    (Targets::Values(tensor(t.clone(), &shape(OUT, places))), rows)
}

#[test]
fn numbers_are_told_with_or_without_their_variance() {
    for places in [&[][..], &[3, 2]] {
        let count: usize = places.iter().product();
        let x = wave(SAMPLES * IN * count, 0.1);
        let (targets, rows) = real_targets(places);
        let examples =
            || Examples { inputs: tensor(x.clone(), &shape(IN, places)).into(), targets: targets.clone() };
        let mean = |z: &[Vec<f64>], each: &dyn Fn(&[f64], usize, f64) -> f64| {
            let of_row = |(z, t): (&Vec<f64>, &Vec<f64>)| -> f64 {
                t.iter().enumerate().map(|(c, t)| each(z, c, *t)).sum()
            };
            z.iter().zip(&rows).map(of_row).sum::<f64>() / (rows.len() * OUT) as f64
        };
        // Quadratic up to the distance δ = 0.6, linear beyond it.
        let huber = |z: &[f64], c: usize, t: f64| {
            let d = (z[c] - t).abs();
            if d <= 0.6 { 0.5 * d * d } else { 0.6 * (d - 0.3) }
        };
        let by_hand = |theta: &[f64]| mean(&outputs(theta, &x, OUT, count), &huber);
        compare(&format!("huber {places:?}"), "{ name = 'huber', delta = 0.6 }", examples(), OUT, &by_hand);
        for (keys, variance) in
            [("", f64::exp as fn(f64) -> f64), (", variance = 'softplus'", |s| s.exp().ln_1p())]
        {
            let gaussian = |z: &[f64], c: usize, t: f64| {
                let v = variance(z[OUT + c]);
                0.5 * (v.ln() + (z[c] - t).powi(2) / v)
            };
            let by_hand = |theta: &[f64]| mean(&outputs(theta, &x, 2 * OUT, count), &gaussian);
            let loss = format!("{{ name = 'gaussian-nll'{keys} }}");
            compare(&format!("gaussian {places:?}{keys}"), &loss, examples(), 2 * OUT, &by_hand);
        }
    }
}

#[test]
fn a_network_says_itself_what_its_loss_is() {
    for places in [&[][..], &[3, 2]] {
        let count: usize = places.iter().product();
        let x = wave(SAMPLES * IN * count, 0.1);
        // The targets have another shape than the outputs, and the labels are not classes.
        let inputs = || tensor(x.clone(), &shape(IN, places));
        let real = Examples { inputs: inputs().into(), targets: real_targets(&[]).0 };
        let labels = Tensor::new(&[7_i64, -3, 255], &Device::Cpu).unwrap();
        for examples in [real, classes(inputs(), labels, 2)] {
            let by_hand = |theta: &[f64]| {
                let z = outputs(theta, &x, 2, count);
                z.iter().flatten().sum::<f64>() / (2 * z.len()) as f64
            };
            compare(&format!("output {places:?}"), "'output'", examples, 2, &by_hand);
        }
    }
}

#[test]
fn soft_targets_have_the_outputs_shape() {
    for places in [&[][..], &[3, 2], &[2, 3, 2]] {
        let count: usize = places.iter().product();
        let (x, t) = (wave(SAMPLES * IN * count, 0.1), wave(SAMPLES * OUT * count, 0.5));
        let t: Vec<f64> = t.into_iter().map(f64::abs).collect();
        let row = |n: usize, p: usize| (0..OUT).map(|c| t[(n * OUT + c) * count + p]).collect();
        let rows: Vec<Vec<f64>> =
            (0..SAMPLES).flat_map(|n| (0..count).map(move |p| (n, p))).map(|(n, p)| row(n, p)).collect();
        for (keys, weight, smoothing) in
            [("", [1.0; OUT], 0.0), (", weight = [1.0, 2.0, 0.5], label_smoothing = 0.2", WEIGHT, 0.2)]
        {
            let targets = Targets::Values(tensor(t.clone(), &shape(OUT, places)));
            let examples = Examples { inputs: tensor(x.clone(), &shape(IN, places)).into(), targets };
            let loss = format!("{{ name = 'cross-entropy'{keys} }}");
            let by_hand = |theta: &[f64]| {
                soft_cross_entropy(&outputs(theta, &x, OUT, count), &rows, &weight, smoothing)
            };
            compare(&format!("soft {places:?}{keys}"), &loss, examples, OUT, &by_hand);
        }
    }
}

#[test]
fn zero_and_one_are_targets_of_one_logit() {
    for places in [&[][..], &[3, 2]] {
        let count: usize = places.iter().product();
        let x = wave(SAMPLES * IN * count, 0.1);
        let y: Vec<i64> = (0..SAMPLES * count).map(|i| (i % 3 == 0).into()).collect();
        let labels = Tensor::from_slice(&y, [&[SAMPLES], places].concat(), &Device::Cpu).unwrap();
        let examples = classes(tensor(x.clone(), &shape(IN, places)), labels, 2);
        let by_hand = |theta: &[f64]| binary_cross_entropy(&outputs(theta, &x, 1, count), &y);
        compare(&format!("binary {places:?}"), "'binary-cross-entropy'", examples, 1, &by_hand);
    }
}

fn refusal(loss: &str, examples: Examples, out: usize) -> String {
    let plan = plan(loss, &Given { train: examples, test: None }, out);
    prepare(&plan.runs[0]).map_or_else(message, |_| panic!("{loss} is accepted"))
}

#[test]
fn what_is_wrong_with_targets_is_called_by_its_name() {
    let labelled = |y: &[i64], count: usize| {
        let labels = Tensor::from_slice(y, y.len(), &Device::Cpu).unwrap();
        classes(tensor(wave(y.len() * IN, 0.0), &[y.len(), IN]), labels, count)
    };
    let assert = |message: String, parts: &[&str]| {
        for part in parts {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
    };
    // The network does not fit two classes either, but the label is at fault.
    assert(
        refusal("'cross-entropy'", labelled(&[0, -1, 1], 2), 3),
        &["label [1]", "is -1, not a class", "= -1"],
    );
    let all = "{ name = 'cross-entropy', ignore_index = 7 }";
    assert(
        refusal(all, labelled(&[7, 7], 3), 3),
        &["every label of the training split is 7", "ignore_index"],
    );
    let two = "{ name = 'cross-entropy', weight = [1.0, 2.0] }";
    assert(refusal(two, labelled(&[0, 1, 2], 3), 3), &["2 weights", "3 classes"]);
    let none = "{ name = 'cross-entropy', weight = [0.0, 0.0, 1.0] }";
    assert(refusal(none, labelled(&[0, 1], 3), 3), &["every label of the training split has the weight 0"]);
    assert(refusal("'cross-entropy'", labelled(&[0, 1], 2), 3), &["outputs of shape [3]", "2 classes"]);
    assert(refusal("'cross-entropy'", labelled(&[0, 1], 2), 1), &["loss = \"binary-cross-entropy\""]);
    assert(
        refusal("'cross-entropy'", labelled(&[0, 1, 2, 255], 256), 3),
        &["256 classes", "ignore_index = 255"],
    );
    let whole = Targets::Values(tensor(vec![0.0, 2.0], &[2, 1]));
    let floats = Examples { inputs: tensor(wave(4, 0.0), &[2, IN]).into(), targets: whole };
    assert(refusal("'mse'", floats, 3), &["whole numbers", "y.long()"]);
    let negative = Targets::Values(tensor(vec![0.5, 0.5, 1.5, -0.5], &[2, 2]));
    let soft = Examples { inputs: tensor(wave(4, 0.0), &[2, IN]).into(), targets: negative };
    assert(refusal("'cross-entropy'", soft.clone(), 2), &["not negative (soft targets)", "-0.5", "\"mse\""]);
    assert(refusal("'focal'", soft.clone(), 2), &["not negative (soft targets)", "-0.5"]);
    assert(refusal("'binary-cross-entropy'", soft.clone(), 2), &["needs targets from 0 to 1", "1.5"]);
    assert(refusal("'gaussian-nll'", soft, 2), &["outputs of shape [2]", "targets for [2]"]);
    assert(refusal("'gaussian-nll'", labelled(&[0, 1], 2), 4), &["needs real targets", "has classes"]);
}

#[test]
fn gaps_in_the_labels_are_said() {
    let labels = Tensor::new(&[0_i64, 1, 50], &Device::Cpu).unwrap();
    let given = Given { train: classes(tensor(wave(3 * IN, 0.0), &[3, IN]), labels, 51), test: None };
    let plan = plan("'cross-entropy'", &given, 51);
    let prepared = prepare(&plan.runs[0]).map_err(message).unwrap();
    assert_eq!(prepared.warnings, ["of the 51 classes no training sample has classes 2 to 49"]);
    assert_eq!(prepared.loss().name(), "cross-entropy");
}
