//! How measurements grow with size: log-log panels side by side, with the slopes of powers for
//! comparison.

use crate::draw::{
    Anchor, Axis, Colour, Drawing, Panel, Stroke, Text,
    axis::range,
    legend::{self, Entry, Sample},
    panel::TICK_SIZE,
    svg,
};

/// One measured quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingCurve {
    /// The label in the legend.
    pub label: String,
    /// The index of the colour; curves with the same index share a colour.
    pub colour: usize,
    /// Whether its line is dashed.
    pub dashed: bool,
    /// (size, measurement), both relative to the smallest size.
    pub points: Vec<(f64, f64)>,
}

/// A panel of curves; the n-th curves of all panels share a legend entry.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingPanel {
    /// The vertical axis' title.
    pub y_title: String,
    /// The curves.
    pub curves: Vec<ScalingCurve>,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 340.0;
const TOP: f64 = 20.0;
const MARGIN: f64 = 70.0;
const BELOW: f64 = 55.0;
const LEGEND: f64 = 230.0;
/// The powers whose slopes are drawn.
const POWERS: [i32; 3] = [1, 2, 3];

/// The panels as an SVG document; `None` if a panel has no positive value.
#[must_use]
pub fn scaling(title: &str, x_title: &str, panels: &[ScalingPanel]) -> Option<String> {
    let mut drawing = Drawing::new(WIDTH, TOP + HEIGHT + BELOW);
    let width = (WIDTH - LEGEND) / panels.len() as f64 - MARGIN;
    for (index, panel) in panels.iter().enumerate() {
        let left = MARGIN + index as f64 * (width + MARGIN);
        draw_panel(&mut drawing, panel, x_title, left, width)?;
    }
    let curves = panels.first().map_or(&[][..], |panel| &panel.curves);
    let colours = colours(curves);
    let entry = |curve: &ScalingCurve| (Sample::Marked(stroke(curve, colours)), curve.label.clone());
    let entries: Vec<Entry> = curves.iter().map(entry).collect();
    legend::column(&mut drawing, (WIDTH - LEGEND + 20.0, TOP), LEGEND - 20.0, &entries);
    Some(svg::write(&drawing, title))
}

fn draw_panel(
    drawing: &mut Drawing,
    panel: &ScalingPanel,
    x_title: &str,
    left: f64,
    width: f64,
) -> Option<()> {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points).filter(|(x, y)| *x > 0.0 && *y > 0.0);
    let (x, y) = (range(points().map(|point| point.0))?, range(points().map(|point| point.1))?);
    // A margin of 10 % on each side keeps dots off the frame.
    let wider = |(low, high): (f64, f64)| (low / 1.1, high * 1.1);
    let (x, y) = (wider(x), wider(y));
    let frame = Panel { left, top: TOP, width, height: HEIGHT, x: Axis::log(x, 5), y: Axis::log(y, 6) };
    frame.draw_axes(drawing);
    frame.draw_x_title(drawing, x_title);
    frame.draw_y_title(drawing, &panel.y_title);
    for power in POWERS {
        let end = x.1.min(y.1.powf(f64::from(power).recip()));
        let end = (end, end.powi(power));
        frame.draw_line(drawing, &[(1.0, 1.0), end], Stroke::dashed(Colour::FAINT, 1.0));
        let (right, top) = frame.at(end.0, end.1);
        let label = Text::new(format!("^{power}"), (right - 3.0, top - 4.0), TICK_SIZE, Anchor::End);
        drawing.text(label.coloured(Colour::FAINT));
    }
    let colours = colours(&panel.curves);
    for curve in &panel.curves {
        let stroke = stroke(curve, colours);
        frame.draw_line(drawing, &curve.points, stroke);
        frame.draw_dots(drawing, &curve.points, 3.0, stroke.colour);
    }
    Some(())
}

fn colours(curves: &[ScalingCurve]) -> usize {
    curves.iter().map(|curve| curve.colour + 1).max().unwrap_or(1)
}

fn stroke(curve: &ScalingCurve, colours: usize) -> Stroke {
    let colour = Colour::of_order(curve.colour, colours);
    if curve.dashed { Stroke::dashed(colour, 1.6) } else { Stroke::solid(colour, 1.6) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_what_is_positive_and_nothing_of_nothing() {
        let curve = |points: &[(f64, f64)]| ScalingCurve {
            label: "samples".into(),
            colour: 0,
            dashed: false,
            points: points.to_vec(),
        };
        let panel = |points| ScalingPanel { y_title: "time".into(), curves: vec![curve(points)] };
        let svg = scaling("growth", "size", &[panel(&[(1.0, 1.0), (8.0, 60.0)])]).unwrap();
        assert!(svg.contains("samples") && svg.contains("^2") && svg.matches("<circle").count() == 3);
        assert!(scaling("growth", "size", &[panel(&[(1.0, 0.0)])]).is_none());
    }
}
