//! Training against PyTorch: three steps from the same weights and batches (`tests/training` of the
//! workspace).

#![expect(clippy::unwrap_used, reason = "a test")]

use std::{collections::HashMap, num::NonZeroUsize, path::Path};

use candle_core::{DType, Device, Tensor};
use eigenscape_architectures::{
    lenet::LeNet,
    mlp::{Mlp, Parameters},
};
use eigenscape_core::{Architecture, Examples, Random, Regularizer, Targets};
use eigenscape_curvature::Programs;
use eigenscape_experiment::{
    diagnostic::Source,
    document::Node,
    evaluate::{Batches, scalar},
    labels::Labels,
    optimizer::{Optimizer, Sgd, State},
    plan::{RegularizerPlan, TrainPlan},
    schedule::Schedule,
    train::{EpochLog, Standing, Trainer},
    weights::Weights,
};
use eigenscape_losses::{cross_entropy, mean_squared_error};
use eigenscape_program::{Loss, Network, nn::Activation};
use eigenscape_regularizers::{
    hessian_trace::{HessianTrace, HessianTraceParameters},
    l2::L2,
};

const STEPS: usize = 3;
const BATCH: u32 = 32;
const SGD: Sgd = Sgd { lr: 0.05, momentum: 0.9, dampening: 0.0, nesterov: false, weight_decay: 5e-4 };

/// The file's tensors with this prefix, in the network's order.
fn parameters(tensors: &HashMap<String, Tensor>, prefix: &str, network: &Network) -> Vec<Tensor> {
    network
        .parameters()
        .iter()
        .map(|parameter| tensors[&format!("{prefix}.{}", parameter.name)].clone())
        .collect()
}

fn examples(tensors: &HashMap<String, Tensor>, pad: usize) -> Examples {
    let pixels = tensors["images"].to_dtype(DType::F32).unwrap();
    let scaled = (((pixels / 255.0).unwrap() - 0.5).unwrap() / 0.5).unwrap().unsqueeze(1).unwrap();
    // Padding pixels are −1: shift by 1, pad with 0, shift back.
    let shifted = (scaled + 1.0).unwrap();
    let padded = shifted.pad_with_zeros(2, pad, pad).unwrap().pad_with_zeros(3, pad, pad).unwrap();
    let labels = tensors["labels"].to_dtype(DType::U32).unwrap();
    Examples { inputs: (padded - 1.0).unwrap().into(), targets: Targets::Classes { labels, classes: 10 } }
}

/// ‖a − b‖ / ‖b‖.
fn relative_error(a: &Tensor, b: &Tensor) -> f64 {
    let norm = |tensor: Tensor| {
        let values = tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        values.iter().map(|value| value * value).sum::<f64>().sqrt()
    };
    norm((a - b).unwrap()) / norm(b.clone())
}

fn agrees(file: &str, architecture: impl Architecture + 'static, pad: usize, loss: &Loss) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/training").join(file);
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let examples = examples(&tensors, pad);
    let shape = examples.inputs.dims()[1..].to_vec();
    let network = Network::new(&shape, move |scope, x| architecture.build(scope, x, 10)).unwrap();
    let mut weights = Weights { parameters: parameters(&tensors, "init", &network), buffers: Vec::new() };
    let data = Batches::new(&examples, &Labels::of(loss), DType::F32).unwrap();
    let programs = Programs::new(&network, loss);
    let mut state = State::new(Optimizer::Sgd(SGD));
    let losses = tensors["loss"].to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
    for (step, expected) in (1..=STEPS).zip(losses) {
        let first = (step as u32 - 1) * BATCH;
        let indices: Vec<u32> = (first..first + BATCH).collect();
        let point = data.point(&weights, &indices).unwrap();
        let results = programs.training_step(indices.len()).unwrap().at(&point, &[]).unwrap();
        let loss = scalar(&results[0]).unwrap();
        assert!(
            (loss - expected).abs() < 1e-5 * expected,
            "{file}, step {step}: loss {loss}, not {expected}"
        );
        state.step(SGD.lr, &mut weights.parameters, &results[2..]).unwrap();
        let expected = parameters(&tensors, &format!("step{step}"), &network);
        for (index, (ours, theirs)) in weights.parameters.iter().zip(&expected).enumerate() {
            let error = relative_error(ours, theirs);
            let name = &network.parameters()[index].name;
            assert!(error < 1e-5, "{file}, step {step}: {name} is off by {error:.1e}");
        }
    }
}

#[test]
fn a_lenet_takes_the_steps_of_pytorch() {
    agrees("lenet_sgd.safetensors", LeNet, 2, &cross_entropy());
}

#[test]
fn an_mlp_takes_the_steps_of_pytorch() {
    let mlp = Mlp::new(Parameters { widths: vec![64], activation: Activation::Tanh }).unwrap();
    agrees("mlp_sgd.safetensors", mlp, 0, &mean_squared_error());
}

