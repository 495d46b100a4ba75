//! A rectangle with two axes into which values are drawn.

use super::{Anchor, Axis, Colour, Drawing, Point, Stroke, Text, text, tick_labels::TickLabels};

/// Em of tick labels in pixels.
pub const TICK_SIZE: f64 = 12.0;
/// Em of axis titles and panel titles in pixels.
pub const TITLE_SIZE: f64 = 13.0;
const TICK_LENGTH: f64 = 4.0;
const TICK_GAP: f64 = 3.0;

/// A plotting rectangle in pixels with its two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Left side.
    pub left: f64,
    /// Upper side.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
}

impl Panel {
    /// The right side.
    #[must_use]
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    /// The lower side.
    #[must_use]
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// The position in pixels of a pair of values.
    #[must_use]
    pub fn at(&self, x: f64, y: f64) -> Point {
        (self.x_at(x), self.bottom() - self.y.position(y) * self.height)
    }

    fn x_at(&self, x: f64) -> f64 {
        self.left + self.x.position(x) * self.width
    }

    /// The width in pixels that the vertical axis' labels need to the left of the rectangle.
    #[must_use]
    pub fn label_room(y: &Axis) -> f64 {
        y.ticks.iter().map(|t| text::width(&t.label, TICK_SIZE)).fold(0.0, f64::max) + TICK_LENGTH + TICK_GAP
    }

    /// Draws the grid lines, the left and lower sides, the ticks and their labels. Draw the data
    /// afterwards, above the grid.
    pub fn draw_axes(&self, drawing: &mut Drawing) {
        self.draw_y_axis(drawing);
        self.draw_x_axis(drawing, true);
    }

    /// Draws the axes without labels below: for a panel above another one that has them.
    pub fn draw_axes_unlabelled_below(&self, drawing: &mut Drawing) {
        self.draw_y_axis(drawing);
        self.draw_x_axis(drawing, false);
    }

    fn draw_y_axis(&self, drawing: &mut Drawing) {
        let (left, right) = (self.left, self.right());
        for tick in &self.y.ticks {
            let y = self.bottom() - self.y.position(tick.value) * self.height;
            if !tick.label.is_empty() {
                drawing.line(vec![(left, y), (right, y)], Stroke::solid(Colour::GRID, 1.0));
            }
            let length = if tick.label.is_empty() { TICK_LENGTH / 2.0 } else { TICK_LENGTH };
            drawing.line(vec![(left - length, y), (left, y)], Stroke::solid(Colour::AXIS, 1.0));
            let at = (left - TICK_LENGTH - TICK_GAP, y + 0.35 * TICK_SIZE);
            label(drawing, Text::new(&tick.label, at, TICK_SIZE, Anchor::End));
        }
        drawing.line(vec![(left, self.top), (left, self.bottom())], Stroke::solid(Colour::AXIS, 1.0));
    }

    fn draw_x_axis(&self, drawing: &mut Drawing, labelled: bool) {
        let bottom = self.bottom();
        for tick in &self.x.ticks {
            let x = self.x_at(tick.value);
            let length = if tick.label.is_empty() { TICK_LENGTH / 2.0 } else { TICK_LENGTH };
            drawing.line(vec![(x, bottom), (x, bottom + length)], Stroke::solid(Colour::AXIS, 1.0));
        }
        if labelled {
            self.draw_x_labels(drawing);
        }
        drawing.line(vec![(self.left, bottom), (self.right(), bottom)], Stroke::solid(Colour::AXIS, 1.0));
    }

    /// Draws only the horizontal axis' labels: for the lowest of several stacked panels.
    pub fn draw_x_labels(&self, drawing: &mut Drawing) {
        let labels = TickLabels::fitting(&self.x, self.width);
        let y = self.bottom() + TICK_LENGTH + TICK_GAP;
        self.x.ticks.iter().for_each(|t| label(drawing, labels.text(&t.label, (self.x_at(t.value), y))));
    }

