//! Generalisation against the trace: one dot per run, and the regression line.

use eigenscape_analysis::against_trace::AgainstTrace;

use super::chart::{Chart, Curve, on_axes};
use crate::{
    data::{distinct, prose},
    draw::{
        Axis, Colour, Stroke,
        legend::{self, Sample},
    },
    figure::Figure,
};

/// The number of points of a line, which is curved on a logarithmic trace axis.
const PLACES: usize = 100;

/// One figure per curvature, one panel per quantity.
pub fn draw(all: &[AgainstTrace]) -> Vec<Figure> {
    let curvatures = distinct(all.iter().map(|pair| pair.curvature.as_str()));
    curvatures.into_iter().filter_map(|curvature| draw_curvature(curvature, all)).collect()
}

fn draw_curvature(curvature: &str, all: &[AgainstTrace]) -> Option<Figure> {
    let ours: Vec<&AgainstTrace> = all.iter().filter(|pair| pair.curvature == curvature).collect();
    let charts: Vec<Chart> = ours.iter().filter_map(|pair| chart(pair)).collect();
    let axes: Vec<Axis> = ours.iter().filter_map(|pair| axis(pair, |point| point.1)).collect();
    let points = ours.first()?.points.len();
    if charts.len() != axes.len() {
        return None;
    }
    let legend: Vec<legend::Entry> = vec![
        (Sample::Dot(dot().colour), format!("a run, of {points}")),
        (Sample::Line(line()), "least squares".to_owned()),
    ];
    let title = format!("Generalisation against the trace: {}", prose(curvature));
    let caption = "Each dot is a run after its last epoch: the trace of the full network's matrix, and its test accuracy, test loss \
                   and gap. The line is the least-squares line over the runs; on a logarithmic axis it is curved."
        .to_owned();
    Some(Figure::new(&format!("against-trace-{curvature}"), title, caption, on_axes(&charts, axes, &legend)))
}

fn chart(pair: &AgainstTrace) -> Option<Chart> {
    let traces = pair.points.iter().map(|point| point.0);
    let (low, high) = traces.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    let fitted = (0..=PLACES).map(|i| {
        let share = i as f64 / PLACES as f64;
        // Denser at small traces, which a logarithmic axis stretches.
        let trace = low + (high - low) * share.powi(3);
        (trace, pair.line.intercept + pair.line.slope * trace)
    });
    let dots = pair.points.iter().map(|point| Curve::new(vec![*point], dot()));
    Some(Chart {
        x: axis(pair, |point| point.0)?,
        x_title: "trace".into(),
        y_title: pair.quantity.prose().into(),
        curves: std::iter::once(Curve::new(fitted.collect(), line())).chain(dots).collect(),
    })
}

fn axis(pair: &AgainstTrace, of: fn(&(f64, f64)) -> f64) -> Option<Axis> {
    Axis::fitting(pair.points.iter().map(of), 5)
}

fn dot() -> Stroke {
    Stroke::solid(Colour::BLUE, 2.0)
}

fn line() -> Stroke {
    Stroke::solid(Colour::VERMILLION, 1.6)
}
