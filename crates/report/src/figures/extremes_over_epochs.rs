//! Trace and largest eigenvalue over the epochs.

use eigenscape_analysis::uncertainty::{Number, Uncertainty};
use eigenscape_core::results::ProbeRecord;

use super::{
    LEGEND_NAME, MOST,
    chart::{Chart, Curve, side_by_side},
    provenance,
};
use crate::{
    RunNotes,
    data::{Series, prose, short_labels, unconverged},
    draw::{
        Axis, Colour, Stroke,
        axis::range,
        labels::evenly,
        legend::{Entry, Sample},
        panel::TICK_SIZE,
    },
    figure::Figure,
};

/// Draws the whole network and each layer; `None` for a single epoch.
pub fn draw(curvature: &str, series: &[Series], notes: &RunNotes) -> Option<Figure> {
    let epochs = series.iter().flat_map(|s| &s.records).map(|r| r.epoch as f64);
    let (first, last) = range(epochs).filter(|(first, last)| first < last)?;
    let strokes = strokes(series);
    let shown = shown(series);
    let chart = |y_title: &str, curve: fn(&Series, Stroke) -> Curve| Chart {
        x: Axis::integers((first, last), 6),
        x_title: "epoch".into(),
        y_title: y_title.into(),
        // The whole network is drawn last, on top.
        curves: shown.iter().rev().map(|&i| curve(&series[i], strokes[i])).collect(),
    };
    let spectra = shown.iter().flat_map(|&i| &series[i].records).any(|r| r.lambda_max.is_some());
    let mut charts = vec![chart("trace", trace)];
    charts.extend(spectra.then(|| chart("largest eigenvalue", lambda_max)));
    let chosen: Vec<&Series> = shown.iter().map(|&i| &series[i]).collect();
    let labels = short_labels(&chosen, TICK_SIZE, LEGEND_NAME);
    let key = provenance::shortening(&labels, chosen.iter().map(|s| s.label.as_str()));
    let entries: Vec<Entry> = shown.iter().map(|&i| Sample::Marked(strokes[i])).zip(labels).collect();
    let drawing = side_by_side(&charts, &entries)?;
    let (title, name) = match spectra {
        true => ("Trace and largest eigenvalue", "trace-and-lambda-max"),
        false => ("Trace", "trace"),
    };
    let title = format!("{title} over the epochs: {}", prose(curvature));
    let caption = caption(series, shown.len(), spectra, notes) + &key;
    Some(Figure::new(&format!("{name}-{curvature}"), title, caption, drawing))
}

fn trace(series: &Series, stroke: Stroke) -> Curve {
    let error = |r: &&ProbeRecord| Number::trace(r).half_width().map(|half| (r.epoch as f64, r.trace, half));
    Curve {
        errors: series.records.iter().filter_map(error).collect(),
        ..Curve::new(series.records.iter().map(|r| (r.epoch as f64, r.trace)).collect(), stroke)
    }
}

fn lambda_max(series: &Series, stroke: Stroke) -> Curve {
    let point = |r: &&ProbeRecord| Some((r.epoch as f64, r.lambda_max?));
    let error = |r: &&ProbeRecord| {
        let [low, high] = unconverged(r)[0]?;
        Some((r.epoch as f64, f64::midpoint(low, high), (high - low) / 2.0))
    };
    Curve {
        errors: series.records.iter().filter_map(error).collect(),
        ..Curve::new(series.records.iter().filter_map(point).collect(), stroke)
    }
}

/// The strokes: the whole network's series in ink (the first estimator's solid, the others dashed),
/// the layers coloured by depth.
fn strokes(series: &[Series]) -> Vec<Stroke> {
    let full = series.iter().filter(|s| s.is_full()).count();
    let stroke = |i: usize| match i {
        0 if full > 0 => Stroke::solid(Colour::INK, 2.6),
        _ if i < full => Stroke::dashed(Colour::INK, 1.8),
        _ => Stroke::solid(Colour::of_order(i - full, series.len() - full), 1.6),
    };
    (0..series.len()).map(stroke).collect()
}

/// The indices of the whole network's series and of an even selection of the others.
fn shown(series: &[Series]) -> Vec<usize> {
    let full = series.iter().filter(|s| s.is_full()).count();
    (0..full).chain(evenly(series.len() - full, MOST).into_iter().map(|i| full + i)).collect()
}

fn caption(series: &[Series], shown: usize, spectra: bool, notes: &RunNotes) -> String {
    let records = series.iter().flat_map(|s| s.records.iter().copied());
    let mut bars = String::new();
    let errors = || records.clone().map(|r| Number::trace(r).error);
    if errors().any(|error| matches!(error, Uncertainty::Sampled { .. })) {
        bars += " Bars: the 95 % interval of an estimated trace, by Student's t.";
    }
    if errors().any(|error| error == Uncertainty::Unknown) {
        bars += " A trace estimated with one probe has no known standard error and no bar.";
    }
    if records.clone().any(|r| unconverged(r)[0].is_some()) {
        bars += " Bars of a largest eigenvalue to which Lanczos has not converged: where it lies with a probability of 95 %.";
    }
    let count = series.len();
    let thinned =
        if shown < count { format!(" {shown} of {count} groups are drawn.") } else { String::new() };
    format!(
        "{}{bars}{thinned} {}",
        if spectra { "Left the trace, right the largest eigenvalue." } else { "The trace." },
        provenance::spectra(records, &notes.estimators)
    )
}
