//! Line charts side by side with one legend at the right.

use super::WIDTH;
use crate::draw::{Axis, Drawing, Panel, Stroke, legend, legend::Entry};

/// A line.
pub struct Curve {
    /// Its points (x, y).
    pub points: Vec<(f64, f64)>,
    /// How it looks.
    pub stroke: Stroke,
}

impl Curve {
    /// A line of these points.
    pub fn new(points: Vec<(f64, f64)>, stroke: Stroke) -> Self {
        Self { points, stroke }
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
        chart.curves.iter().for_each(|curve| draw_curve(&mut drawing, &panel, curve));
        left += width + LEGEND_GAP;
    }
    legend::column(&mut drawing, (left, TOP), legend_width, entries);
    drawing
}

fn draw_curve(drawing: &mut Drawing, panel: &Panel, curve: &Curve) {
    panel.draw_line(drawing, &curve.points, curve.stroke);
    if curve.has_dots() {
        panel.draw_dots(drawing, &curve.points, 1.2 + 0.9 * curve.stroke.width, curve.stroke.colour);
    }
}
