//! Every architecture against PyTorch: the logits of `torch/logits.json`, whose parameters and inputs follow from the tensors' names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod common;

use candle_core::{DType, Device, Tensor};
use common::network;
use eigenscape_autodiff::{Loss, Mode, Objective, Parameter, Point, Result};
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
    for (name, _) in common::registry().architectures.iter().filter(|(name, _)| *name != "sequential") {
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
    let all = |declared: &[Parameter]| declared.iter().map(values).collect::<Result<Vec<_>>>();
    let shape = [&[SAMPLES], network.output_shape()].concat();
    let point = Point {
        parameters: all(network.parameters())?,
        buffers: all(network.buffers())?,
        masks: Vec::new(),
        inputs: inputs(case)?,
        targets: Tensor::zeros(shape, DType::F64, &Device::Cpu)?,
    };
    let outputs = Objective::new(&network, Loss::CrossEntropy, SAMPLES)?.loss()?.at(&point, &[])?.remove(1);
    Ok(outputs.flatten_all()?.to_vec1()?)
}

/// `count` numbers in [0, 1) that follow from `name`: the key by FNV-1a, the numbers by SplitMix64.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let hash = |key: u64, byte| (key ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let key = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    (1..=count as u64).map(move |i| {
        let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(key);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 * 0.5_f64.powi(53)
    })
}

/// A parameter's or buffer's numbers: of variance 1/fan-in for weights, about 1 for scales and variances, otherwise about 0.
fn values(declared: &Parameter) -> Result<Tensor> {
    let Parameter { name, shape, .. } = declared;
    let (scale, centre) = match shape.as_slice() {
        [_, fan_in @ ..] if !fan_in.is_empty() => {
            ((3.0 / fan_in.iter().product::<usize>() as f64).sqrt(), 0.0)
        }
        _ => (0.2, f64::from(name.ends_with("weight") || name.ends_with("running_var"))),
    };
    let numbers = uniform(name, shape.iter().product()).map(|u| (2.0 * u - 1.0) * scale + centre);
    Ok(Tensor::from_vec(numbers.collect(), shape.as_slice(), &Device::Cpu)?)
}

fn inputs(case: &Case) -> Result<Tensor> {
    let shape = [&[SAMPLES], case.sample.as_slice()].concat();
    let tokens = case.name == "gpt";
    let number = |u: f64| if tokens { (u * OUTPUTS as f64).floor() } else { 2.0 * u - 1.0 };
    let numbers = uniform("x", shape.iter().product()).map(number);
    Ok(Tensor::from_vec(numbers.collect(), shape, &Device::Cpu)?)
}

/// ‖ours − theirs‖ / ‖theirs‖
fn relative_error(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let difference: f64 = ours.iter().zip(theirs).map(|(a, b)| (a - b) * (a - b)).sum();
    (difference / theirs.iter().map(|b| b * b).sum::<f64>()).sqrt()
}
