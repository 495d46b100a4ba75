//! Labels under a horizontal axis: horizontal if they fit, otherwise slanted, otherwise vertical.

use super::{Anchor, Axis, Point, Text, panel::TICK_SIZE, text};

/// The maximum width of a label in pixels; longer labels are shortened.
pub const LONGEST: f64 = 150.0;
/// The maximum width of slanted labels in pixels: longer ones would leave the drawing at the left.
const LONGEST_SLANTED: f64 = 84.0;
const SLANT: f64 = 40.0;

/// How the labels of one axis are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TickLabels {
    /// The counter-clockwise rotation in degrees: 0, [`SLANT`] or 90.
    angle: f64,
    /// The height in pixels that the labels need below the axis.
    pub height: f64,
}

impl TickLabels {
    /// The smallest rotation at which the labels do not touch.
    #[must_use]
    pub fn fitting(axis: &Axis, width: f64) -> Self {
        let labelled: Vec<_> = axis.ticks.iter().filter(|t| !t.label.is_empty()).collect();
        let mut places: Vec<f64> = labelled.iter().map(|t| width * axis.position(t.value)).collect();
        places.sort_by(f64::total_cmp);
        let slot = places.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let longest = labelled.iter().map(|t| text::width(&t.label, TICK_SIZE)).fold(0.0, f64::max);
        let cut = longest.min(LONGEST);
        if longest + 6.0 <= slot && longest <= LONGEST {
            Self { angle: 0.0, height: TICK_SIZE }
        } else if longest <= LONGEST_SLANTED && slot * SLANT.to_radians().sin() >= 1.15 * TICK_SIZE {
            Self { angle: SLANT, height: cut * SLANT.to_radians().sin() + TICK_SIZE }
        } else {
            Self { angle: 90.0, height: cut + 2.0 }
        }
    }

    /// A label whose upper end is below (x, y).
    #[must_use]
    pub fn text(&self, label: &str, (x, y): Point) -> Text {
        if self.angle == 0.0 {
            return Text::new(label, (x, y + 0.8 * TICK_SIZE), TICK_SIZE, Anchor::Middle);
        }
        // Shift right by half the height of an x, so that the label's middle line meets the tick.
        let at = if self.angle == SLANT {
            (x + 0.3 * TICK_SIZE, y + 0.6 * TICK_SIZE)
        } else {
            (x + 0.35 * TICK_SIZE, y)
        };
        Text::new(text::fit(label, TICK_SIZE, LONGEST), at, TICK_SIZE, Anchor::End).rotated(-self.angle)
    }
}
