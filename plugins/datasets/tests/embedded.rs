//! The embedded subset is as its README describes it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::path::Path;

use candle_core::{DType, IndexOp};
use eigenscape_core::{Split, Targets, registry::Environment};
use eigenscape_datasets::{
    fashion_mnist::{EMBEDDED_TEST_PER_CLASS, EMBEDDED_TRAIN_PER_CLASS, embedded},
    location::Roots,
    sets::FASHION_MNIST,
};

#[test]
fn it_is_balanced_and_has_the_published_pixels() {
    for (split, per_class, sum) in [
        (Split::Train, EMBEDDED_TRAIN_PER_CLASS, 344_160_204_u64),
        (Split::Test, EMBEDDED_TEST_PER_CLASS, 56_973_981),
    ] {
        let images = embedded(split).unwrap();
        assert_eq!(images.images().shape(), [10 * per_class, 28, 28]);
        for class in 0..10 {
            let count = images.labels().iter().filter(|label| **label == class).count();
            assert_eq!(count, per_class);
        }
        assert_eq!(images.images().bytes().iter().map(|byte| u64::from(*byte)).sum::<u64>(), sum);
    }
}

#[test]
fn it_is_what_the_rule_gives_on_the_full_set() {
    let places = FASHION_MNIST.customary_places(&Roots::new(&Environment::default()));
    let Ok(place) = FASHION_MNIST.choose(&places) else {
        eprintln!("SKIPPED: the full Fashion-MNIST is not on this machine; {}", FASHION_MNIST.advice());
        return;
    };
    for (split, per_class) in
        [(Split::Train, EMBEDDED_TRAIN_PER_CLASS), (Split::Test, EMBEDDED_TEST_PER_CLASS)]
    {
        let expected =
            FASHION_MNIST.read(&place.open().unwrap(), split).unwrap().balanced(per_class).unwrap();
        assert!(embedded(split).unwrap() == expected, "{split:?} differs from {}", place.folder.display());
    }
}

#[test]
fn it_is_the_default() {
    let set = common::load("fashion-mnist", "", Path::new(""));
    let examples = set.examples(Split::Train).unwrap();
    assert_eq!(examples.inputs.dims(), [6000, 1, 32, 32]);
    let inputs = examples.inputs.all().unwrap();
    assert_eq!((inputs.dims(), inputs.dtype()), (&[6000, 1, 32, 32][..], DType::F32));
    assert_eq!((set.class_names().len(), set.class_names()[9].as_str()), (10, "Ankle boot"));
    let description = set.description();
    for part in
        ["Zalando", "MIT", "6000 training and 1000 test", "inside the program", "28x28 padded to 32x32"]
    {
        assert!(description.contains(part), "no {part:?} in: {description}");
    }

    // The mean over the inner 28x28 pixels is the scaled mean of the bytes.
    let inner = inputs.i((.., .., 2..30, 2..30)).unwrap();
    let mean = inner.to_dtype(DType::F64).unwrap().mean_all().unwrap().to_scalar::<f64>().unwrap();
    let expected = 2.0 * 344_160_204.0 / 255.0 / (6000.0 * 784.0) - 1.0;
    assert!((mean - expected).abs() < 1e-7, "{mean} {expected}");

    let test = set.examples(Split::Test).unwrap();
    let Targets::Classes { labels, classes } = &test.targets else { panic!("classes expected") };
    assert_eq!((labels.dtype(), *classes, test.len()), (DType::U32, 10, 1000));
    assert_eq!(labels.i(..8).unwrap().to_vec1::<u32>().unwrap(), [9, 2, 1, 1, 6, 1, 4, 6]);
}
