//! A matrix and its parts by class and cross-class, eigenvalue by eigenvalue, to show which part
//! the outliers come from.

use eigenscape_core::results::{ProbeRecord, Run};

use super::{WIDTH, provenance};
use crate::{
    RunNotes,
    data::{Series, prose, short_labels},
    draw::{
        Anchor, Axis, Colour, Drawing, Panel, Stroke, Text,
        labels::{count, evenly, percent, typeset},
        panel::{TICK_SIZE, TITLE_SIZE},
    },
    figure::Figure,
};

/// The parts from top to bottom: name, origin and colour.
const PARTS: [(&str, &str, Colour); 5] = [
    ("G1", "classes", Colour::VERMILLION),
    ("G1+2", "both", Colour(0x8c, 0x56, 0x4b)),
    ("G2", "cross-classes", Colour::GREEN),
    ("G0", "true labels", Colour(0xcc, 0x79, 0xa7)),
    ("G3", "within cross-classes", Colour::FAINT),
];
/// The maximum number of groups; more are thinned out.
const MOST_PANELS: usize = 6;
const ROW: f64 = 26.0;
/// Half the height of an eigenvalue's mark.
const MARK: f64 = 8.0;
const HEADER: f64 = 26.0;
const BELOW: f64 = 52.0;
/// The width of the remark to the right of a row, in pixels.
const REMARK: f64 = 175.0;
/// Eigenvalues below this share of the largest one do not extend the axis.
const DEEPEST: f64 = 1e-4;
/// The maximum width of the name above a panel, in pixels.
const LABEL: f64 = 300.0;

/// The spectra of one group at its last epoch.
struct Parted<'a> {
    whole: &'a ProbeRecord,
    /// In the order of [`PARTS`].
    parts: Vec<&'a ProbeRecord>,
}

/// One panel per group, one row per matrix; `None` if no group has parts.
pub fn draw(curvature: &str, series: &[Series], run: &Run, notes: &RunNotes) -> Option<Figure> {
    let found: Vec<(&Series, Parted)> =
        series.iter().filter_map(|s| Some((s, Parted::of(s, curvature, run)?))).collect();
    let shown: Vec<&(&Series, Parted)> =
        evenly(found.len(), MOST_PANELS).into_iter().map(|i| &found[i]).collect();
    let epoch = shown.iter().map(|(_, parted)| parted.whole.epoch).max()?;
    let chosen: Vec<&Series> = shown.iter().map(|(series, _)| *series).collect();
    let labels = short_labels(&chosen, TITLE_SIZE, LABEL);
    let height = HEADER + ROW * (PARTS.len() + 1) as f64 + BELOW;
    let mut drawing = Drawing::new(WIDTH, height * shown.len() as f64);
    for (i, ((_, parted), label)) in shown.iter().zip(&labels).enumerate() {
        parted.draw(&mut drawing, height * i as f64 + HEADER, label, notes.classes);
    }
    let title = format!("Where the outliers come from: {} and its parts", prose(curvature));
    let mut caption = caption(curvature, epoch, notes.classes);
    if shown.len() < found.len() {
        caption += &format!(" {} of {} groups are drawn.", shown.len(), found.len());
    }
    caption += &provenance::shortening(&labels, chosen.iter().map(|s| s.label.as_str()));
    let records = shown.iter().map(|(_, parted)| parted.whole);
    let caption = format!("{caption} {}", provenance::spectra(records, &notes.estimators));
    Some(Figure::new(&format!("parts-{curvature}"), title, caption, drawing))
}

impl<'a> Parted<'a> {
    fn of(series: &Series<'a>, curvature: &str, run: &'a Run) -> Option<Self> {
        let whole = *series.records.last()?;
        let part = |name: &str| {
            let curvature = format!("{curvature} {name}");
            run.probes.iter().find(|p| {
                (p.epoch, &p.group, &p.estimator) == (whole.epoch, &whole.group, &whole.estimator)
                    && p.curvature == curvature
            })
        };
        let parts = PARTS.iter().map(|(name, ..)| part(name)).collect::<Option<Vec<_>>>()?;
        let parted = Self { whole, parts };
        parted.ends().map(|_| parted)
    }