    /// The height in pixels that the labels of a horizontal axis of this width need below the
    /// rectangle.
    #[must_use]
    pub fn room_below(x: &Axis, width: f64) -> f64 {
        TICK_LENGTH + TICK_GAP + TickLabels::fitting(x, width).height
    }

    /// Draws a title below the tick labels.
    pub fn draw_x_title(&self, drawing: &mut Drawing, title: &str) {
        let y = self.bottom() + Self::room_below(&self.x, self.width) + 5.0 + TITLE_SIZE;
        drawing.text(Text::new(title, (self.left + 0.5 * self.width, y), TITLE_SIZE, Anchor::Middle));
    }

    /// Draws a title to the left of the tick labels, reading upwards.
    pub fn draw_y_title(&self, drawing: &mut Drawing, title: &str) {
        let at = (self.left - Self::label_room(&self.y) - 10.0, self.top + 0.5 * self.height);
        drawing.text(Text::new(title, at, TITLE_SIZE, Anchor::Middle).rotated(-90.0));
    }

    /// Draws a line through values, interrupted at values that are not finite or, on a logarithmic
    /// vertical axis, not positive.
    pub fn draw_line(&self, drawing: &mut Drawing, values: &[(f64, f64)], stroke: Stroke) {
        for piece in values.split(|v| !self.has(*v)) {
            drawing.line(piece.iter().map(|&(x, y)| self.at(x, y)).collect(), stroke);
        }
    }

    /// Draws a dot at each value that has a position on the axes.
    pub fn draw_dots(&self, drawing: &mut Drawing, values: &[(f64, f64)], radius: f64, colour: Colour) {
        for &(x, y) in values.iter().filter(|v| self.has(**v)) {
            drawing.dot(self.at(x, y), radius, colour);
        }
    }

    /// Draws a pale area between `low` and `high` at each (x, low, high) for which both have a
    /// position on the axes.
    pub fn draw_band(&self, drawing: &mut Drawing, band: &[(f64, f64, f64)], colour: Colour) {
        for piece in band.split(|(x, low, high)| !self.has((*x, *low)) || !self.has((*x, *high))) {
            let lower = piece.iter().map(|&(x, low, _)| self.at(x, low));
            let upper = piece.iter().rev().map(|&(x, _, high)| self.at(x, high));
            match piece {
                [] => {}
                // An area at a single x has no width: draw a vertical line.
                [_] => {
                    drawing.line(lower.chain(upper).collect(), Stroke { colour, width: 5.0, dashed: true });
                }
                _ => drawing.area(lower.chain(upper).collect(), colour, 0.15),
            }
        }
    }

    /// Draws a vertical bar of ± `error` with caps at each (x, y, error).
    pub fn draw_error_bars(&self, drawing: &mut Drawing, bars: &[(f64, f64, f64)], colour: Colour) {
        const CAP: f64 = 5.0;
        let stroke = Stroke::solid(colour, 1.2);
        for &(x, y, error) in bars.iter().filter(|b| self.has((b.0, b.1)) && b.2.is_finite() && b.2 > 0.0) {
            // A logarithmic axis has no place for values ≤ 0: the bar ends at the lower side of the
            // rectangle.
            let low = if self.y.is_log() && y <= error { f64::MIN_POSITIVE } else { y - error };
            let (bottom, top) = (self.at(x, low), self.at(x, y + error));
            drawing.line(vec![bottom, top], stroke);
            for end in [bottom, top] {
                drawing.line(vec![(end.0 - CAP, end.1), (end.0 + CAP, end.1)], stroke);
            }
        }
    }

    fn has(&self, (x, y): (f64, f64)) -> bool {
        x.is_finite() && y.is_finite() && (y > 0.0 || !self.y.is_log())
    }
}

fn label(drawing: &mut Drawing, text: Text) {
    if !text.content.is_empty() {
        drawing.text(text.coloured(Colour::AXIS));
    }
}
