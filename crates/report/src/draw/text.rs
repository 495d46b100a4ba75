//! The font: DejaVu Sans, compiled in, so that figures look the same on every machine.

use std::sync::OnceLock;

use tiny_skia::{Path, PathBuilder};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// The font file (see `fonts/README.md`).
pub const FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");
/// The font families in SVGs: widths are computed with the first; the others are no wider.
pub const FAMILIES: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";
/// The width in em assumed for a character that the font lacks.
const MISSING: f64 = 1.0;

/// The width of one line of text in pixels at the given em size.
#[must_use]
pub fn width(text: &str, size: f64) -> f64 {
    let Some(face) = face() else { return MISSING * size * text.chars().count() as f64 };
    size * text.chars().map(|c| advance(face, c)).sum::<f64>()
}

/// The outline of one line of text in pixels, with its baseline from `start` to the right; `None`
/// if there is nothing to draw.
#[must_use]
pub fn outline(text: &str, size: f64, start: (f32, f32)) -> Option<Path> {
    let face = face()?;
    let scale = size as f32 / f32::from(face.units_per_em());
    let mut pen = Outline { path: PathBuilder::new(), at: start, scale };
    for c in text.chars() {
        // Glyph 0 stands for characters that the font lacks.
        face.outline_glyph(face.glyph_index(c).unwrap_or(GlyphId(0)), &mut pen);
        pen.at.0 += (size * advance(face, c)) as f32;
    }
    pen.path.finish()
}

fn face() -> Option<&'static Face<'static>> {
    static FACE: OnceLock<Option<Face<'static>>> = OnceLock::new();
    FACE.get_or_init(|| Face::parse(FONT, 0).ok()).as_ref()
}

/// The width of a character in em.
fn advance(face: &Face, c: char) -> f64 {
    let glyph = face.glyph_index(c).and_then(|glyph| face.glyph_hor_advance(glyph));
    glyph.map_or(MISSING, |units| f64::from(units) / f64::from(face.units_per_em()))
}

/// Glyphs in units of the font, with y upwards, as a path in pixels.
struct Outline {
    path: PathBuilder,
    /// The origin of the current glyph.
    at: (f32, f32),
    scale: f32,
}

impl Outline {
    fn placed(&self, x: f32, y: f32) -> (f32, f32) {
        (self.at.0 + self.scale * x, self.at.1 - self.scale * y)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.placed(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.placed(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.placed(x1, y1), self.placed(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.placed(x1, y1), self.placed(x2, y2), self.placed(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

/// `text` with its middle replaced by "…" so that it is at most `limit` pixels wide.
#[must_use]
pub fn fit(text: &str, size: f64, limit: f64) -> String {
    if width(text, size) <= limit {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    let shortened = |kept: usize| -> String {
        let head = kept.div_ceil(2);
        let tail = characters.len() - (kept - head);
        characters[..head].iter().chain(&['…']).chain(&characters[tail..]).collect()
    };
    // The end of a parameter's name is as informative as its start, so the middle is dropped.
    (0..characters.len()).rev().map(shortened).find(|s| width(s, size) <= limit).unwrap_or_else(|| "…".into())
}

#[cfg(test)]
mod tests {
    use super::{fit, width};

    #[test]
    fn widths_are_the_fonts() {
        // DejaVu Sans: digits advance by 1303 units of 2048.
        assert!((width("0123", 10.0) - 4.0 * 10.0 * 1303.0 / 2048.0).abs() < 1e-3);
        assert_eq!(width("", 10.0), 0.0);
    }

    #[test]
    fn long_names_lose_their_middle() {
        let name = "features.denseblock4.denselayer16.conv2.weight";
        let short = fit(name, 10.0, 120.0);
        assert!(width(&short, 10.0) <= 120.0, "{short}");
        assert!(short.starts_with("features") && short.ends_with("weight"), "{short}");
        assert_eq!(fit("fc1", 10.0, 120.0), "fc1");
        assert_eq!(fit("fc1", 10.0, 0.0), "…");
    }
}
