//! The examples that a probe measures on, and the messages about them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "common/given.rs"]
mod given;

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{Curvature, Examples, registry::Environment};
use eigenscape_experiment::{
    Result, check, choices::Choices, diagnostic::Source, document::Node, plan::ExperimentPlan,
    prepare::prepare,
};
use given::{Given, classes, message, registry};

const EACH: usize = 25;
const CLASSES: usize = 4;

/// Examples sorted by class, as in a folder of images. Each has its index as its only number.
fn sorted(each: usize) -> Examples {
    let count = each * CLASSES;
    let inputs = Tensor::from_iter((0..count).map(|i| i as f32), &Device::Cpu).unwrap();
    let labels = Tensor::from_iter((0..count).map(|i| (i / each) as i64), &Device::Cpu).unwrap();
    classes(inputs.reshape((count, 1)).unwrap(), labels, CLASSES)
}

fn checked(probe: &str, rest: &str) -> Result<ExperimentPlan> {
    let test = Some(sorted(3));
    given(probe, rest, &Given { train: sorted(EACH), test })
}

fn given(probe: &str, rest: &str, given: &Given) -> Result<ExperimentPlan> {
    let text = format!(
        "name = 'samples'\ndata.name = 'given'\nmodel = {{ name = 'mlp', widths = [] }}\n{rest}\n\
         [[probe]]\nestimator = 'one'\n{probe}"
    );
    let document = Node::parse(&Source::new("samples.toml", text)).unwrap();
    check::document_plan(&document, &Environment::default(), &Choices::default(), &registry(given))
}

/// The indices of each batch.
fn sample(probe: &str, seed: u64) -> Vec<Vec<usize>> {
    let plan = checked(probe, &format!("seed = {seed}")).map_err(message).unwrap();
    let prepared = prepare(&plan.runs[0]).map_err(message).unwrap();
    let indices = |inputs: &Tensor| inputs.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let batches = prepared.probes[0].batches.iter();
    batches.map(|batch| indices(&batch.inputs).into_iter().map(|i| i as usize).collect()).collect()
}

fn refusal(probe: &str) -> String {
    let refused = checked(probe, "").and_then(|plan| prepare(&plan.runs[0]).map(|_| ()));
    refused.map_or_else(message, |()| panic!("{probe} is accepted"))
}

#[test]
fn a_sample_is_drawn_by_the_seed() {
    let [one] = <[_; 1]>::try_from(sample("samples = 40", 1)).unwrap();
    assert_eq!(one.len(), 40);
    assert!(one.is_sorted_by(|a, b| a < b), "each once, in the order of the file");
    assert_eq!(one, sample("samples = 40", 1)[0]);
    assert_ne!(one, sample("samples = 40", 2)[0]);
    assert!((0..CLASSES).all(|class| one.iter().any(|index| index / EACH == class)), "{one:?}");
    // A smaller sample is part of a larger one, and a sample per class depends on the same order.
    let smaller = &sample("samples = 10", 1)[0];
    assert!(smaller.iter().all(|index| one.contains(index)));
    assert_eq!(sample("samples = 40\ntake = 'first'", 1)[0], (0..40).collect::<Vec<_>>());
    assert_eq!(sample("samples = 'all'", 1)[0], (0..100).collect::<Vec<_>>());
    let test = &sample("samples = 5\nsplit = 'test'", 1)[0];
    assert!(test.len() == 5 && test.iter().all(|index| *index < 3 * CLASSES));
}

#[test]
fn a_sample_of_each_class_has_as_many_of_each() {
    let count = |indices: &[usize]| -> Vec<usize> {
        (0..CLASSES).map(|class| indices.iter().filter(|index| *index / EACH == class).count()).collect()
    };
    let one = &sample("samples_per_class = 3", 1)[0];
    assert_eq!(count(one), [3; CLASSES]);
    assert_ne!(*one, sample("samples_per_class = 3", 2)[0]);
    let first: Vec<usize> = (0..CLASSES).flat_map(|class| (0..3).map(move |i| class * EACH + i)).collect();
    assert_eq!(sample("samples_per_class = 3\ntake = 'first'", 1)[0], first);
    for batch in sample("samples_per_class = 3\nbatches = 8", 1) {
        assert_eq!(count(&batch), [3; CLASSES]);
    }
}

