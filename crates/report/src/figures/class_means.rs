//! Mean gradients by class and cross-class, embedded in the plane: cross-classes cluster around
//! their classes.

use eigenscape_analysis::embedding;
use eigenscape_core::{
    class_means::ClassMean,
    results::{MeansRecord, Run},
};

use super::{LEGEND_NAME, WIDTH, provenance};
use crate::{
    RunNotes,
    data::{distinct, prose},
    draw::{
        Anchor, Colour, Drawing, Point, Stroke, Text,
        labels::evenly,
        legend::{self, Entry, Sample},
        names::shortened,
        panel::TITLE_SIZE,
    },
    figure::Figure,
};

const COLUMNS: usize = 3;
const MOST_PANELS: usize = 9;
/// The number of classes listed in the legend.
const MOST_NAMED: usize = 10;
const GAP: f64 = 14.0;
const HEADER: f64 = 22.0;
const TOP: f64 = 6.0;
const LEGEND_LIMIT: f64 = 230.0;
/// The maximum side of a panel in pixels.
const LARGEST: f64 = 560.0;
/// The radius of a cross-class's dot in the largest panel.
const RADIUS: f64 = 6.0;
/// Smaller numbers are left out.
const SMALLEST: f64 = 6.0;
/// The margin between points and a panel's border, as a share of the panel's side.
const MARGIN: f64 = 0.06;

/// One figure per curvature, one panel per group at the last epoch; empty if there are too few
/// classes for clusters.
pub fn draw(run: &Run, notes: &RunNotes) -> Vec<Figure> {
    let curvatures = distinct(run.means.iter().map(|record| record.curvature.as_str()));
    curvatures.into_iter().filter_map(|curvature| draw_curvature(curvature, run, notes)).collect()
}

fn draw_curvature(curvature: &str, run: &Run, notes: &RunNotes) -> Option<Figure> {
    let records: Vec<&MeansRecord> = run.means.iter().filter(|r| r.curvature == curvature).collect();
    let epoch = records.iter().map(|record| record.epoch).max()?;
    let last: Vec<&MeansRecord> = records.into_iter().filter(|record| record.epoch == epoch).collect();
    let shown = evenly(last.len(), MOST_PANELS).into_iter().map(|i| last[i]);
    let placed: Vec<(&MeansRecord, Vec<[f64; 2]>)> =
        shown.filter_map(|record| Some((record, embedding::in_the_plane(&record.means).ok()?))).collect();
    // Small panels have no room for numbers in the dots.
    let numbered = placed.len() == 1;
    let entries = entries(&placed.first()?.0.means.labels, numbered);
    let legend_width = legend::column_width(&entries, LEGEND_LIMIT);
    let columns = COLUMNS.min(placed.len());
    let rows = placed.len().div_ceil(columns);
    let room = WIDTH - legend_width - GAP;
    let side = (room / columns as f64 - GAP).min(LARGEST);
    let height = (HEADER + side + GAP) * rows as f64;
    let mut drawing = Drawing::new(WIDTH, TOP + height.max(legend::height(&entries) + HEADER));
    let names: Vec<&str> = placed.iter().map(|(record, _)| record.group.as_str()).collect();
    let labels = shortened(&names, TITLE_SIZE, side.min(2.0 * LEGEND_NAME));
    for (i, ((record, places), label)) in placed.iter().zip(&labels).enumerate() {
        let corner = (
            (side + GAP) * (i % columns) as f64 + 1.0,
            TOP + HEADER + (HEADER + side + GAP) * (i / columns) as f64,
        );
        let at = (corner.0, corner.1 - 7.0);
        drawing.text(Text::new(label, at, TITLE_SIZE, Anchor::Start));
        draw_panel(&mut drawing, corner, side, &record.means.labels, places);
    }
    let left = (side + GAP) * columns as f64 + GAP;
    legend::column(&mut drawing, (left, TOP + HEADER), legend_width, &entries);
    let caption =
        caption(curvature, epoch, &placed, last.len(), notes) + &provenance::shortening(&labels, names);
    let title = format!("Class means of the gradients in the plane: {}", prose(curvature));
    Some(Figure::new(&format!("class-means-{curvature}"), title, caption, drawing))
}