    /// The ends of the axis: from below the smallest eigenvalue of the class means' parts that is
    /// at least `DEEPEST` of the largest, to above the largest of all.
    fn ends(&self) -> Option<(f64, f64)> {
        let largest = placed(self.whole).fold(0.0, f64::max);
        let means = self.parts[..PARTS.len() - 1].iter().flat_map(|part| placed(part));
        let least = means.filter(|value| *value >= DEEPEST * largest).fold(largest / 100.0, f64::min);
        (largest > 0.0).then_some((0.6 * least, 1.6 * largest))
    }

    fn draw(&self, drawing: &mut Drawing, top: f64, label: &str, classes: Option<usize>) {
        let Some(ends) = self.ends() else { return };
        let records = || std::iter::once(self.whole).chain(self.parts.iter().copied());
        let colours = std::iter::once(Colour::INK).chain(PARTS.map(|(.., colour)| colour));
        let rows = PARTS.len() + 1;
        // The axis counts from below, so the names are reversed.
        let names = PARTS.iter().rev().map(|(name, of, _)| format!("{name} ({of})"));
        let names: Vec<String> = names.chain(["G".to_owned()]).collect();
        let y = Axis::categories(&names);
        let left = Panel::label_room(&y) + 4.0;
        let (width, height) = (WIDTH - left - REMARK, ROW * rows as f64);
        let panel = Panel { left, top, width, height, x: Axis::powers(ends, 10), y };
        panel.draw_axes(drawing);
        panel.draw_x_title(drawing, "eigenvalue λ (logarithmic)");
        for value in placed(self.whole).take(classes.unwrap_or(0)).filter(|value| *value > ends.0) {
            let ends = [0.0, rows as f64 - 1.0].map(|row| panel.at(value, row));
            drawing.line(ends.to_vec(), Stroke::solid(Colour::FAINT, 0.6));
        }
        for (i, (record, colour)) in records().zip(colours).enumerate() {
            let row = (rows - 1 - i) as f64;
            let values: Vec<f64> = placed(record).filter(|value| *value > ends.0).collect();
            let pen = if values.len() > 200 { 0.7 } else { 1.4 };
            for value in values {
                let (x, y) = panel.at(value, row);
                drawing.line(vec![(x, y - MARK), (x, y + MARK)], Stroke::solid(colour, pen));
            }
            let at = (panel.right() + 10.0, panel.at(1.0, row).1 + 0.35 * TICK_SIZE);
            let remark = Text::new(self.remark(record, i == 0), at, TICK_SIZE, Anchor::Start);
            drawing.text(remark.coloured(Colour::AXIS));
        }
        let trace = Text::new(
            format!("tr G = {}", typeset(self.whole.trace, 4)),
            (panel.right(), top - 9.0),
            TICK_SIZE,
            Anchor::End,
        );
        drawing.text(Text::new(label, (left, top - 9.0), TITLE_SIZE, Anchor::Start));
        drawing.text(trace.coloured(Colour::AXIS));
    }

    /// The number of eigenvalues and the share of the trace, as in "90 eigenvalues, 12.34 %".
    fn remark(&self, record: &ProbeRecord, is_whole: bool) -> String {
        let values = placed(record).count();
        let counted = format!("{} eigenvalue{}", count(values), if values == 1 { "" } else { "s" });
        let share = record.trace / self.whole.trace;
        if is_whole || !share.is_finite() { counted } else { format!("{counted}, {}", percent(share)) }
    }
}

/// The eigenvalues that a logarithmic axis can show, largest first.
fn placed(record: &ProbeRecord) -> impl Iterator<Item = f64> {
    record.eigenvalues.iter().copied().filter(|value| (1e-300..=1e300).contains(value))
}

fn caption(curvature: &str, epoch: usize, classes: Option<usize>) -> String {
    let lines = classes.map_or(String::new(), |classes| {
        format!(
            " Grey lines: the {classes} largest eigenvalues of G, as many as there are classes; where a part has one on the \
             same line, the outlier comes from it."
        )
    });
    format!(
        "The non-zero eigenvalues of the {} matrix G at epoch {epoch} and of the parts that add up to it, G = G0 + G1 + G2 + G3: \
         G1 is made of the classes' mean gradients, G2 of the cross-classes' means about these, G0 of the means of the true labels' \
         gradients, G3 of the samples about their means; G1+2 = G1 + G2. One mark per eigenvalue; at the right their number \
         and the part's share of the trace. Smaller eigenvalues lie left of the axis.{lines}",
        prose(curvature)
    )
}
