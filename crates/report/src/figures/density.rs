//! Spectral densities: one panel per group, all with a common eigenvalue axis that shows both the
//! bulk and the outliers.

use eigenscape_analysis::uncertainty::Number;
use eigenscape_core::results::ProbeRecord;

use super::{
    curves::{Curves, left_out, shown},
    eigenvalue_axis::EigenvalueAxis,
    ritz::{self, NearZero},
};
use crate::{
    data::{self, is_too_wide, is_zero, mass_at_zero, prose, rounding, wants_f64},
    draw::{
        Axis,
        labels::{count, percent, power_of_ten, significant, typeset},
    },
    plot::{Line, Mark, Panel, Plot, Style},
    variants::{Spectra, Variant, groups_and_epochs},
};

/// The curvatures on one axis.
pub fn plot(variants: &[Variant], curvatures: &[&str]) -> Option<Plot> {
    let mut spectra = Spectra::all(variants, curvatures, data::spectra);
    spectra.retain(|one| !one.epochs.iter().flat_map(|(_, records)| records).any(|r| is_too_wide(r)));
    let curves = Curves::of(&spectra, variants);
    let (groups, epochs) = groups_and_epochs(&spectra);
    let shown = shown(&groups);
    let drawn: Vec<&Spectra> = spectra.iter().filter(|one| shown.contains(&one.label.as_str())).collect();
    let records: Vec<&ProbeRecord> =
        drawn.iter().flat_map(|one| &one.epochs).flat_map(|(_, records)| records).copied().collect();
    let axis = EigenvalueAxis::covering(&records);
    let grid = axis.grid();
    let mut lines = Vec::new();
    for one in &drawn {
        let panel = shown.iter().position(|group| *group == one.label).unwrap_or_default();
        for (epoch, records) in &one.epochs {
            let points = points(records, &axis, &grid);
            let remark = if let [record] = records[..] { mass(record) } else { String::new() };
            let curve = curves.index(one.variant, one.curvature);
            lines.push(Line { panel, curve, epoch: Some(*epoch), points, remark });
        }
    }
    let panel = |(index, group): (usize, &&str)| {
        let ours = || lines.iter().filter(|line| line.panel == index);
        let of_group = drawn.iter().filter(|one| one.label == *group).flat_map(|one| &one.epochs);
        let floors = of_group
            .flat_map(|(_, records)| records)
            .map(|record| axis.one_eigenvalue(record.dimension) * if record.exact { 0.3 } else { 0.03 });
        let floor = floors.fold(f64::INFINITY, f64::min);
        let peak = ours().flat_map(|line| &line.points).map(|mark| mark.y).fold(10.0 * floor, f64::max);
        Panel {
            title: (*group).to_owned(),
            x: axis.axis(),
            x_title: "eigenvalue λ (logarithmic on both sides of 0)".into(),
            linear: Axis::linear((0.0, peak), 3),
            log: Some(Axis::powers((floor, 2.0 * peak), 3)),
            y_title: "density per decade of |λ|".into(),
        }
    };
    let panels: Vec<Panel> = shown.iter().enumerate().map(panel).collect();
    let names: Vec<String> = curvatures.iter().map(|curvature| prose(curvature)).collect();
    (!lines.is_empty()).then(|| Plot {
        slug: crate::figure::slug(&format!("density-{}", curves.slug())),
        title: format!("Spectral density: {}", names.join(", ")),
        caption: caption(&axis, &records, &left_out(shown.len(), groups.len())) + &only_zeros(&drawn, &shown),
        style: Style::Area,
        names: ["λ".into(), "density".into()],
        columns: 1,
        panels,
        curves: curves.all,
        epochs,
        is_log: true,
        places: Vec::new(),
        lines,
    })
}

/// The mean density over the runs.
fn points(records: &[&ProbeRecord], axis: &EigenvalueAxis, grid: &[f64]) -> Vec<Mark> {
    let all: Vec<Vec<Number>> = records.iter().map(|record| axis.density(record)).collect();
    let mark = |(index, x): (usize, &f64)| {
        let numbers: Vec<Number> = all.iter().map(|density| density[index]).collect();
        let mean = Number::over_runs(&numbers)?;
        // No axis reaches as low as less than 10⁻¹² of the mass.
        let seen = |value: f64| if value < 1e-12 { 0.0 } else { value };
        let interval = super::interval(&mean).map(|ends| ends.map(seen));
        Some(Mark { interval, ..Mark::new(*x, seen(mean.value)) })
    };
    grid.iter().enumerate().filter_map(mark).collect()
}

/// The dimension, and the mass at or near zero that the curve cannot show.
fn mass(record: &ProbeRecord) -> String {
    let s = if record.dimension == 1 { "" } else { "s" };
    let dimension = format!("{} eigenvalue{s}", count(record.dimension));
    if is_zero(record) {
        let all = match record.dimension {
            1 => "the only eigenvalue is 0".to_owned(),
            _ => format!("all {dimension} are 0"),
        };
        return match rounding(record) {
            None => all,
            Some(bound) => format!("{all} within rounding (|λ| < {})", significant(bound, 1)),
        };
    }
    if record.exact {
        return match (mass_at_zero(record), rounding(record)) {
            (0.0, _) => format!("{dimension}, none 0"),
            (zero, None) => format!("{dimension}, {} of them 0", percent(zero)),
            (zero, Some(bound)) => {
                let bound = significant(bound, 1);
                format!("{dimension}, {} below rounding (|λ| < {bound})", percent(zero))
            }
        };
    }
    match ritz::near_zero(record) {
        Some(NearZero { share, radius }) => {
            format!("{dimension}, {} within ±{}", roughly(share), typeset(radius, 2))
        }
        None => dimension,
    }
}

/// Names the groups whose panel is empty because all their eigenvalues are 0; empty without any.
fn only_zeros(drawn: &[&Spectra], shown: &[&str]) -> String {
    let is_empty = |group: &str| {
        let ours = drawn.iter().filter(|one| one.label == group).flat_map(|one| &one.epochs);
        let mut records = ours.flat_map(|(_, records)| records).peekable();
        records.peek().is_some() && records.all(|record| is_zero(record))
    };
    let names: Vec<&str> = shown.iter().copied().filter(|group| is_empty(group)).collect();
    if names.is_empty() { String::new() } else { format!(" All eigenvalues are 0: {}.", names.join(", ")) }
}

/// An estimated share in whole percent.
fn roughly(share: f64) -> String {
    match 100.0 * share {
        percent if percent >= 99.5 => "over 99 %".into(),
        percent if percent < 0.5 => "under 1 %".into(),
        percent => format!("about {percent:.0} %"),
    }
}

fn caption(axis: &EigenvalueAxis, records: &[&ProbeRecord], left_out: &str) -> String {
    let mut text = format!(
        "Density per decade of |λ|: the area under a curve is the share of eigenvalues there. The eigenvalue axis is sign(λ) log₁₀(1 + |λ|/{threshold}), linear \
         for |λ| below {threshold}; each eigenvalue is broadened by a Gaussian with σ = {} decades.",
        significant(axis.bandwidth, 2),
        threshold = power_of_ten(axis.exponent),
    );
    if records.iter().any(|record| record.exact) {
        text += " Of an exact spectrum, eigenvalues below the rounding error are not drawn.";
        if records.iter().any(|record| wants_f64(record)) {
            text += " With dtype = \"f64\" fewer are below rounding.";
        }
    }
    if records.iter().any(|record| !record.exact) {
        text += " Of an estimated one, each Ritz value represents many eigenvalues near it; details narrower than the gaps, \
                 especially near 0, are not known.";
    }
    text + left_out
}
