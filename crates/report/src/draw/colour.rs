//! Colours that colour-blind readers can tell apart, on white paper.

use std::fmt;

/// An opaque sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// The colours of curves, on light and on dark ground.
pub const CURVES: [[Colour; 2]; 10] = [
    [Colour::BLUE, Colour(0x5a, 0xb4, 0xf0)],
    [Colour::VERMILLION, Colour(0xff, 0x9a, 0x4d)],
    [Colour(0x00, 0x80, 0x5d), Colour(0x3f, 0xd0, 0xa0)],
    [Colour(0xa3, 0x41, 0x7f), Colour(0xf0, 0x8c, 0xc8)],
    [Colour(0x6a, 0x4c, 0x9c), Colour(0xb6, 0x9c, 0xf0)],
    [Colour(0x8c, 0x56, 0x4b), Colour(0xd6, 0xa0, 0x8f)],
    [Colour(0x7a, 0x7a, 0x00), Colour(0xd0, 0xd0, 0x4a)],
    [Colour::INK, Colour(0xe6, 0xe6, 0xe6)],
    [Colour(0x1f, 0x7f, 0x96), Colour(0x7f, 0xd0, 0xe8)],
    [Colour(0x6e, 0x6e, 0x6e), Colour(0xb0, 0xb0, 0xb0)],
];

impl Colour {
    /// Text and emphasised curves.
    pub const INK: Self = Self(0x22, 0x22, 0x22);
    /// Axes, ticks and secondary text.
    pub const AXIS: Self = Self(0x55, 0x55, 0x55);
    /// Elements drawn for comparison only.
    pub const FAINT: Self = Self(0x8c, 0x8c, 0x8c);
    /// Grid lines.
    pub const GRID: Self = Self(0xe4, 0xe4, 0xe4);
    /// Okabe & Ito's blue.
    pub const BLUE: Self = Self(0x00, 0x72, 0xb2);
    /// Okabe & Ito's vermillion.
    pub const VERMILLION: Self = Self(0xd5, 0x5e, 0x00);
    /// Okabe & Ito's bluish green.
    pub const GREEN: Self = Self(0x00, 0x9e, 0x73);

    /// Text on a coloured ground.
    pub const WHITE: Self = Self(0xff, 0xff, 0xff);

    /// The `index`-th of ten colours for unordered items, repeated cyclically.
    #[must_use]
    pub fn of_class(index: usize) -> Self {
        const CLASSES: [Colour; 10] = [
            Colour::BLUE,
            Colour(0xe6, 0x9f, 0x00),
            Colour::GREEN,
            Colour::VERMILLION,
            Colour(0xcc, 0x79, 0xa7),
            Colour(0x56, 0xb4, 0xe9),
            Colour(0x8c, 0x56, 0x4b),
            Colour(0x6a, 0x4c, 0x9c),
            Colour(0x9a, 0x9a, 0x1e),
            Colour(0x6e, 0x6e, 0x6e),
        ];
        CLASSES[index % CLASSES.len()]
    }

    /// The colours of the `index`-th curve on light and on dark ground, repeated from the eleventh
    /// on.
    #[must_use]
    pub fn of_curve(index: usize) -> [Self; 2] {
        CURVES[index % CURVES.len()]
    }

    /// The contrast of two colours by the rules for accessible web pages (WCAG), from 1 to 21.
    #[cfg(test)]
    fn contrast(self, other: Self) -> f64 {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = |Self(r, g, b): Self| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
        let (a, b) = (luminance(self) + 0.05, luminance(other) + 0.05);
        a.max(b) / a.min(b)
    }

    /// A paler shade of the colour, for lines under dots of that colour.
    #[must_use]
    pub fn pale(self) -> Self {
        self.mix(Self::WHITE, 0.6)
    }

    /// The viridis colour at `t` in [0, 1], without its pale end, which is too faint for lines on
    /// white.
    #[must_use]
    pub fn ramp(t: f64) -> Self {
        // Matplotlib's viridis at 0, 1/8, ..., 6/8, interpolated linearly between.
        const VIRIDIS: [Colour; 7] = [
            Colour(0x44, 0x01, 0x54),
            Colour(0x47, 0x2d, 0x7b),
            Colour(0x3b, 0x52, 0x8b),
            Colour(0x2c, 0x72, 0x8e),
            Colour(0x21, 0x91, 0x8c),
            Colour(0x28, 0xae, 0x80),
            Colour(0x5e, 0xc9, 0x62),
        ];
        let last = VIRIDIS.len() - 1;
        let position = t.clamp(0.0, 1.0) * last as f64;
        let below = (position as usize).min(last - 1);
        VIRIDIS[below].mix(VIRIDIS[below + 1], position - below as f64)
    }

    /// The `index`-th of `count` colours along the ramp.
    #[must_use]
    pub fn of_order(index: usize, count: usize) -> Self {
        Self::ramp(if count < 2 { 0.4 } else { index as f64 / (count - 1) as f64 })
    }

    fn mix(self, other: Self, t: f64) -> Self {
        let mix = |a: u8, b: u8| (f64::from(a) + t * (f64::from(b) - f64::from(a))).round() as u8;
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::{CURVES, Colour};

    #[test]
    fn curves_stand_out_from_their_ground() {
        let grounds = [Colour::WHITE, Colour(0x16, 0x18, 0x1b)];
        for (ground, index) in grounds.into_iter().zip(0..) {
            for curve in CURVES {
                assert!(curve[index].contrast(ground) > 3.0, "{} on {ground}", curve[index]);
            }
        }
        assert!((Colour::WHITE.contrast(Colour(0, 0, 0)) - 21.0).abs() < 1e-9);
    }

    #[test]
    fn the_ramp_runs_from_dark_to_light() {
        assert_eq!(Colour::ramp(0.0).to_string(), "#440154");
        assert_eq!(Colour::ramp(1.0).to_string(), "#5ec962");
        assert_eq!(Colour::ramp(1.0 / 6.0).to_string(), "#472d7b");
        assert_eq!(Colour::ramp(f64::NAN.max(0.0)), Colour::ramp(0.0));
    }
}
