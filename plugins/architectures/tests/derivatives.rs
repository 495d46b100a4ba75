//! Compares every architecture's Hessian-vector product with central finite differences of its
//! gradient, in f64.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;
mod numbers;

use candle_core::{Device, Tensor};
use common::network;
use eigenscape_curvature::{Objective, Point};
use eigenscape_losses::cross_entropy;
use eigenscape_program::{Mode, Network, Parameter};
use eigenscape_runtime::Result;
use numbers::{centred, inputs, spread, uniform, values};

/// The largest relative error allowed, in norm over all parameters.
const TOLERANCE: f64 = 1e-6;

/// Step of the differences for smooth networks, as a multiple of the parameters' size.
const SMOOTH: f64 = 1e-6;

/// Step for networks with ReLU and max pooling, so small that units rarely cross a kink.
const KINKED: f64 = 1e-8;

/// The number of directions that are tried to find one along which no unit crosses a kink.
const DRAWS: u64 = 12;

/// A network that is small enough for its derivatives to be computed quickly.
struct Case {
    name: &'static str,
    settings: &'static str,
    sample: &'static [usize],
    samples: usize,
    mode: Mode,
    step: f64,
}

const OUTPUTS: usize = 5;

/// One sample in eval mode.
const fn eval(name: &'static str, sample: &'static [usize], step: f64) -> Case {
    Case { name, settings: "", sample, samples: 1, mode: Mode::Eval, step }
}

/// Four samples in train mode, for networks with batch normalisation.
const fn train(name: &'static str, sample: &'static [usize]) -> Case {
    Case { samples: 4, mode: Mode::Train, ..eval(name, sample, KINKED) }
}

/// The smallest image of which one pixel is left after five poolings.
const VGG_IMAGE: &[usize] = &[1, 32, 32];

/// The smallest image of which one pixel is left after three halvings.
const SMALLEST: &[usize] = &[1, 8, 8];

#[test]
fn small_networks() {
    agree(&[
        eval("mlp", &[3, 4], KINKED),
        Case { settings: "activation = \"tanh\"\nwidths = [5, 4]", samples: 3, ..eval("mlp", &[7], SMOOTH) },
        Case { samples: 2, ..eval("lenet", &[1, 32, 32], KINKED) },
        Case { samples: 2, ..eval("simple-mnist", &[1, 28, 28], KINKED) },
        eval("simple-mnist", &[3, 13, 17], KINKED),
        eval("fully-connected-3", &[1, 8, 8], KINKED),
        Case { settings: "skip = true", ..eval("fully-connected-3", &[1, 8, 8], KINKED) },
        Case { settings: "width = 30", samples: 2, ..eval("fully-connected-5", &[20], KINKED) },
        Case { settings: "width = 30\nskip = true", samples: 2, ..eval("fully-connected-8", &[20], KINKED) },
    ]);
}

#[test]
fn vgg() {
    let names = ["vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"];
    agree(&names.map(|name| eval(name, VGG_IMAGE, KINKED)));
    agree(&["vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"].map(|name| train(name, VGG_IMAGE)));
}

#[test]
fn residual_networks() {
    let names = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"];
    agree(&names.map(|name| eval(name, SMALLEST, KINKED)));
    // The batch statistics of fewer samples would amplify a step, more so in deeper networks, so
    // that more units would cross a kink.
    let many = |name| Case { samples: 8, ..train(name, SMALLEST) };
    agree(&["resnet18", "resnet34", "resnet50"].map(many));
    agree(&["resnet101", "resnet152"].map(|name| Case { step: 1e-9, ..many(name) }));
    // The stem for large images.
    agree(&[eval("resnet18", &[3, 64, 64], KINKED)]);
}

#[test]
fn densenet_and_mobilenet() {
    agree(&[eval("densenet3-40", SMALLEST, KINKED), train("densenet3-40", SMALLEST)]);
    agree(&[eval("mobilenet", &[3, 16, 16], KINKED), train("mobilenet", &[3, 16, 16])]);
}

#[test]
fn transformers() {
    let gpt = |settings| Case { settings, samples: 2, ..eval("gpt", &[6], SMOOTH) };
    agree(&[
        Case { settings: "patch = 4", samples: 2, ..eval("vit-tiny", &[3, 8, 8], SMOOTH) },
        Case { settings: "patch = 4", ..eval("vit-small", &[1, 8, 12], SMOOTH) },
        gpt("n_layer = 2\nn_head = 2\nn_embd = 16"),
        gpt("n_layer = 3\nn_head = 4\nn_embd = 8\nblock_size = 9\nbias = false"),
    ]);
}

