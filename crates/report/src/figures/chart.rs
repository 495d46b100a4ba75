//! Line charts side by side with one legend at the right.

use super::WIDTH;
use crate::draw::{
    Axis, Drawing, Panel, Stroke, legend,
    legend::{Entry, Sample},
};

/// A line with optional error bars and a band.
pub struct Curve {
    /// Its points (x, y).
    pub points: Vec<(f64, f64)>,
    /// (x, y, half the width of an interval) where an interval is known.
    pub errors: Vec<(f64, f64, f64)>,
    /// (x, lowest, highest) of a shaded area around the line, where it is known.
    pub band: Vec<(f64, f64, f64)>,
    /// How it looks.
    pub stroke: Stroke,
}

impl Curve {
    /// A line without error bars.
    pub fn new(points: Vec<(f64, f64)>, stroke: Stroke) -> Self {
        Self { points, errors: Vec::new(), band: Vec::new(), stroke }
    }

    /// The curve's symbol in a legend.
    pub fn sample(&self) -> Sample {
        if self.has_dots() { Sample::Marked(self.stroke) } else { Sample::Line(self.stroke) }
    }

    /// Whether points are marked by dots: on many points, dots would only thicken the line.
    fn has_dots(&self) -> bool {
        self.points.len() <= MOST_DOTS
    }
}

/// A panel of curves.
pub struct Chart {
    /// The horizontal axis.
    pub x: Axis,
    /// The horizontal axis' title.
    pub x_title: String,
    /// The vertical axis' title.
    pub y_title: String,
    /// The curves, from back to front.
    pub curves: Vec<Curve>,
}

const MOST_DOTS: usize = 40;
const TOP: f64 = 20.0;
const HEIGHT: f64 = 300.0;
const BELOW: f64 = 26.0;
const LEGEND_LIMIT: f64 = 210.0;
const LEGEND_GAP: f64 = 22.0;
const TITLE_ROOM: f64 = 32.0;
const RIGHT: f64 = 10.0;

/// Draws the charts from left to right; `None` if one of them has no finite value.
pub fn side_by_side(charts: &[Chart], entries: &[Entry]) -> Option<Drawing> {
    Some(on_axes(charts, charts.iter().map(y_axis).collect::<Option<Vec<_>>>()?, entries))
}

/// Draws the charts from left to right on the given vertical axes.
pub fn on_axes(charts: &[Chart], y_axes: Vec<Axis>, entries: &[Entry]) -> Drawing {
    let legend_width = if entries.is_empty() { 0.0 } else { legend::column_width(entries, LEGEND_LIMIT) };
    let margins: Vec<f64> = y_axes.iter().map(|y| Panel::label_room(y) + TITLE_ROOM).collect();
    let gaps = LEGEND_GAP * charts.len() as f64;
    let width = (WIDTH - RIGHT - legend_width - gaps - margins.iter().sum::<f64>()) / charts.len() as f64;
    let room = charts.iter().map(|c| Panel::room_below(&c.x, width)).fold(0.0, f64::max);
    let legend_height = legend::height(entries);
    let height = TOP + HEIGHT + room + BELOW;
    let mut drawing = Drawing::new(WIDTH, height.max(TOP + legend_height));

    let mut left = 0.0;
    for ((chart, y), margin) in charts.iter().zip(y_axes).zip(margins) {
        left += margin;
        let panel = Panel { left, top: TOP, width, height: HEIGHT, x: chart.x.clone(), y };
        panel.draw_axes(&mut drawing);
        panel.draw_x_title(&mut drawing, &chart.x_title);
        panel.draw_y_title(&mut drawing, &chart.y_title);
        chart.curves.iter().for_each(|curve| panel.draw_band(&mut drawing, &curve.band, curve.stroke.colour));
        chart.curves.iter().for_each(|curve| draw_curve(&mut drawing, &panel, curve));
        left += width + LEGEND_GAP;
    }
    legend::column(&mut drawing, (left, TOP), legend_width, entries);
    drawing
}

fn y_axis(chart: &Chart) -> Option<Axis> {
    let points = chart.curves.iter().flat_map(|c| c.points.iter().map(|p| p.1));
    // A bar that reaches below zero makes the axis linear, since a logarithmic one would cut it
    // off.
    let ends = chart.curves.iter().flat_map(|c| &c.errors).flat_map(|&(_, y, error)| [y - error, y + error]);
    let bands = chart.curves.iter().flat_map(|c| &c.band).flat_map(|&(_, low, high)| [low, high]);
    let values = points.chain(ends).chain(bands);
    Axis::fitting(values, 6)
}

fn draw_curve(drawing: &mut Drawing, panel: &Panel, curve: &Curve) {
    panel.draw_line(drawing, &curve.points, curve.stroke);
    panel.draw_error_bars(drawing, &curve.errors, curve.stroke.colour);
    if curve.has_dots() {
        panel.draw_dots(drawing, &curve.points, 1.2 + 0.9 * curve.stroke.width, curve.stroke.colour);
    }
}

#[cfg(test)]
mod tests {
    use super::{Chart, Curve, y_axis};
    use crate::draw::{Axis, Colour, Stroke};

    fn axis(points: &[(f64, f64)], errors: &[(f64, f64, f64)]) -> Axis {
        let stroke = Stroke::solid(Colour::INK, 1.0);
        let curve = Curve { errors: errors.to_vec(), ..Curve::new(points.to_vec(), stroke) };
        let x = Axis::integers((0.0, 1.0), 2);
        y_axis(&Chart { x, x_title: String::new(), y_title: String::new(), curves: vec![curve] }).unwrap()
    }

    #[test]
    fn bars_are_not_cut_off() {
        let below = axis(&[(0.0, 1.0), (1.0, 70.0)], &[(0.0, 1.0, 7.0), (1.0, 70.0, 9.0)]);
        assert!(!below.is_log() && below.position(-6.0) >= 0.0 && below.position(79.0) <= 1.0);
        let above = axis(&[(0.0, 1.0), (1.0, 70.0)], &[(0.0, 1.0, 0.9), (1.0, 70.0, 9.0)]);
        assert!(above.is_log() && above.position(0.1) >= 0.0 && above.position(79.0) <= 1.0);
    }
}