#[test]
fn batches_are_disjoint() {
    for probe in [
        "samples = 12\nbatches = 8",
        "samples_per_class = 3\nbatches = 8",
        "samples = 12\nbatches = 8\ntake = 'first'",
    ] {
        let batches = sample(probe, 3);
        assert_eq!(batches.len(), 8);
        let mut all: Vec<usize> = batches.concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 8 * 12, "{probe}");
        assert_eq!(batches[0], sample(&probe.replace("batches = 8", ""), 3)[0]);
    }
}

#[test]
fn more_than_there_is_is_refused_with_the_numbers() {
    for (probe, parts) in [
        ("samples = 101", &["101 samples", "training split has 100"][..]),
        ("samples = 13\nsplit = 'test'", &["13 samples", "test split has 12"]),
        ("samples = 30\nbatches = 4", &["4 disjoint batches of 30 samples are 120", "has 100", "4 of 25"]),
        ("samples = 'all'\nbatches = 2", &["2 disjoint batches of 100 samples are 200"]),
        ("samples_per_class = 9\nbatches = 3", &["class 0 has 25", "3 disjoint batches of 9", "27"]),
        ("samples_per_class = 26", &["class 0 has 25 training samples, fewer than 26"]),
        ("samples = 100\nbatches = 1000000000000000000", &["disjoint batches", "more than can be counted"]),
        ("samples_per_class = 10\nbatches = 1000000000000000000", &["disjoint batches"]),
    ] {
        let message = refusal(probe);
        assert!(parts.iter().all(|part| message.contains(part)), "{probe}: {message}");
    }
}

#[test]
fn classes_that_a_sample_misses_are_said() {
    let plan = checked("samples = 30\ntake = 'first'", "").map_err(message).unwrap();
    let prepared = prepare(&plan.runs[0]).map_err(message).unwrap();
    assert_eq!(prepared.missing, ["[[probe]] number 1: the 30 training samples lack classes 2, 3"]);
    let plan = checked("samples = 25\nbatches = 2\ntake = 'first'", "").map_err(message).unwrap();
    let prepared = prepare(&plan.runs[0]).map_err(message).unwrap();
    let second = "[[probe]] number 1: the 25 training samples of batch 1 lack classes 0, 2, 3";
    assert_eq!(prepared.missing[1], second);
    // A class without examples is not required in a sample of each class.
    let labels = Tensor::from_iter((0..20_i64).map(|i| 2 * (i % 2)), &Device::Cpu).unwrap();
    let inputs = Tensor::zeros((20, 1), DType::F32, &Device::Cpu).unwrap();
    let gap = Given { train: classes(inputs, labels, 3), test: None };
    let plan = given("samples_per_class = 5", "", &gap).map_err(message).unwrap();
    let prepared = prepare(&plan.runs[0]).map_err(message).unwrap();
    assert_eq!(prepared.warnings, ["of the 3 classes no training sample has class 1"]);
    assert_eq!(prepared.probes[0].samples(), 10);
}

