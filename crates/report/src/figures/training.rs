//! Training curves: loss and accuracy on both splits.

use eigenscape_analysis::uncertainty::Number;
use eigenscape_core::results::TrainingRecord;

use crate::{
    data::distinct,
    draw::{Axis, axis::range},
    plot::{Curve, Frame, Line, Mark, Plot, Style},
    variants::Variant,
};

/// A quantity of a training record, if it was recorded.
type Value = fn(&TrainingRecord) -> Option<f64>;

/// A title, the values on the training and on the test split, and the possible range.
type Quantity = (&'static str, [Option<Value>; 2], [f64; 2]);

/// Each quantity on the training and on the test split, and the ends of its possible values. A
/// penalty may be negative.
const QUANTITIES: [Quantity; 3] = [
    ("mean loss", [Some(|r| Some(r.train_loss)), Some(|r| r.test_loss)], [0.0, f64::INFINITY]),
    (
        "accuracy (%)",
        [Some(|r| r.train_accuracy.map(|a| 100.0 * a)), Some(|r| r.test_accuracy.map(|a| 100.0 * a))],
        [0.0, 100.0],
    ),
    ("mean penalty", [Some(|r| Some(r.penalty)), None], [f64::NEG_INFINITY, f64::INFINITY]),
];

/// A panel per quantity, a curve per variant and split; `None` with fewer than two epochs.
pub fn plot(variants: &[Variant]) -> Option<Plot> {
    let records = || variants.iter().flat_map(|variant| &variant.runs).flat_map(|run| &run.training);
    let epochs = records().map(|record| record.epoch as f64);
    let ends = range(epochs).filter(|(first, last)| first < last)?;
    let tested = records().any(|record| record.test_loss.is_some());
    let penalised = records().any(|record| record.penalty != 0.0);
    let classes = records().any(|r| r.train_accuracy.or(r.test_accuracy).is_some());
    let splits = if tested { &["training", "test"][..] } else { &["training"] };
    let given = |title: &str| match title {
        "accuracy (%)" => classes,
        "mean penalty" => penalised,
        _ => true,
    };
    let shown: Vec<_> = QUANTITIES.into_iter().filter(|(title, ..)| given(title)).collect();
    let mut lines = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        for (panel, (_, values, possible)) in shown.iter().enumerate() {
            for (split, value) in values.iter().take(splits.len()).enumerate() {
                let points = value.map_or(Vec::new(), |value| points(variant, value, *possible));
                let curve = index * splits.len() + split;
                if !points.is_empty() {
                    lines.push(Line { panel, curve, points, ..Line::default() });
                }
            }
        }
    }
    let titles: Vec<&str> = shown.iter().map(|(title, ..)| *title).collect();
    let (panels, lines) = super::panels(&titles, lines, |title| Frame {
        title: String::new(),
        x: Axis::integers(ends, 6),
        x_title: "epoch".into(),
        y_title: (*title).to_owned(),
    });
    let several = variants.len() > 1;
    let curve = |(index, variant): (usize, &Variant)| {
        let label = several.then(|| variant.label.clone());
        let of = move |(split, word): (usize, &&str)| Curve {
            name: [label.clone(), Some((*word).to_owned())]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", "),
            colour: if several { index } else { split },
            dashed: split > 0,
        };
        splits.iter().enumerate().map(of).collect::<Vec<_>>()
    };
    (!panels.is_empty()).then(|| Plot {
        slug: "training".into(),
        title: "Loss and accuracy over the epochs".into(),
        caption: caption(tested, classes),
        style: Style::Line,
        names: ["epoch".into(), "value".into()],
        columns: panels.len(),
        panels,
        curves: variants.iter().enumerate().flat_map(curve).collect(),
        epochs: Vec::new(),
        is_log: false,
        places: Vec::new(),
        lines,
    })
}

/// The mean over the runs after each epoch, with its interval within the possible values.
fn points(variant: &Variant, value: Value, possible: [f64; 2]) -> Vec<Mark> {
    let records = || variant.runs.iter().flat_map(|run| &run.training);
    let mark = |epoch: usize| {
        let ours = records().filter(|record| record.epoch == epoch);
        let numbers: Vec<Number> = ours.filter_map(value).map(Number::exact).collect();
        let mean = Number::over_runs(&numbers)?;
        let interval = super::interval_within(&mean, possible);
        Some(Mark { interval, ..Mark::new(epoch as f64, mean.value) })
    };
    let mut epochs = distinct(records().map(|record| record.epoch));
    epochs.sort_unstable();
    epochs.into_iter().filter_map(mark).collect()
}

fn caption(tested: bool, classes: bool) -> String {
    let accuracy = if classes { " and the share classified correctly" } else { "" };
    let splits =
        if tested { "the training and the test split" } else { "the training split (there is no other)" };
    format!(
        "Mean loss, without penalties,{accuracy} on {splits} after each epoch; epoch 0 is before training."
    )
}

#[cfg(test)]
mod tests {
    use super::plot;
    use crate::{sample::trained, variants::Variant};
    use eigenscape_core::results::Run;

    #[test]
    fn reruns_are_one_curve_with_a_band() {
        let run = |seed, epochs: usize| Run {
            seed,
            training: (0..epochs).map(trained).collect(),
            ..Run::default()
        };
        let mut runs = vec![run(0, 3), run(1, 3)];
        runs[1].training[2].train_loss *= 2.0;
        let plot = plot(&Variant::all(&runs)).unwrap();
        assert_eq!((plot.panels.len(), plot.curves.len()), (2, 2));
        let loss = &plot.lines[0].points;
        assert_eq!(loss[0].interval, None, "both runs agree");
        let mean = 1.5 * trained(2).train_loss;
        let [low, high] = loss[2].interval.unwrap();
        assert!((loss[2].y - mean).abs() < 1e-12 && low < mean && high > mean);
        assert!(low == 0.0, "the interval of two runs is wide, but no loss is negative");
        assert!(super::plot(&Variant::all(&[run(0, 1)])).is_none());
    }
}
