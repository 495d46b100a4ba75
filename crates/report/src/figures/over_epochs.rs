//! Trace and largest eigenvalue over the epochs.

use eigenscape_analysis::uncertainty::Number;
use eigenscape_core::results::ProbeRecord;

use super::curves::{Curves, left_out, shown};
use crate::{
    data::{self, distinct, prose},
    draw::{Axis, axis::range},
    plot::{Curve, Frame, Line, Mark, Plot, Style, suits_log},
    variants::{Spectra, Variant, groups_and_epochs, name},
};

/// A quantity of a record, if it has it.
type Quantity = fn(&ProbeRecord) -> Option<Number>;

const QUANTITIES: [(&str, Quantity); 2] =
    [("trace", |record| Some(Number::trace(record))), ("largest eigenvalue", Number::lambda_max)];

/// Of one variant, one panel a quantity with a curve per group; of several, a panel per group and
/// quantity with a curve per variant. `None` for a single epoch.
pub fn plot(variants: &[Variant], curvatures: &[&str]) -> Option<Plot> {
    let spectra = Spectra::all(variants, curvatures, data::series);
    let (groups, epochs) = groups_and_epochs(&spectra);
    let ends = range(epochs.iter().map(|epoch| *epoch as f64)).filter(|(first, last)| first < last)?;
    let shown = shown(&groups);
    let mut records = spectra.iter().flat_map(|one| &one.epochs).flat_map(|(_, records)| records);
    let has_largest = records.any(|record| record.lambda_max.is_some());
    let quantities = &QUANTITIES[..if has_largest { 2 } else { 1 }];
    let by_variant = variants.len() > 1;
    let curves = Curves::of(&spectra, variants);
    let names = distinct(spectra.iter().map(|one| (one.label.as_str(), one.curvature)));
    let names: Vec<(&str, &str)> = shown
        .iter()
        .flat_map(|group| names.iter().filter(move |(label, _)| label == group).copied())
        .collect();

    let mut lines = Vec::new();
    for one in &spectra {
        let Some(group) = shown.iter().position(|group| *group == one.label) else { continue };
        for (index, (_, quantity)) in quantities.iter().enumerate() {
            let points = one.epochs.iter().filter_map(|(epoch, records)| mark(*epoch, records, *quantity));
            let points: Vec<Mark> = points.collect();
            let (panel, curve) = if by_variant {
                (group * quantities.len() + index, curves.index(one.variant, one.curvature))
            } else {
                let own = (one.label.as_str(), one.curvature);
                (index, names.iter().position(|name| *name == own).unwrap_or_default())
            };
            if !points.is_empty() {
                lines.push(Line { panel, curve, points, ..Line::default() });
            }
        }
    }
    let titles: Vec<(String, &str)> = if by_variant {
        shown
            .iter()
            .flat_map(|group| quantities.iter().map(move |(quantity, _)| ((*group).to_owned(), *quantity)))
            .collect()
    } else {
        quantities.iter().map(|(quantity, _)| (String::new(), *quantity)).collect()
    };
    let (panels, lines) = super::panels(&titles, lines, |(title, quantity)| Frame {
        title: title.clone(),
        x: Axis::integers(ends, 6),
        x_title: "epoch".into(),
        y_title: (*quantity).to_owned(),
    });
    let curves = if by_variant { curves.all } else { of_groups(&names) };
    let prosaic: Vec<String> = curvatures.iter().map(|curvature| prose(curvature)).collect();
    let (title, slug) = if has_largest {
        ("Trace and largest eigenvalue", "trace-and-lambda-max")
    } else {
        ("Trace", "trace")
    };
    (!lines.is_empty()).then(|| Plot {
        slug: crate::figure::slug(&format!("{slug}-{}", curvatures.join("-"))),
        title: format!("{title} over the epochs: {}", prosaic.join(", ")),
        caption: caption(has_largest, &left_out(shown.len(), groups.len())),
        style: Style::Line,
        names: ["epoch".into(), "value".into()],
        columns: quantities.len().min(panels.len()),
        is_log: suits_log(&lines),
        panels,
        curves,
        epochs: Vec::new(),
        places: Vec::new(),
        lines,
    })
}

fn mark(epoch: usize, records: &[&ProbeRecord], quantity: Quantity) -> Option<Mark> {
    let numbers: Vec<Number> = records.iter().filter_map(|record| quantity(record)).collect();
    let mean = Number::over_runs(&numbers)?;
    Some(Mark { interval: super::of_spectra(&mean, records), ..Mark::new(epoch as f64, mean.value) })
}

/// One curve per group and curvature; curvatures after the first are dashed.
fn of_groups(names: &[(&str, &str)]) -> Vec<Curve> {
    let (groups, curvatures) = (distinct(names.iter().map(|n| n.0)), distinct(names.iter().map(|n| n.1)));
    let curve = |(group, curvature): &(&str, &str)| Curve {
        name: name(Some(group), (curvatures.len() > 1).then_some(*curvature)),
        colour: groups.iter().position(|other| other == group).unwrap_or_default(),
        dashed: curvatures.first() != Some(curvature),
    };
    names.iter().map(curve).collect()
}

fn caption(has_largest: bool, left_out: &str) -> String {
    let what = if has_largest { "The trace and the largest eigenvalue" } else { "The trace" };
    format!("{what} as training goes on.{left_out}")
}
