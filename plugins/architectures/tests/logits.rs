//! Compares every architecture with PyTorch: the logits of `torch/logits.json`, for parameters and
//! inputs that are generated from the tensors' names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;
mod numbers;

use candle_core::{DType, Device, Tensor};
use common::network;
use eigenscape_curvature::{Objective, Point};
use eigenscape_losses::cross_entropy;
use eigenscape_program::Mode;
use eigenscape_runtime::Result;
use numbers::{inputs, values};
use serde::Deserialize;

/// The largest relative error allowed, in norm over all logits.
const TOLERANCE: f64 = 1e-13;

#[derive(Deserialize)]
struct Case {
    name: String,
    settings: toml::Table,
    sample: Vec<usize>,
    logits: Vec<f64>,
}

const OUTPUTS: usize = 10;
const SAMPLES: usize = 2;

#[test]
fn every_architecture_computes_what_pytorch_does() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("torch/logits.json")).unwrap();
    // What these two compute is in files: `tests/layers` and `tests/exported` compare it.
    let in_files = ["sequential", "exported"];
    for (name, _) in common::registry().architectures.iter().filter(|(name, _)| !in_files.contains(name)) {
        assert!(cases.iter().any(|case| case.name == name), "{name} has no case");
    }
    let mut failures = Vec::new();
    for case in &cases {
        let error = relative_error(&logits(case).unwrap(), &case.logits);
        let line = format!("{} {:?} on {:?}: {error:.1e}", case.name, case.settings, case.sample);
        println!("{line}");
        if error.is_nan() || error > TOLERANCE {
            failures.push(line);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

fn logits(case: &Case) -> Result<Vec<f64>> {
    let settings = toml::to_string(&case.settings).unwrap();
    let network = network(&case.name, &settings, &case.sample, OUTPUTS, Mode::Eval);
    let shape = [&[SAMPLES], network.output_shape()].concat();
    let point = Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: values(network.parameters())?,
        buffers: values(network.buffers())?,
        masks: Vec::new(),
        inputs: inputs(&case.name, &[&[SAMPLES], case.sample.as_slice()].concat(), OUTPUTS)?,
        targets: Tensor::zeros(shape, DType::F64, &Device::Cpu)?,
    };
    let outputs = Objective::new(&network, &cross_entropy(), SAMPLES)?.loss()?.at(&point, &[])?.remove(1);
    Ok(outputs.flatten_all()?.to_vec1()?)
}

/// ‖ours − theirs‖ / ‖theirs‖
fn relative_error(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let difference: f64 = ours.iter().zip(theirs).map(|(a, b)| (a - b) * (a - b)).sum();
    (difference / theirs.iter().map(|b| b * b).sum::<f64>()).sqrt()
}
