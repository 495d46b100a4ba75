//! The tables that are embedded in the program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod common;

use std::path::Path;

use common::{assert_says, load, refusal};
use eigenscape_core::{Split, Targets};

#[test]
fn tables_are_split_and_standardised() {
    for (name, [train, test, features], outputs) in
        [("iris", [120, 30, 4], 3), ("wine-quality", [1279, 320, 11], 6), ("diabetes", [353, 88, 10], 1)]
    {
        let set = load(name, "", Path::new(""));
        let examples = set.examples(Split::Train).unwrap();
        assert_eq!((examples.inputs.dims(), examples.outputs()), (&[train, features][..], outputs), "{name}");
        assert_eq!(set.examples(Split::Test).unwrap().len(), test);
        let columns = examples.inputs.all().unwrap().t().unwrap().to_vec2::<f32>().unwrap();
        for column in columns {
            let mean = column.iter().map(|x| f64::from(*x)).sum::<f64>() / train as f64;
            let variance = column.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / train as f64;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{name}: {mean} {variance}");
        }
        assert!(set.background().is_none(), "a row is no image");
    }
}

#[test]
fn targets_are_classes_or_real() {
    let targets =
        |name, parameters| load(name, parameters, Path::new("")).examples(Split::Train).unwrap().targets;
    let Targets::Classes { labels, classes: 3 } = targets("iris", "test_share = 0.0") else {
        panic!("classes expected")
    };
    let labels = labels.to_vec1::<u32>().unwrap();
    assert_eq!([0, 1, 2].map(|class| labels.iter().filter(|label| **label == class).count()), [50; 3]);
    let Targets::Values(values) = targets("diabetes", "standardise = false\ntest_share = 0.0") else {
        panic!("values expected")
    };
    let values = values.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!((values.len(), values.iter().copied().fold(0.0, f32::max)), (441, 346.0));
    let Targets::Values(values) = targets("wine-quality", "regression = true") else {
        panic!("values expected")
    };
    assert_eq!(values.dims(), [1279, 1]);
}

#[test]
fn a_share_is_below_one() {
    assert_says(&refusal("iris", "test_share = 1.0", Path::new("")), &["data.test_share", "less than 1"]);
}
