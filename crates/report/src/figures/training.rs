//! Training curves: loss and accuracy on both splits.

use eigenscape_core::results::TrainingRecord;

use super::chart::{Chart, Curve, side_by_side};
use crate::{
    draw::{Axis, Colour, Stroke, legend::Sample},
    figure::Figure,
};

/// A quantity of a training record, if it was recorded.
type Value = fn(&TrainingRecord) -> Option<f64>;

/// Draws the curves; `None` with fewer than two records.
pub fn draw(training: &[TrainingRecord]) -> Option<Figure> {
    let [first, .., last] = training else { return None };
    let (train, test) = (Stroke::solid(Colour::BLUE, 2.0), Stroke::dashed(Colour::VERMILLION, 2.0));
    let curve = |stroke, value: Value| {
        let point = |r: &TrainingRecord| (r.epoch as f64, value(r).unwrap_or(f64::NAN));
        Curve::new(training.iter().map(point).collect(), stroke)
    };
    let chart = |title: &str, curves| Chart {
        x: Axis::integers((first.epoch as f64, last.epoch as f64), 6),
        x_title: "epoch".into(),
        y_title: title.into(),
        curves,
    };
    // Without a test split there is only the training curve.
    let tested = training.iter().any(|r| r.test_loss.is_some());
    let curves = |of_train: Value, of_test: Value| {
        let on_test = tested.then(|| curve(test, of_test));
        [curve(train, of_train)].into_iter().chain(on_test).collect::<Vec<_>>()
    };
    let mut charts = vec![chart("mean loss", curves(|r| Some(r.train_loss), |r| r.test_loss))];
    if training.iter().any(|r| r.train_accuracy.or(r.test_accuracy).is_some()) {
        let percent: [Value; 2] =
            [|r| r.train_accuracy.map(|a| 100.0 * a), |r| r.test_accuracy.map(|a| 100.0 * a)];
        charts.push(chart("accuracy (%)", curves(percent[0], percent[1])));
    }
    if training.iter().any(|r| r.penalty != 0.0) {
        charts
            .push(chart("mean penalty", vec![curve(Stroke::solid(Colour::GREEN, 2.0), |r| Some(r.penalty))]));
    }
    let entries = [(Sample::Line(train), "training".to_owned()), (Sample::Line(test), "test".to_owned())];
    let entries = &entries[..if tested { 2 } else { 1 }];
    let drawing = side_by_side(&charts, entries)?;
    let splits =
        if tested { "the training and the test split" } else { "the training split (there is no other)" };
    let caption = format!(
        "Mean loss (without penalties) and, for classes, the share classified rightly, on {splits} after each epoch; \
         epoch 0 is before training."
    );
    Some(Figure::new("training", "Training", caption, drawing))
}
