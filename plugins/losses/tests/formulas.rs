//! Values and derivatives up to the third, compared with PyTorch's in `pytorch/`, with 60 digits in
//! `confident/` (`generate.py` wrote both), and with difference quotients.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::{fs, path::Path};

use candle_core::{Device, Tensor};
use common::{Derivatives, error, loss, wave};
use eigenscape_curvature::TargetRows;
use eigenscape_program::{ClassCoding, Loss};
use serde_json::Value;

/// The largest relative error allowed.
const TOLERANCE: f64 = 1e-9;
const NAMES: [&str; 4] = ["loss", "gradient", "hv", "third"];

fn list(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(numbers) => numbers.iter().map(|number| number.as_f64().unwrap()).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn shape(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
}

fn tensor(numbers: &Value, dims: &Value) -> Tensor {
    Tensor::from_vec(list(numbers), shape(dims), &Device::Cpu).unwrap()
}

/// The targets of a case in the form that the loss takes.
fn targets(loss: &Loss, case: &Value, classes: usize) -> Tensor {
    if case["labels"].is_null() {
        return tensor(&case["values"]["numbers"], &case["values"]["shape"]);
    }
    let labels = tensor(&case["labels"]["numbers"], &case["labels"]["shape"]);
    let labels = labels.to_dtype(candle_core::DType::I64).unwrap();
    TargetRows::of_classes(&labels, classes, loss.coding()).unwrap().mean().unwrap()
}

fn walk(folder: &str, least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let keys: toml::Table = serde_json::from_value(case["keys"].clone()).unwrap();
        let loss = loss(case["loss"].as_str().unwrap(), &toml::to_string(&keys).unwrap());
        let dims = shape(&case["shape"]);
        let t = targets(&loss, &case, dims[dims.len() - 1]);
        let (z, v) = (tensor(&case["z"], &case["shape"]), tensor(&case["v"], &case["shape"]));
        assert_eq!(loss.target_shape(&dims).unwrap(), t.dims(), "{}", path.display());
        let ours = Derivatives::new(&loss, &dims, t.dims()).unwrap().at(&z, &t, &v);
        for (name, ours) in NAMES.iter().zip(&ours) {
            let error = error(ours, &list(&case["expected"][name]));
            assert!(error < TOLERANCE, "{}: {name} is off by {error:e}", path.display());
        }
        count += 1;
    }
    assert!(count >= least, "{count} cases");
}

#[test]
fn every_loss_is_pytorch_s() {
    walk("pytorch", 50);
}

#[test]
fn nothing_is_lost_for_a_confident_classifier() {
    walk("confident", 12);
}

#[test]
fn derivatives_are_those_of_the_values() {
    const STEP: f64 = 1e-5;
    for (name, keys) in [
        ("cross-entropy", ""),
        ("focal", "gamma = 2.0"),
        ("focal", "gamma = 0.7"),
        ("binary-cross-entropy", ""),
        ("mse", ""),
        ("huber", "delta = 0.8"),
        ("gaussian-nll", ""),
        ("gaussian-nll", "variance = 'softplus'\nfull = true"),
        ("output", ""),
    ] {
        for shape in [&[3, 4][..], &[2, 3, 4]] {
            let loss = loss(name, keys);
            let of_targets = loss.target_shape(shape).unwrap();
            let derivatives = Derivatives::new(&loss, shape, &of_targets).unwrap();
            let (z, t) = (wave(shape, 0.2, 2.0), wave(&of_targets, 0.7, 1.0).abs().unwrap());
            let (v, w) = (wave(shape, 0.5, 1.0), wave(shape, 0.9, 1.0));
            let at = |step: f64| derivatives.at(&(&z + (&w * step).unwrap()).unwrap(), &t, &v);
            let (after, before, here) = (at(STEP), at(-STEP), at(0.0));
            let dot =
                |x: &[f64], y: &Tensor| -> f64 { x.iter().zip(common::numbers(y)).map(|(x, y)| x * y).sum() };
            let quotient = |after: f64, before: f64| (after - before) / (2.0 * STEP);
            // The loss along w, wᵀH v by the gradient along v, and the form vᵀHv along w.
            let forms = [&after, &before].map(|all| dot(&all[2], &v));
            let slopes = [&after, &before].map(|all| dot(&all[1], &v));
            for (what, found, expected) in [
                ("gradient", dot(&here[1], &w), quotient(after[0][0], before[0][0])),
                ("product", dot(&here[2], &w), quotient(slopes[0], slopes[1])),
                ("third derivative", dot(&here[3], &w), quotient(forms[0], forms[1])),
            ] {
                assert!((found - expected).abs() < 1e-8, "{name} {keys}: {what} {found} {expected}");
            }
        }
    }
}

/// Every derivative of the focal loss is finite even if the odds of all other classes underflow.
#[test]
fn odds_beyond_the_smallest_number_are_no_error() {
    for gap in [700.0, 2_000.0] {
        let z = Tensor::new(&[[gap, 0.0, -1.0], [0.0, gap, 1.0]], &Device::Cpu).unwrap();
        let labels = Tensor::new(&[0_i64, 0], &Device::Cpu).unwrap();
        let t = TargetRows::of_classes(&labels, 3, ClassCoding::default()).unwrap().mean().unwrap();
        for gamma in ["0.0", "0.5", "2.0"] {
            let loss = loss("focal", &format!("gamma = {gamma}"));
            let found =
                Derivatives::new(&loss, &[2, 3], &[2, 3]).unwrap().at(&z, &t, &wave(&[2, 3], 0.1, 1.0));
            assert!(found.iter().flatten().all(|x| x.is_finite()), "{gap} {gamma}: {found:?}");
            assert!((found[0][0] - gap / 2.0).abs() < 1e-9 * gap, "{gap} {gamma}: {:?}", found[0]);
        }
    }
}

#[test]
fn what_a_loss_cannot_use_is_refused() {
    for (name, keys, words) in [
        ("huber", "delta = 0.0", "delta"),
        ("huber", "delta = -1.0", "delta"),
        ("huber", "delta = nan", "delta"),
        ("focal", "gamma = -0.5", "gamma"),
        ("focal", "weight = [1.0, -1.0]", "weight[1]"),
        ("cross-entropy", "weight = [0.0, 0.0]", "no class has a weight above 0"),
        ("cross-entropy", "label_smoothing = 1.0", "label_smoothing"),
        ("gaussian-nll", "eps = -1e-9", "eps"),
        ("gaussian-nll", "variance = 'square'", "variance"),
        ("mse", "delta2 = 1.0", "delta2"),
        ("hubr", "", "nearest: Some(\"huber\")"),
    ] {
        let message = common::built(name, keys).unwrap_err();
        assert!(message.contains(words), "{name} {keys}: {message}");
    }
    let gaussian = loss("gaussian-nll", "");
    assert!(gaussian.target_shape(&[4, 3]).is_err() && gaussian.target_shape(&[]).is_err());
    assert!(Derivatives::new(&loss("focal", ""), &[2, 1], &[2, 1]).is_err());
}