#[test]
fn what_the_experiment_has_not_cannot_be_asked_for() {
    let train =
        |optimizer: &str| format!("train = {{ epochs = 1, batch_size = 10, optimizer = {optimizer} }}");
    let refused = |probe: &str, rest: &str, from: &Given| {
        given(probe, rest, from).map_or_else(message, |_| panic!("{probe} is accepted"))
    };
    let data = Given { train: sorted(EACH), test: None };
    let none = refused("samples = 5\naugment = true", "", &data);
    assert!(none.contains("declares no augmentation"), "{none}");
    let none = refused("samples = 5\nsplit = 'test'", "", &data);
    assert!(none.contains("no test split"), "{none}");
    let decay = "samples = 5\nweight_decay = true";
    let none = refused(decay, "", &data);
    assert!(none.contains("nothing is trained"), "{none}");
    let beside = refused(decay, &train("{ name = 'adamw', lr = 0.1, weight_decay = 0.1 }"), &data);
    assert!(beside.contains("\"adamw\"") && beside.contains("\"adam\" or \"sgd\""), "{beside}");
    for (optimizer, expected) in [
        ("{ name = 'sgd', lr = 0.1, weight_decay = 0.25 }", 0.25),
        ("{ name = 'adam', lr = 0.1, weight_decay = 0.5 }", 0.5),
        ("{ name = 'sgd', lr = 0.1 }", 0.0),
    ] {
        let plan = given(decay, &train(optimizer), &data).map_err(message).unwrap();
        let prepared = prepare(&plan.runs[0]).map_err(message).unwrap();
        let probe = &prepared.probes[0];
        let shift = |curvature| probe.shift(curvature, &probe.groups[0]);
        assert_eq!([Curvature::Hessian, Curvature::GaussNewton].map(shift), [expected; 2]);
        assert_eq!(shift(Curvature::Residual), 0.0);
        assert_eq!(!plan.warnings.is_empty(), expected == 0.0, "{:?}", plan.warnings);
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let data = Given { train: sorted(EACH), test: None };
    for (probe, rest, part) in [
        ("samples = 5\nbatches = 0", "", "`probe[0].batches` must be at least 1"),
        ("samples = 5\ntake = 'last'", "", "`probe[0].take` cannot be \"last\""),
        ("samples = 5\nsplit = 'validation'", "", "`probe[0].split` cannot be \"validation\""),
        (
            "samples = 5\nbatches = 2\n[[expect]]\nclaim = 'so'\nquantity = 'outliers'\nis = 'equal-to-classes'",
            "",
            "`outliers` is judged in a single spectrum",
        ),
        ("samples = 5", "loss = { name = 'cross-entropy', weight = [1.0, -2.0] }", "`weight[1]` is -2"),
        (
            "samples = 5",
            "loss = { name = 'cross-entropy', weight = [0, 0] }",
            "no class has a weight above 0",
        ),
        ("samples = 5", "loss = { name = 'mse', weight = [1.0, 2.0] }", "has no key `weight`"),
    ] {
        let refused = given(probe, rest, &data).map_or_else(message, |_| panic!("{probe} is accepted"));
        assert!(refused.contains(part), "{probe} {rest}: {refused}");
    }
}

/// Images of one row, flipped or not.
#[test]
fn samples_are_augmented_as_in_training() {
    let inputs = Tensor::from_iter((0..40 * 4).map(|i| i as f32), &Device::Cpu).unwrap();
    let labels = Tensor::from_iter((0..40_i64).map(|i| i % 2), &Device::Cpu).unwrap();
    let images = classes(inputs.reshape((40, 1, 1, 4)).unwrap(), labels, 2);
    let data = Given { train: images, test: None };
    let inputs = |probe: &str| -> Vec<Vec<f32>> {
        let plan = given(probe, "data.augment = ['flip']", &data).map_err(message).unwrap();
        let prepared = prepare(&plan.runs[0]).map_err(message).unwrap();
        prepared.probes[0].batches[0].inputs.flatten_from(1).unwrap().to_vec2().unwrap()
    };
    let (plain, augmented) = (inputs("samples = 30"), inputs("samples = 30\naugment = true"));
    let flipped = plain.iter().zip(&augmented).filter(|(before, after)| {
        assert!(before == after || before.iter().eq(after.iter().rev()), "{before:?} {after:?}");
        before != after
    });
    let flipped = flipped.count();
    assert!((5..25).contains(&flipped), "{flipped} of 30");
    assert_eq!(augmented, inputs("samples = 30\naugment = true"), "the same at every epoch");
}
