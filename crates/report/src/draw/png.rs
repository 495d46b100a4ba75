//! Drawings as PNG: the shapes of the SVG, rasterised here.

use eigenscape_core::{Error, Result};
use tiny_skia::{FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke as Pen, StrokeDash, Transform};

use super::{Anchor, Colour, Drawing, Point, Stroke, Text, drawing::Shape, text};

/// Pixels of the PNG per pixel of the drawing: sharp on high-resolution screens and in print.
pub const PIXEL_RATIO: f32 = 2.0;

/// Rasterises a drawing on white.
///
/// # Errors
/// When the drawing has no size or is too large to rasterise, which only a bug in this crate can
/// cause.
pub fn rasterise(drawing: &Drawing) -> Result<Vec<u8>> {
    let pixels = |length: f64| (length.round() as f32 * PIXEL_RATIO) as u32;
    let pixmap = Pixmap::new(pixels(drawing.width), pixels(drawing.height));
    let mut canvas = Canvas { pixmap: pixmap.ok_or_else(|| fault("it cannot be rasterised"))? };
    canvas.pixmap.fill(tiny_skia::Color::WHITE);
    for shape in &drawing.shapes {
        match shape {
            Shape::Line { points, stroke } => canvas.line(points, *stroke),
            Shape::Area { points, colour, opacity } => canvas.fill(path(points, true), *colour, *opacity),
            Shape::Dot { centre: (x, y), radius, colour } => {
                canvas.fill(PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32), *colour, 1.0);
            }
            Shape::Text(text) => canvas.text(text),
        }
    }
    canvas.pixmap.encode_png().map_err(|error| fault(&error.to_string()))
}

struct Canvas {
    pixmap: Pixmap,
}

impl Canvas {
    fn scale() -> Transform {
        Transform::from_scale(PIXEL_RATIO, PIXEL_RATIO)
    }

    /// Fills a path; nothing if it has no extent.
    fn fill(&mut self, path: Option<Path>, colour: Colour, opacity: f64) {
        self.fill_in(path, colour, opacity, Self::scale());
    }

    fn fill_in(&mut self, path: Option<Path>, colour: Colour, opacity: f64, transform: Transform) {
        if let Some(path) = path {
            self.pixmap.fill_path(&path, &paint(colour, opacity), FillRule::Winding, transform, None);
        }
    }

    fn line(&mut self, points: &[Point], stroke: Stroke) {
        let width = stroke.width as f32;
        let dash = stroke.dashed.then(|| StrokeDash::new(vec![3.0 * width; 2], 0.0)).flatten();
        let pen = Pen { width, line_join: LineJoin::Round, dash, ..Pen::default() };
        if let Some(path) = path(points, false) {
            self.pixmap.stroke_path(&path, &paint(stroke.colour, 1.0), &pen, Self::scale(), None);
        }
    }

    fn text(&mut self, text: &Text) {
        let (x, y) = (text.at.0 as f32, text.at.1 as f32);
        let shift = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -0.5,
            Anchor::End => -1.0,
        };
        let start = x + (shift * text.width()) as f32;
        let turned = Self::scale().pre_concat(Transform::from_rotate_at(text.angle as f32, x, y));
        let path = text::outline(&text.content, text.size, (start, y));
        self.fill_in(path, text.colour, 1.0, turned);
    }
}

fn paint(Colour(red, green, blue): Colour, opacity: f64) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(red, green, blue, (255.0 * opacity).round() as u8);
    paint
}

/// The line through these points; `None` if it has no extent.
fn path(points: &[Point], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, (x, y)) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    if closed {
        path.close();
    }
    path.finish()
}

fn fault(problem: &str) -> Error {
    Error::input(
        "figure",
        problem,
        "report this, with the run's results.json: the report drew an invalid figure",
    )
}

#[cfg(test)]
mod tests {
    use tiny_skia::Pixmap;

    use super::*;

    /// The number of pixels of this colour, by their columns and rows: first and last.
    fn extent(drawing: &Drawing, is: impl Fn([u8; 3]) -> bool) -> Option<[u32; 4]> {
        let pixmap = Pixmap::decode_png(&rasterise(drawing).unwrap()).unwrap();
        let mut found: Option<[u32; 4]> = None;
        for (i, pixel) in pixmap.pixels().iter().enumerate() {
            let (x, y) = (i as u32 % pixmap.width(), i as u32 / pixmap.width());
            if is([pixel.red(), pixel.green(), pixel.blue()]) {
                let [left, right, top, bottom] = found.unwrap_or([x, x, y, y]);
                found = Some([left.min(x), right.max(x), top.min(y), bottom.max(y)]);
            }
        }
        found
    }

    #[test]
    fn shapes_are_where_they_belong() {
        let mut drawing = Drawing::new(100.0, 50.0);
        drawing.line(vec![(10.0, 20.0), (30.0, 20.0)], Stroke::solid(Colour(255, 0, 0), 2.0));
        assert_eq!(extent(&drawing, |pixel| pixel == [255, 0, 0]), Some([20, 59, 38, 41]));
        let dots = (0..80).step_by(8).map(|x| (f64::from(x), 40.0)).collect();
        drawing.area(dots, Colour(0, 0, 255), 0.5);
        assert_eq!(extent(&drawing, |[red, _, blue]| blue > red), None, "an area without extent");
        drawing.area(vec![(60.0, 10.0), (70.0, 10.0), (70.0, 20.0), (60.0, 20.0)], Colour(0, 0, 255), 0.5);
        assert_eq!(extent(&drawing, |pixel| pixel == [127, 127, 255]), Some([120, 139, 20, 39]));
        assert_eq!(extent(&drawing, |[red, _, blue]| blue > red), Some([120, 139, 20, 39]));
    }

    #[test]
    fn text_is_anchored_and_turned() {
        let dark = |[red, ..]: [u8; 3]| red < 128;
        let of = |anchor, angle| {
            let mut drawing = Drawing::new(200.0, 200.0);
            drawing.text(Text::new("Hamburg", (100.0, 100.0), 12.0, anchor).rotated(angle));
            extent(&drawing, dark).unwrap().map(|pixel| f64::from(pixel) / f64::from(PIXEL_RATIO))
        };
        let width = Text::new("Hamburg", (0.0, 0.0), 12.0, Anchor::Start).width();
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 2.0, "{found} {expected}");
        let [left, right, top, bottom] = of(Anchor::Start, 0.0);
        near(left, 100.0);
        near(right, 100.0 + width);
        near(top, 100.0 - 0.73 * 12.0);
        assert!(bottom > 100.0 && bottom < 104.0, "the tail of g: {bottom}");
        near(of(Anchor::End, 0.0)[0], 100.0 - width);
        near(of(Anchor::Middle, 0.0)[0], 100.0 - width / 2.0);
        // A quarter turn to the left: upwards from the anchor.
        let [_, right, top, bottom] = of(Anchor::Start, -90.0);
        near(bottom, 100.0);
        near(top, 100.0 - width);
        assert!(right < 104.0);
    }
}
