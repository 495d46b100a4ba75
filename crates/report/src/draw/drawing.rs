//! A drawing as plain data: shapes with positions in pixels from the top left corner.

use super::{Colour, text};

/// A position in pixels, y downwards.
pub type Point = (f64, f64);

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub colour: Colour,
    /// Its width in pixels.
    pub width: f64,
    /// Whether it is dashed.
    pub dashed: bool,
}

impl Stroke {
    /// A solid line.
    #[must_use]
    pub fn solid(colour: Colour, width: f64) -> Self {
        Self { colour, width, dashed: false }
    }

    /// A dashed line.
    #[must_use]
    pub fn dashed(colour: Colour, width: f64) -> Self {
        Self { colour, width, dashed: true }
    }
}

/// The point of a text's baseline that lies at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The left end of its baseline.
    Start,
    /// The middle of its baseline.
    Middle,
    /// The right end of its baseline.
    End,
}

/// A line of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The characters.
    pub content: String,
    /// The position of the anchor.
    pub at: Point,
    /// The em in pixels.
    pub size: f64,
    /// Its colour.
    pub colour: Colour,
    /// Which point of the baseline is at the position.
    pub anchor: Anchor,
    /// Clockwise rotation about the anchor in degrees.
    pub angle: f64,
}

impl Text {
    /// Text at a position, dark, unrotated.
    #[must_use]
    pub fn new(content: impl Into<String>, at: Point, size: f64, anchor: Anchor) -> Self {
        Self { content: content.into(), at, size, colour: Colour::INK, anchor, angle: 0.0 }
    }

    /// The text in another colour.
    #[must_use]
    pub fn coloured(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    /// The text rotated clockwise by `angle` degrees about its anchor.
    #[must_use]
    pub fn rotated(self, angle: f64) -> Self {
        Self { angle, ..self }
    }

    /// The length of its baseline in pixels.
    #[must_use]
    pub fn width(&self) -> f64 {
        text::width(&self.content, self.size)
    }
}

/// One element of a drawing.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// An open line through points.
    Line {
        /// Its points.
        points: Vec<Point>,
        /// How it looks.
        stroke: Stroke,
    },
    /// A filled area without outline.
    Area {
        /// Its corners.
        points: Vec<Point>,
        /// Its colour.
        colour: Colour,
        /// 0 (invisible) to 1 (opaque).
        opacity: f64,
    },
    /// A filled circle.
    Dot {
        /// Its centre.
        centre: Point,
        /// Its radius in pixels.
        radius: f64,
        /// Its colour.
        colour: Colour,
    },
    /// A line of text.
    Text(Text),
}

/// The shapes of a figure on a white background.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
    /// The shapes, from back to front.
    pub shapes: Vec<Shape>,
}

impl Drawing {
    /// An empty drawing.
    #[must_use]
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    /// Adds an open line; fewer than two points draw nothing.
    pub fn line(&mut self, points: Vec<Point>, stroke: Stroke) {
        if points.len() > 1 {
            self.shapes.push(Shape::Line { points, stroke });
        }
    }

    /// Adds a filled area.
    pub fn area(&mut self, points: Vec<Point>, colour: Colour, opacity: f64) {
        self.shapes.push(Shape::Area { points, colour, opacity });
    }

    /// Adds a filled circle.
    pub fn dot(&mut self, centre: Point, radius: f64, colour: Colour) {
        self.shapes.push(Shape::Dot { centre, radius, colour });
    }

    /// Adds a circle that hides what is behind it.
    pub fn ring(&mut self, centre: Point, radius: f64, colour: Colour) {
        self.dot(centre, radius, colour);
        self.dot(centre, 0.55 * radius, Colour::WHITE);
    }

    /// Adds text.
    pub fn text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }
}
