//! Training on images that are changed at random.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Error, Examples, Random, Targets};
use eigenscape_curvature::Programs;
use eigenscape_experiment::{
    augment::{Augmentation, Change},
    evaluate::Batches,
    labels::Labels,
    plan::ExperimentPlan,
    train::{Standing, Trainer},
    weights::Weights,
};
use eigenscape_losses::cross_entropy;
use eigenscape_program::{Mode, Network, nn};

const EPOCH: usize = 1;

/// The plan of a training in batches of 4, of which the last is smaller.
fn plan() -> ExperimentPlan {
    use eigenscape_experiment::{check, choices::Choices, diagnostic::Source, document::Node};
    let text = "name = 'x'\ndata.name = 'fashion-mnist'\nmodel.name = 'mlp'\n[train]\nepochs = 1\nbatch_size = 4\noptimizer = { name = 'sgd', lr = 0.1, momentum = 0.9 }";
    let document = Node::parse(&Source::new("experiment.toml", text)).unwrap();
    check::document_plan(&document, &Default::default(), &Choices::default(), &common::registry()).unwrap()
}

fn examples(inputs: &Tensor) -> Batches {
    let labels = Tensor::from_vec((0..10_u32).map(|n| n % 3).collect(), 10, &Device::Cpu).unwrap();
    let examples =
        Examples { inputs: inputs.clone().into(), targets: Targets::Classes { labels, classes: 3 } };
    Batches::new(&examples, &Labels::of(&cross_entropy()), DType::F32).unwrap()
}

/// The parameters after an epoch that was interrupted after each of these numbers of steps, and
/// resumed.
fn trained(inputs: &Tensor, augment: Option<&Augmentation>, broken_off: &[usize]) -> Vec<Vec<f32>> {
    let network = Network::new(&[2, 5, 5], |scope, x| {
        let x = nn::flatten(scope, x)?;
        nn::linear(scope, x, 3, true)
    });
    let network = network.unwrap().in_mode(Mode::Train).unwrap();
    let weights = Weights::initial(&network, Random::new(1)).unwrap();
    let plan = plan();
    let train = plan.runs[0].train.as_ref().unwrap();
    let programs = Programs::new(&network, &cross_entropy());
    let mut trainer = Trainer::new(train, &programs, Random::new(5)).augmented(augment);
    let mut standing = Standing::new(train.optimizer, weights).at_start_of(EPOCH);
    for steps in broken_off {
        let watch = |standing: &Standing| match standing.log.steps.len() {
            done if done == *steps => Err(Error::Interrupted.into()),
            _ => Ok(()),
        };
        assert!(trainer.epoch(&examples(inputs), &mut standing, watch).is_err());
    }
    trainer.epoch(&examples(inputs), &mut standing, |_| Ok(())).unwrap();
    standing.weights.parameters.iter().map(|p| p.flatten_all().unwrap().to_vec1().unwrap()).collect()
}

#[test]
fn each_step_sees_its_own_images_changed() {
    let pixels: Vec<f32> = (0..10 * 50).map(|i| ((i * 37) % 101) as f32 / 101.0).collect();
    let inputs = Tensor::from_vec(pixels, (10, 2, 5, 5), &Device::Cpu).unwrap();
    let changes = vec![Change::Flip, Change::Rotate(15.0), Change::Crop(2)];
    let augmentation = Augmentation::new(changes, vec![-1.0, -0.5]);
    let all: Vec<u32> = (0..10).collect();
    let changed = augmentation.batch(&inputs.clone().into(), &all, Random::new(5), EPOCH).unwrap();
    let augmented = trained(&inputs, Some(&augmentation), &[]);
    assert_eq!(augmented, trained(&changed, None, &[]), "the same bits as images changed beforehand");
    assert_ne!(augmented, trained(&inputs, None, &[]));
    assert_eq!(
        augmented,
        trained(&inputs, Some(&augmentation), &[1, 2]),
        "the same bits when it is broken off"
    );
}