/// Checks all cases, then reports those that fail.
fn agree(cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        let start = std::time::Instant::now();
        let error = relative_error(case).map_err(|error| format!("{}: {error}", case.name)).unwrap();
        let line = format!("{} {:?} {:?}: {error:.1e}", case.name, case.settings, case.mode);
        println!("{line} in {:.1} s", start.elapsed().as_secs_f64());
        if error.is_nan() || error > TOLERANCE {
            failures.push(line);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// ‖Hv − (∇L(θ + εv) − ∇L(θ − εv)) / 2ε‖ / ‖Hv‖ at a random θ and v.
fn relative_error(case: &Case) -> Result<f64> {
    let network = network(case.name, case.settings, case.sample, OUTPUTS, case.mode);
    let point = point(&network, case)?;
    let objective = Objective::new(&network, &cross_entropy(), case.samples)?;
    let all: Vec<usize> = (0..point.parameters.len()).collect();
    let gradient = objective.gradient(&all)?;
    let gradient_at = |parameters| -> Result<Vec<Tensor>> {
        Ok(gradient.at(&Point { parameters, ..point.clone() }, &[])?.split_off(2))
    };
    let here = gradient_at(point.parameters.clone())?;
    for draw in 1..=DRAWS {
        let direction = direction(&network, draw)?;
        let step = |signed: f64| gradient_at(combine(&point.parameters, &direction, signed)?);
        let (forward, backward) = (step(case.step)?, step(-case.step)?);
        let both = combine(&forward, &backward, -1.0)?;
        if crosses_a_kink(&here, &forward, &backward, norm(&both)?)? {
            println!("{}: draw {draw} crosses a kink", case.name);
            continue;
        }
        let hv = objective.hessian(&point, &all)?.apply(&direction)?;
        let difference = combine(&hv, &both, -0.5 / case.step)?;
        return Ok(norm(&difference)? / norm(&hv)?);
    }
    panic!("{}: every direction crosses a kink", case.name)
}

/// Whether the steps to the two sides change the gradient differently: g₊ − 2g + g₋ is of second
/// order where the gradient is smooth, but not small relative to g₊ − g₋ where it jumps in between.
/// This does not use the second derivatives under test.
fn crosses_a_kink(here: &[Tensor], forward: &[Tensor], backward: &[Tensor], both: f64) -> Result<bool> {
    let sum = combine(forward, backward, 1.0)?;
    Ok(norm(&combine(&sum, here, -2.0)?)? > 1e-4 * both)
}

/// a + factor·b
fn combine(a: &[Tensor], b: &[Tensor], factor: f64) -> Result<Vec<Tensor>> {
    a.iter().zip(b).map(|(a, b)| Ok((a + (b * factor)?)?)).collect()
}

/// The Euclidean norm over all tensors.
fn norm(tensors: &[Tensor]) -> Result<f64> {
    let square = |tensor: &Tensor| Ok(tensor.sqr()?.sum_all()?.to_scalar::<f64>()?);
    Ok(tensors.iter().map(square).sum::<Result<f64>>()?.sqrt())
}

/// Parameters, running statistics and data without symmetries.
fn point(network: &Network, case: &Case) -> Result<Point> {
    let shape = [&[case.samples], network.output_shape()].concat();
    let rows = shape.iter().product::<usize>() / OUTPUTS;
    let mut targets = vec![0.0; rows * OUTPUTS];
    for (row, u) in targets.chunks_mut(OUTPUTS).zip(uniform("targets", rows)) {
        row[(u * OUTPUTS as f64) as usize] = 1.0;
    }
    Ok(Point {
        backend: eigenscape_cpu::Cpu::shared(),
        parameters: values(network.parameters())?,
        buffers: values(network.buffers())?,
        masks: Vec::new(),
        inputs: inputs(case.name, &[&[case.samples], case.sample].concat(), OUTPUTS)?,
        targets: Tensor::from_vec(targets, shape, &Device::Cpu)?,
    })
}

/// A direction that changes every parameter in proportion to its size.
fn direction(network: &Network, draw: u64) -> Result<Vec<Tensor>> {
    let tangent = |parameter: &Parameter| {
        let tangent = centred(&format!("{} along {draw}", parameter.name), &parameter.shape)?;
        Ok((tangent * spread(parameter))?)
    };
    network.parameters().iter().map(tangent).collect()
}
