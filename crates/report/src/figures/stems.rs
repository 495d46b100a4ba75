//! The largest eigenvalues as stems by rank, as many of them marked as there are classes.

use eigenscape_analysis::uncertainty::SAME;
use eigenscape_core::results::ProbeRecord;

use super::{WIDTH, provenance};
use crate::{
    RunNotes,
    data::{Series, prose, short_labels, unconverged},
    draw::{
        Anchor, Axis, Colour, Drawing, Panel, Stroke, Text,
        axis::range,
        labels::{evenly, typeset},
        legend::{self, Entry, Sample},
        panel::{TICK_SIZE, TITLE_SIZE},
    },
    figure::Figure,
};

/// The number of stems if the number of classes is unknown.
const STEMS: usize = 30;
/// More stems cannot be distinguished; the limit is higher for more than 100 classes.
const MOST_STEMS: usize = 120;
const COLUMNS: usize = 3;
const MOST_PANELS: usize = 12;
const HEIGHT: f64 = 130.0;
const ROW: f64 = 190.0;
const TOP: f64 = 56.0;
/// The width of the vertical axes' title in pixels.
const TITLE_ROOM: f64 = 28.0;
const GAP: f64 = 8.0;
/// The maximum width of a group's label, which stands beside the largest eigenvalue.
const LABEL: f64 = 125.0;

/// One panel per group at its last epoch.
pub fn draw(curvature: &str, series: &[Series], notes: &RunNotes) -> Option<Figure> {
    let shown: Vec<&Series> = evenly(series.len(), MOST_PANELS).into_iter().map(|i| &series[i]).collect();
    let records: Vec<&ProbeRecord> = shown.iter().filter_map(|s| s.records.last().copied()).collect();
    let epoch = records.iter().map(|r| r.epoch).max()?;
    // Outliers come from the Gauss-Newton part; the residual has none to count.
    let classes = notes.classes.filter(|c| *c > 1 && curvature != "residual");
    let length = classes.map_or(STEMS, |c| (3 * c).clamp(STEMS, MOST_STEMS.max(c + c / 5)));

    let labels = short_labels(&shown, TITLE_SIZE, LABEL);
    let key = provenance::shortening(&labels, shown.iter().map(|s| s.label.as_str()));
    let columns = COLUMNS.min(shown.len());
    let rows = shown.len().div_ceil(columns);
    let mut drawing = Drawing::new(WIDTH, TOP + ROW * rows as f64);
    let stems: Vec<Vec<f64>> = records.iter().map(|r| largest(r, length)).collect();
    let y_axes: Vec<Axis> = stems.iter().map(|s| y_axis(s)).collect();
    let margin = y_axes.iter().map(Panel::label_room).fold(0.0, f64::max) + TITLE_ROOM;
    for (i, (stems, y)) in stems.iter().zip(y_axes).enumerate() {
        let pitch = WIDTH / columns as f64;
        let (left, top) = (pitch * (i % columns) as f64 + margin, TOP + ROW * (i / columns) as f64);
        let x = Axis::integers((1.0, length as f64), 5);
        let panel = Panel { left, top, width: pitch - margin - GAP, height: HEIGHT, x, y };
        draw_panel(&mut drawing, &panel, stems, classes);
        draw_header(&mut drawing, &panel, &labels[i], records[i]);
        // All panels have the same titles, so only the outer ones show them.
        if i % columns == 0 {
            panel.draw_y_title(&mut drawing, "eigenvalue λ");
        }
        if i + columns >= shown.len() {
            panel.draw_x_title(&mut drawing, "rank");
        }
    }
    if let Some(classes) = classes {
        legend::row(&mut drawing, WIDTH - GAP, 14.0, &entries(classes));
    }
    let title = format!("Largest eigenvalues by rank: {}", prose(curvature));
    let caption = caption(&records, series.len(), epoch, classes, notes) + &key;
    Some(Figure::new(&format!("eigenvalues-{curvature}"), title, caption, drawing))
}

/// The `length` largest eigenvalues; Ritz values that several probes found count once.
fn largest(record: &ProbeRecord, length: usize) -> Vec<f64> {
    let finite = record.eigenvalues.iter().copied().filter(|v| v.is_finite());
    if record.exact {
        return finite.take(length).collect();
    }
    let tolerance = SAME * range(finite.clone()).map_or(0.0, |(low, high)| high.abs().max(low.abs()));
    let mut kept: Vec<f64> = Vec::new();
    for value in finite {
        if kept.last().is_none_or(|last| last - value > tolerance) {
            kept.push(value);
        }
    }
    kept.truncate(length);
    kept
}

fn y_axis(stems: &[f64]) -> Axis {
    let ends = range(stems.iter().copied().chain([0.0])).filter(|(low, high)| low < high);
    Axis::linear(ends.unwrap_or((0.0, 1.0)), 5)
}

fn draw_panel(drawing: &mut Drawing, panel: &Panel, stems: &[f64], classes: Option<usize>) {
    panel.draw_axes(drawing);
    let pitch = panel.at(2.0, 0.0).0 - panel.at(1.0, 0.0).0;
    let (width, radius) = (1.4_f64.min(0.5 * pitch), 2.4_f64.min(0.6 * pitch));
    for (i, &value) in stems.iter().enumerate() {
        let rank = (i + 1) as f64;
        let colour = colour(i, classes);
        drawing.line(vec![panel.at(rank, 0.0), panel.at(rank, value)], Stroke::solid(colour, width));
        drawing.dot(panel.at(rank, value), radius, colour);
    }
}

fn colour(index: usize, classes: Option<usize>) -> Colour {
    if classes.is_some_and(|c| index < c) { Colour::VERMILLION } else { Colour::BLUE }
}

fn draw_header(drawing: &mut Drawing, panel: &Panel, label: &str, record: &ProbeRecord) {
    let y = panel.top - 10.0;
    let open = unconverged(record)[0].map_or(String::new(), |[_, high]| format!(" to {}", typeset(high, 4)));
    let remark = format!("λ₁ = {}{open}", typeset(record.lambda_max.unwrap_or(f64::NAN), 4));
    let remark = Text::new(remark, (panel.right(), y), TICK_SIZE, Anchor::End).coloured(Colour::AXIS);
    drawing.text(Text::new(label, (panel.left, y), TITLE_SIZE, Anchor::Start));
    drawing.text(remark);
}

fn entries(classes: usize) -> [Entry; 2] {
    let first = format!("the {classes} largest (as many as classes)");
    [(Sample::Dot(Colour::VERMILLION), first), (Sample::Dot(Colour::BLUE), "the others".into())]
}

fn caption(
    records: &[&ProbeRecord],
    count: usize,
    epoch: usize,
    classes: Option<usize>,
    notes: &RunNotes,
) -> String {
    let mut text = format!(
        "The largest eigenvalues at epoch {epoch}, from the largest by rank, each panel on its own scale."
    );
    if let Some(classes) = classes {
        text += &format!(
            " The first {classes}, as many as there are classes, are marked: a trained classifier tends to have about so \
             many outliers above its bulk."
        );
    }
    if records.iter().any(|r| !r.exact) {
        text += " Of an estimated spectrum these are Ritz values, of which the outermost converge first; what several \
                 probes found alike (to 10⁻⁴ of the largest) is drawn once.";
    }
    if records.len() < count {
        text += &format!(" {} of {count} groups are drawn.", records.len());
    }
    format!("{text} {}", provenance::spectra(records.iter().copied(), &notes.estimators))
}
