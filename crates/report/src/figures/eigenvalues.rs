//! The largest eigenvalues by rank, as many of them marked as there are classes.

use eigenscape_analysis::uncertainty::{Number, SAME};
use eigenscape_core::results::ProbeRecord;

use super::curves::{Curves, left_out, thinned};
use crate::{
    data::{self, prose, unconverged},
    draw::{Axis, axis::range, labels::typeset},
    plot::{Frame, Line, Mark, Panel, Plot, Style},
    variants::{Spectra, Variant, groups_and_epochs},
};

/// The number of eigenvalues if the number of classes is unknown.
const STEMS: usize = 30;
/// More cannot be distinguished; the limit is higher for more than 100 classes.
const MOST_STEMS: usize = 120;
const MOST_PANELS: usize = 12;
const COLUMNS: usize = 3;

/// One panel per group.
pub fn plot(variants: &[Variant], curvatures: &[&str], classes: Option<usize>) -> Option<Plot> {
    let spectra = Spectra::all(variants, curvatures, data::spectra);
    let curves = Curves::of(&spectra, variants);
    let (groups, epochs) = groups_and_epochs(&spectra);
    let shown = thinned(&groups, MOST_PANELS);
    // Outliers come from the Gauss-Newton part; the residual has none to count.
    let classes = classes.filter(|c| *c > 1 && curvatures.iter().any(|c| *c != "residual"));
    let length = classes.map_or(STEMS, |c| (3 * c).clamp(STEMS, MOST_STEMS.max(c + c / 5)));
    let mut lines = Vec::new();
    for one in &spectra {
        let Some(panel) = shown.iter().position(|group| *group == one.label) else { continue };
        for (epoch, records) in &one.epochs {
            let curve = curves.index(one.variant, one.curvature);
            let (points, remark) = (points(records, length), remark(records));
            lines.push(Line { panel, curve, epoch: Some(*epoch), points, remark });
        }
    }
    let panel = |(index, group): (usize, &&str)| {
        let ours: Vec<&Line> = lines.iter().filter(|line| line.panel == index).collect();
        let frame = Frame {
            title: (*group).to_owned(),
            x: Axis::integers((1.0, length as f64), 5),
            x_title: "rank".into(),
            y_title: "eigenvalue λ".into(),
        };
        frame.around(&ours, true).unwrap_or_else(|| empty(group, length))
    };
    let panels: Vec<Panel> = shown.iter().enumerate().map(panel).collect();
    let names: Vec<String> = curvatures.iter().map(|curvature| prose(curvature)).collect();
    // Of several curves the colours tell which is which.
    let marked = classes.filter(|_| curves.all.len() == 1);
    (!lines.is_empty()).then(|| Plot {
        slug: crate::figure::slug(&format!("eigenvalues-{}", curves.slug())),
        title: format!("Largest eigenvalues by rank: {}", names.join(", ")),
        caption: caption(marked, &left_out(shown.len(), groups.len())),
        style: Style::Stems { marked: marked.unwrap_or(0) },
        names: ["rank".into(), "λ".into()],
        columns: columns(panels.len()),
        panels,
        curves: curves.all,
        epochs,
        is_log: false,
        places: Vec::new(),
        lines,
    })
}

/// The number of panels side by side: rows of equal length if possible, else the last one shorter.
fn columns(panels: usize) -> usize {
    if panels == 4 { 2 } else { COLUMNS.min(panels).max(1) }
}

/// The panel of a group without eigenvalues.
fn empty(group: &str, length: usize) -> Panel {
    Panel {
        title: group.to_owned(),
        x: Axis::integers((1.0, length as f64), 5),
        x_title: "rank".into(),
        linear: Axis::linear((0.0, 1.0), 5),
        log: None,
        y_title: "eigenvalue λ".into(),
    }
}

/// The mean over the runs of the eigenvalue of each rank.
fn points(records: &[&ProbeRecord], length: usize) -> Vec<Mark> {
    let all: Vec<Vec<Number>> = records.iter().map(|record| largest(record, length)).collect();
    let ranks = all.iter().map(Vec::len).min().unwrap_or(0);
    let mark = |rank: usize| {
        let numbers: Vec<Number> = all.iter().map(|of_run| of_run[rank]).collect();
        let mean = Number::over_runs(&numbers)?;
        Some(Mark { interval: super::of_spectra(&mean, records), ..Mark::new((rank + 1) as f64, mean.value) })
    };
    (0..ranks).filter_map(mark).collect()
}

/// The `length` largest eigenvalues; Ritz values that several probes found count once. Only of the
/// largest is there an interval for one run.
fn largest(record: &ProbeRecord, length: usize) -> Vec<Number> {
    let finite = record.eigenvalues.iter().copied().filter(|v| v.is_finite());
    if record.exact {
        return finite.take(length).map(Number::exact).collect();
    }
    let tolerance = SAME * range(finite.clone()).map_or(0.0, |(low, high)| high.abs().max(low.abs()));
    let mut kept: Vec<f64> = Vec::new();
    for value in finite {
        if kept.last().is_none_or(|last| last - value > tolerance) {
            kept.push(value);
        }
    }
    kept.truncate(length);
    let mut numbers: Vec<Number> = kept.into_iter().map(Number::exact).collect();
    if let (Some(first), Some([_, high])) = (numbers.first_mut(), unconverged(record)[0]) {
        first.above = (high - first.value).max(0.0);
    }
    numbers
}

fn remark(records: &[&ProbeRecord]) -> String {
    let [record] = records else { return String::new() };
    let open = unconverged(record)[0].map_or(String::new(), |[_, high]| format!(" to {}", typeset(high, 4)));
    record.lambda_max.map_or(String::new(), |value| format!("λ₁ = {}{open}", typeset(value, 4)))
}

fn caption(marked: Option<usize>, left_out: &str) -> String {
    let marked = marked.map_or(String::new(), |classes| {
        format!(
            " The first {classes}, as many as there are classes, are marked: a trained classifier often has about this \
             many outliers."
        )
    });
    format!(
        "The largest eigenvalues from the largest by rank, each panel on its own scale.{marked}{left_out}"
    )
}