/// The penalty is Hutchinson's estimate of the trace with the signs of the file.
#[test]
fn a_lenet_takes_the_penalised_steps_of_pytorch() {
    const STRENGTH: f64 = 1e-3;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/training");
    let load = |file: &str| candle_core::safetensors::load(folder.join(file), &Device::Cpu).unwrap();
    let (start, penalised) = (load("lenet_sgd.safetensors"), load("lenet_trace.safetensors"));
    let network = Network::new(&[1, 32, 32], |scope, x| LeNet.build(scope, x, 10)).unwrap();
    let mut weights = Weights { parameters: parameters(&start, "init", &network), buffers: Vec::new() };
    let data = Batches::new(&examples(&start, 2), &Labels::of(&cross_entropy()), DType::F32).unwrap();
    let programs = Programs::new(&network, &cross_entropy());
    let trace: Box<dyn Regularizer> = Box::new(HessianTrace::new(HessianTraceParameters::default()).unwrap());
    let penalty = trace.program(&network, &cross_entropy(), BATCH as usize).unwrap();
    let signs = parameters(&penalised, "signs", &network);
    let sign = |step: usize, probe: usize| {
        let of = |bits: &Tensor| bits.get(step)?.get(probe)?.to_dtype(DType::F32)?.affine(2.0, -1.0);
        Ok::<_, eigenscape_core::Error>(signs.iter().map(of).collect::<candle_core::Result<Vec<Tensor>>>()?)
    };
    let mut state = State::new(Optimizer::Sgd(SGD));
    let traces = penalised["trace"].to_vec1::<f32>().unwrap();
    for (step, expected) in traces.iter().map(|trace| f64::from(*trace)).enumerate() {
        let first = step as u32 * BATCH;
        let indices: Vec<u32> = (first..first + BATCH).collect();
        let point = data.point(&weights, &indices).unwrap();
        let results = programs.training_step(indices.len()).unwrap().at(&point, &[]).unwrap();
        let found = penalty.at(&point, None, (0..2).map(|probe| sign(step, probe))).unwrap();
        let error = (found.mean() - expected).abs() / expected.abs();
        assert!(error < 1e-4, "step {step}: trace {}, not {expected}", found.mean());
        let add = |(g, p): (&Tensor, &Tensor)| (g + (p * STRENGTH).unwrap()).unwrap();
        let gradient: Vec<Tensor> = results[2..].iter().zip(&found.gradient).map(add).collect();
        state.step(SGD.lr, &mut weights.parameters, &gradient).unwrap();
    }
    for (index, theirs) in parameters(&penalised, "step3", &network).iter().enumerate() {
        let error = relative_error(&weights.parameters[index], theirs);
        assert!(error < 1e-4, "{} is off by {error:.1e}", network.parameters()[index].name);
    }
    // The penalty matters: without it the third step is elsewhere.
    let plain = parameters(&start, "step3", &network);
    let moved = weights.parameters.iter().zip(&plain).map(|(ours, plain)| relative_error(ours, plain));
    assert!(moved.fold(0.0, f64::max) > 1e-3);
}

fn trained(optimizer: Sgd, regularizers: Vec<RegularizerPlan>) -> (Vec<Tensor>, EpochLog) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/training/mlp_sgd.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let mlp = Mlp::new(Parameters { widths: vec![64], activation: Activation::Tanh }).unwrap();
    let network = Network::new(&[1, 28, 28], move |scope, x| mlp.build(scope, x, 10)).unwrap();
    let weights = Weights { parameters: parameters(&tensors, "init", &network), buffers: Vec::new() };
    let data = Batches::new(&examples(&tensors, 0), &Labels::of(&cross_entropy()), DType::F32).unwrap();
    let plan = TrainPlan {
        epochs: NonZeroUsize::MIN,
        batch_size: NonZeroUsize::new(BATCH as usize).unwrap(),
        optimizer: Optimizer::Sgd(optimizer),
        schedule: Schedule::default(),
        regularizers,
        keep_every: 10.0,
    };
    let programs = Programs::new(&network, &cross_entropy());
    let mut trainer = Trainer::new(&plan, &programs, Random::new(1));
    let mut standing = Standing::new(plan.optimizer, weights).at_start_of(1);
    trainer.epoch(&data, &mut standing, |_| Ok(())).unwrap();
    let Standing { weights, log, .. } = standing;
    if !plan.regularizers.is_empty() {
        let records = log.penalty_records(&plan);
        assert!(
            (log.mean_penalty(&plan)
                - records[0].strength * records[0].value * records[0].count as f64 / 3.0)
                .abs()
                < 1e-9
        );
        assert_eq!((records[0].count, records[0].stderr), (log.penalties.len(), None));
    }
    (weights.parameters, log)
}

fn l2(every: usize, from_epoch: usize) -> RegularizerPlan {
    let node = Node::parse(&Source::new("experiment.toml", "")).unwrap();
    let every = NonZeroUsize::new(every).unwrap();
    RegularizerPlan {
        name: "l2".to_owned(),
        node,
        regularizer: Box::<L2>::default(),
        strength: 0.05,
        every,
        from_epoch,
    }
}

#[test]
fn a_squared_norm_is_a_weight_decay_of_twice_its_strength() {
    let decayed = Sgd { weight_decay: 0.1, ..SGD };
    let free = Sgd { weight_decay: 0.0, ..SGD };
    let (expected, _) = trained(decayed, vec![]);
    let (found, log) = trained(free, vec![l2(1, 0)]);
    assert_eq!((log.steps.len(), log.penalties.len()), (STEPS, STEPS));
    for (found, expected) in found.iter().zip(&expected) {
        assert!(relative_error(found, expected) < 1e-6);
    }
    let (without, _) = trained(free, vec![]);
    assert!(relative_error(&without[0], &expected[0]) > 1e-3);
}

#[test]
fn a_penalty_is_added_when_it_is_due() {
    let steps = |log: EpochLog| log.penalties.iter().map(|log| log.step).collect::<Vec<_>>();
    assert_eq!(steps(trained(SGD, vec![l2(2, 0)]).1), [0, 2]);
    assert_eq!(steps(trained(SGD, vec![l2(50, 0)]).1), [0]);
    assert!(!l2(1, 1).is_due(0, 0) && l2(1, 1).is_due(1, 0));
}