fn draw_panel(
    drawing: &mut Drawing,
    (left, top): Point,
    side: f64,
    labels: &[ClassMean],
    places: &[[f64; 2]],
) {
    let (right, bottom) = (left + side, top + side);
    let frame = vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
    drawing.line(frame, Stroke::solid(Colour::FAINT, 1.0));
    let points = fitted(places, (left, top), side);
    let scale = (side / LARGEST).powf(0.7);
    let of_class = |class: usize| labels.iter().position(|label| *label == ClassMean(class, None));
    for (ClassMean(class, cross), point) in labels.iter().zip(&points) {
        if let (Some(_), Some(centre)) = (cross, of_class(*class)) {
            let stroke = Stroke::solid(Colour::of_class(*class).pale(), 0.8);
            drawing.line(vec![points[centre], *point], stroke);
        }
    }
    for (ClassMean(class, cross), point) in labels.iter().zip(&points) {
        let colour = Colour::of_class(*class);
        match cross {
            Some(cross) if cross == class => drawing.ring(*point, 0.8 * RADIUS * scale, colour),
            Some(_) => drawing.dot(*point, RADIUS * scale, colour),
            None => {}
        }
    }
    for (ClassMean(class, _), point) in labels.iter().zip(&points).filter(|(label, _)| label.1.is_none()) {
        drawing.dot(*point, 1.7 * RADIUS * scale, Colour::of_class(*class));
    }
    let mut numbered = Vec::new();
    // Classes first: their numbers are larger.
    for is_class in [true, false] {
        for (ClassMean(class, cross), point) in labels.iter().zip(&points) {
            let (number, radius) = match cross {
                None => (class, 1.7 * RADIUS * scale),
                Some(cross) => (cross, RADIUS * scale),
            };
            if cross.is_none() == is_class && *cross != Some(*class) {
                write_number(drawing, *number, *point, radius, &mut numbered);
            }
        }
    }
}

/// Writes the number into a dot unless it would overlap another one.
fn write_number(
    drawing: &mut Drawing,
    number: usize,
    at: Point,
    radius: f64,
    numbered: &mut Vec<(Point, f64)>,
) {
    let apart = |((x, y), other): &(Point, f64)| (at.0 - x).hypot(at.1 - y) > radius + other;
    let size = if number < 10 { 1.4 * radius } else { radius };
    if size >= SMALLEST && numbered.iter().all(apart) {
        numbered.push((at, radius));
        let text = Text::new(number.to_string(), (at.0, at.1 + 0.36 * size), size, Anchor::Middle);
        drawing.text(text.coloured(Colour::WHITE));
    }
}

/// Scales the positions to a square, both directions equally.
fn fitted(places: &[[f64; 2]], (left, top): Point, side: f64) -> Vec<Point> {
    let ends = |axis: usize| {
        let values = || places.iter().map(|place| place[axis]);
        (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max))
    };
    let (x, y) = (ends(0), ends(1));
    let span = (x.1 - x.0).max(y.1 - y.0).max(f64::MIN_POSITIVE);
    let scale = side * (1.0 - 2.0 * MARGIN) / span;
    let place = |value: f64, (low, high): (f64, f64)| 0.5 * side + scale * (value - 0.5 * (low + high));
    places.iter().map(|[a, b]| (left + place(*a, x), top + side - place(*b, y))).collect()
}

fn entries(labels: &[ClassMean], numbered: bool) -> Vec<Entry> {
    let cross = if numbered {
        "δ(c, c′), with its label c′ ≠ c"
    } else {
        "δ(c, c′), of a label c′ ≠ c"
    };
    let marks = [
        (Sample::Disc(Colour::FAINT), "δ(c), with its class c".to_owned()),
        (Sample::Dot(Colour::FAINT), cross.to_owned()),
        (Sample::Ring(Colour::FAINT), "δ(c, c), of the true label".to_owned()),
    ];
    let classes = distinct(labels.iter().map(|label| label.0));
    let named = |class: &usize| (Sample::Dot(Colour::of_class(*class)), format!("class {class}"));
    let more = classes.len().saturating_sub(MOST_NAMED);
    let rest = (more > 0).then(|| (Sample::None, format!("and {more} more, colours again")));
    marks.into_iter().chain(classes.iter().take(MOST_NAMED).map(named)).chain(rest).collect()
}

fn caption(
    curvature: &str,
    epoch: usize,
    placed: &[(&MeansRecord, Vec<[f64; 2]>)],
    count: usize,
    notes: &RunNotes,
) -> String {
    let means = &placed[0].0.means.labels;
    let mut text = format!(
        "The {} mean gradients behind the {} matrix at epoch {epoch}, placed by t-SNE so that near ones are near: δ(c, c′) is the mean over \
         the samples of class c of the gradient that they would have with the label c′, δ(c) the mean of these over c′ ≠ c (thin lines lead to \
         it). Colours are classes c. Clusters of one colour, about their δ(c), are the hierarchy of classes and cross-classes behind the \
         outliers of a trained network; clusters of all colours say that a gradient is like those of the same label c′, whichever the \
         class. Directions, and distances between clusters, mean nothing.",
        means.len(),
        prose(curvature),
    );
    if placed.len() < count {
        text += &format!(" {} of {count} groups are drawn.", placed.len());
    }
    let estimators = distinct(placed.iter().map(|(record, _)| record.estimator.as_str()));
    let said = notes.estimators.iter().filter(|note| estimators.contains(&note.label.as_str()));
    said.fold(text, |text, note| format!("{text} {}: {}.", note.label, note.value))
}
