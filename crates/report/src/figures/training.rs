//! Training curves: loss and accuracy on both splits.

use eigenscape_core::results::TrainingRecord;

use super::chart::{Chart, Curve, side_by_side};
use crate::{
    draw::{Axis, Colour, Stroke, legend::Sample},
    figure::Figure,
};

/// Nothing without training, or where it has one record only.
pub fn draw(training: &[TrainingRecord]) -> Option<Figure> {
    let [first, .., last] = training else { return None };
    let (train, test) = (Stroke::solid(Colour::BLUE, 2.0), Stroke::dashed(Colour::VERMILLION, 2.0));
    let curve = |stroke, value: fn(&TrainingRecord) -> Option<f64>| {
        let point = |r: &TrainingRecord| (r.epoch as f64, value(r).unwrap_or(f64::NAN));
        Curve::new(training.iter().map(point).collect(), stroke)
    };
    let chart = |title: &str, curves| Chart {
        x: Axis::integers((first.epoch as f64, last.epoch as f64), 6),
        x_title: "epoch".into(),
        y_title: title.into(),
        curves,
    };
    let mut charts = vec![chart(
        "mean loss",
        vec![curve(train, |r| Some(r.train_loss)), curve(test, |r| Some(r.test_loss))],
    )];
    if training.iter().any(|r| r.train_accuracy.or(r.test_accuracy).is_some()) {
        charts.push(chart(
            "accuracy (%)",
            vec![
                curve(train, |r| r.train_accuracy.map(|a| 100.0 * a)),
                curve(test, |r| r.test_accuracy.map(|a| 100.0 * a)),
            ],
        ));
    }
    if training.iter().any(|r| r.penalty != 0.0) {
        charts
            .push(chart("mean penalty", vec![curve(Stroke::solid(Colour::GREEN, 2.0), |r| Some(r.penalty))]));
    }
    let entries = [(Sample::Line(train), "training".to_owned()), (Sample::Line(test), "test".to_owned())];
    let drawing = side_by_side(&charts, &entries)?;
    let caption = "Mean loss (without penalties) and, for classes, the share classified rightly, on the training and \
                   the test split after each epoch; epoch 0 is before training.";
    Some(Figure::new("training", "Training", caption.into(), drawing))
}
