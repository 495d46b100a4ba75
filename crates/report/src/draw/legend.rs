//! Legends beside or above the panels, never over data.

use super::{Anchor, Colour, Drawing, Point, Stroke, Text, panel::TICK_SIZE, text};

const SAMPLE: f64 = 18.0;
const GAP: f64 = 6.0;
const LINE: f64 = 18.0;

/// The symbol beside a legend's label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// A piece of a line.
    Line(Stroke),
    /// A piece of a line with a dot.
    Marked(Stroke),
    /// A dot.
    Dot(Colour),
    /// A large dot.
    Disc(Colour),
    /// A circle.
    Ring(Colour),
    /// No symbol: the label is a remark.
    None,
}

/// An entry: its symbol and its label.
pub type Entry = (Sample, String);

/// The width of a legend column, at most `limit`.
#[must_use]
pub fn column_width(entries: &[Entry], limit: f64) -> f64 {
    let widest = entries.iter().map(|(_, label)| text::width(label, TICK_SIZE)).fold(0.0, f64::max);
    (SAMPLE + GAP + widest + 2.0).min(limit)
}

/// The height of a legend column.
#[must_use]
pub fn height(entries: &[Entry]) -> f64 {
    LINE * entries.len() as f64
}

/// Draws the entries as a column whose top left corner is `corner`; shortens labels to fit `width`.
pub fn column(drawing: &mut Drawing, corner: Point, width: f64, entries: &[Entry]) {
    for (i, (sample, label)) in entries.iter().enumerate() {
        let at = (corner.0, corner.1 + LINE * (i as f64 + 0.5));
        let label = text::fit(label, TICK_SIZE, width - SAMPLE - GAP);
        draw_entry(drawing, at, *sample, &label);
    }
}

fn draw_entry(drawing: &mut Drawing, (x, y): Point, sample: Sample, label: &str) {
    let middle = (x + 0.5 * SAMPLE, y);
    let ends = vec![(x, y), (x + SAMPLE, y)];
    match sample {
        Sample::Line(stroke) => drawing.line(ends, stroke),
        Sample::Marked(stroke) => {
            drawing.line(ends, stroke);
            drawing.dot(middle, 1.5 * stroke.width, stroke.colour);
        }
        Sample::Dot(colour) => drawing.dot(middle, 3.5, colour),
        Sample::Disc(colour) => drawing.dot(middle, 7.0, colour),
        Sample::Ring(colour) => drawing.ring(middle, 3.5, colour),
        Sample::None => {}
    }
    let start = if sample == Sample::None { x } else { x + SAMPLE + GAP };
    drawing.text(Text::new(label, (start, y + 0.35 * TICK_SIZE), TICK_SIZE, Anchor::Start));
}
