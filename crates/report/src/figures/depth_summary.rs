//! Distances of layers to their networks by depth, with several experiments in one chart.

use eigenscape_analysis::{
    depth::Profile,
    depth_summary::{Entry, METRICS, TIMES, mean},
    expectation::When,
};

use super::chart::{Chart, Curve, on_axes};
use crate::{
    data::prose,
    draw::{
        Axis, Colour, Stroke,
        legend::{self, Sample},
    },
    figure::Figure,
};

/// One chart per time: one line per experiment, and on top the means of the estimated and of the
/// exact ones. `metric` is an index into [`METRICS`]; all entries have the same curvature.
pub fn draw(metric: usize, entries: &[&Entry]) -> Option<Figure> {
    let curvature = &entries.first()?.curvature;
    let strokes = strokes(entries);
    let means = [false, true]
        .map(|exact| entries.iter().copied().filter(move |e| e.exact == exact).collect::<Vec<_>>());
    let means = means.iter().filter(|of| of.len() > 1).collect::<Vec<_>>();
    let charts: Vec<Chart> = TIMES
        .iter()
        .enumerate()
        .map(|(time, when)| {
            let line = |(entry, stroke): (&&Entry, &Stroke)| {
                Curve::new(points(entry.profile(metric, time)), *stroke)
            };
            let mean = |of: &&Vec<&Entry>| {
                let profiles: Vec<&Profile> = of.iter().map(|entry| entry.profile(metric, time)).collect();
                Curve::new(mean(&profiles), mean_stroke(of[0].exact))
            };
            Chart {
                x: Axis::linear((0.0, 1.0), 6),
                x_title: format!("depth of the layer, {}", words(*when)),
                y_title: "distance / the largest".into(),
                curves: entries.iter().zip(&strokes).map(line).chain(means.iter().map(mean)).collect(),
            }
        })
        .collect();
    let named = entries.iter().zip(&strokes).map(|(entry, stroke)| (Sample::Marked(*stroke), name(entry)));
    let averaged = means.iter().map(|of| {
        let kind = if of[0].exact { " (exact)" } else { "" };
        (Sample::Line(mean_stroke(of[0].exact)), format!("mean of {}{kind}", of.len()))
    });
    let legend: Vec<legend::Entry> = averaged.chain(named).collect();
    // One vertical axis for all charts, to make them comparable.
    let all = charts.iter().flat_map(|chart| &chart.curves).flat_map(|curve| &curve.points);
    let y = Axis::fitting(all.map(|(_, value)| *value), 6)?;
    let drawing = on_axes(&charts, vec![y; charts.len()], &legend);
    let title =
        format!("Distance of each layer to the full network: {}, {}", METRICS[metric], prose(curvature));
    let slug = format!("depth-{}-{curvature}", METRICS[metric]);
    Some(Figure::new(&slug, title, caption(entries), drawing))
}

fn points(profile: &Profile) -> Vec<(f64, f64)> {
    let layers = profile.layers.iter().enumerate();
    layers.map(|(i, (_, value))| (profile.depth(i), *value)).collect()
}

/// Colours in the order of the names, which start with the network's; dashed for exact experiments.
fn strokes(entries: &[&Entry]) -> Vec<Stroke> {
    let stroke = |(i, entry): (usize, &&Entry)| Stroke {
        dashed: entry.exact,
        ..Stroke::solid(Colour::of_order(i, entries.len()), 1.3)
    };
    entries.iter().enumerate().map(stroke).collect()
}

fn mean_stroke(exact: bool) -> Stroke {
    Stroke { dashed: exact, ..Stroke::solid(Colour::VERMILLION, 3.4) }
}

/// The short name of an experiment in the legend and the table.
pub fn name(entry: &Entry) -> String {
    let name = entry.name.strip_prefix("layerwise-").unwrap_or(&entry.name);
    // Some names say so already.
    if entry.exact && !name.contains("exact") { format!("{name} (exact)") } else { name.to_owned() }
}

/// The time in words, such as "summed over epochs".
pub fn words(when: When) -> &'static str {
    match when {
        When::All => "summed over epochs",
        When::Best => "at the best epoch",
        When::Last => "at the last epoch",
    }
}

fn caption(entries: &[&Entry]) -> String {
    let mut text = "How far the spectrum of each layer lies from that of its network, by the layer's place from the first (0) to the \
                    last (1), relative to the farthest layer of the same experiment: left summed over the epochs, right at the epoch of \
                    the best test accuracy. Reruns are averaged."
        .to_owned();
    let exact = entries.iter().filter(|entry| entry.exact).count();
    if exact > 0 {
        text += " Dashed: experiments with exact spectra of the layers.";
    }
    if entries.len() - exact > 1 || exact > 1 {
        text += " Thick: the mean over experiments, linear between layers.";
    }
    text
}
