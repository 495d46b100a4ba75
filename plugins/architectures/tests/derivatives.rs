//! Every architecture's Hessian-vector product against central finite differences of its gradient, in f64.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use candle_core::{DType, Device, Tensor};
use common::network;
use eigenscape_autodiff::{Loss, Mode, Network, Objective, Parameter, Point, Result};
use eigenscape_core::Random;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// The largest relative error allowed, in norm over all parameters.
const TOLERANCE: f64 = 1e-6;

/// Step of the differences for networks that are smooth, as a multiple of the parameters' size.
const SMOOTH: f64 = 1e-6;

/// Step for networks of ReLU and max pooling: so small that hardly a unit crosses a kink.
const KINKED: f64 = 1e-8;

/// Directions that are tried before one is found along which no unit crosses a kink.
const DRAWS: usize = 12;

/// A network at a size at which its derivatives are computed quickly.
struct Case {
    name: &'static str,
    settings: &'static str,
    sample: &'static [usize],
    samples: usize,
    mode: Mode,
    step: f64,
    /// The direction that is tried first: one that is known to cross no kink saves the search for it.
    draw: u64,
}

const OUTPUTS: usize = 5;

/// One sample in eval mode.
const fn eval(name: &'static str, sample: &'static [usize], step: f64) -> Case {
    Case { name, settings: "", sample, samples: 1, mode: Mode::Eval, step, draw: 1 }
}

/// Four samples in train mode, for networks with batch normalisation.
const fn train(name: &'static str, sample: &'static [usize]) -> Case {
    Case { samples: 4, mode: Mode::Train, ..eval(name, sample, KINKED) }
}

/// The smallest image that five poolings leave a pixel of.
const VGG_IMAGE: &[usize] = &[1, 32, 32];

/// The smallest image of which a pixel is left after three halvings.
const SMALLEST: &[usize] = &[1, 8, 8];

/// An image of which batch normalisation in train mode finds four pixels in the last stage.
const SMALL: &[usize] = &[1, 16, 16];

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
    agree(&["resnet18", "resnet34", "resnet50"].map(|name| train(name, SMALL)));
    // A hundred layers multiply a step, and more units are on its way.
    agree(&[("resnet101", 1), ("resnet152", 9)].map(|(name, draw)| Case {
        step: 1e-9,
        draw,
        ..train(name, SMALL)
    }));
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

/// Checks every case before it says which fail.
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
    let point = point(&network, case, &mut Random::new(0).stream(case.name, 0))?;
    let objective = Objective::new(&network, Loss::CrossEntropy, case.samples)?;
    let all: Vec<usize> = (0..point.parameters.len()).collect();
    let gradient = objective.gradient(&all)?;
    let gradient_at = |parameters| -> Result<Vec<Tensor>> {
        Ok(gradient.at(&Point { parameters, ..point.clone() }, &[])?.split_off(2))
    };
    let here = gradient_at(point.parameters.clone())?;
    for draw in (case.draw..).take(DRAWS) {
        let mut generator = Random::new(0).stream(case.name, draw);
        let direction = network.parameters().iter().map(|p| noise(&p.shape, size(p), &mut generator));
        let direction = direction.collect::<Result<Vec<_>>>()?;
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

/// Whether the steps to the two sides change the gradient differently: g₊ − 2g + g₋ is of second order where the gradient is smooth,
/// and not small beside g₊ − g₋ where it jumps between. No second derivative of ours is asked.
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

/// Random parameters, running statistics and data. Every tensor is random, so that nothing is zero or one by symmetry.
fn point(network: &Network, case: &Case, generator: &mut impl Rng) -> Result<Point> {
    let mut around = |declared: &Parameter| -> Result<Tensor> {
        let noise = noise(&declared.shape, size(declared), generator)?;
        let scale = declared.shape.len() == 1 && declared.name.ends_with("weight");
        let centre = if scale || declared.name.ends_with("running_var") { 1.0 } else { 0.0 };
        Ok((noise + centre)?)
    };
    let parameters = network.parameters().iter().map(&mut around).collect::<Result<_>>()?;
    let buffers = network.buffers().iter().map(&mut around).collect::<Result<_>>()?;
    let shape = [&[case.samples], case.sample].concat();
    let inputs = if case.name == "gpt" {
        let tokens = (0..shape.iter().product()).map(|_| generator.random_range(0..OUTPUTS) as f64);
        Tensor::from_vec(tokens.collect(), shape, &Device::Cpu)?
    } else {
        noise(&shape, 1.0, generator)?
    };
    let shape = [&[case.samples], network.output_shape()].concat();
    let mut targets = vec![0.0; shape.iter().product()];
    for row in targets.chunks_mut(OUTPUTS) {
        row[generator.random_range(0..OUTPUTS)] = 1.0;
    }
    let targets = Tensor::from_vec(targets, shape, &Device::Cpu)?;
    Ok(Point { parameters, buffers, masks: Vec::new(), inputs, targets })
}

/// The standard deviation of a tensor's random numbers: √(1/fan-in) for weights.
fn size(declared: &Parameter) -> f64 {
    match declared.shape.as_slice() {
        [_, fan_in @ ..] if !fan_in.is_empty() => (1.0 / fan_in.iter().product::<usize>() as f64).sqrt(),
        _ => 0.1,
    }
}

fn noise(shape: &[usize], std: f64, generator: &mut impl Rng) -> Result<Tensor> {
    let mut draw = || -> f64 { StandardNormal.sample(generator) };
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| std * draw()).collect();
    let noise = Tensor::from_vec(values, shape, &Device::Cpu)?;
    debug_assert_eq!(noise.dtype(), DType::F64);
    Ok(noise)
}
