//! The font: DejaVu Sans, compiled in, so that figures look the same on every machine.

use std::sync::OnceLock;

use skrifa::{
    FontRef, MetadataProvider,
    instance::{LocationRef, Size},
};

/// The font file (see `fonts/README.md`).
pub const FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");
/// The font families in SVGs: widths are computed with the first; the others are no wider.
pub const FAMILIES: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";
/// The width in em assumed for a character that the font lacks.
const MISSING: f64 = 1.0;

/// The width of one line of text in pixels at the given em size.
#[must_use]
pub fn width(text: &str, size: f64) -> f64 {
    static FACE: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    let Some(font) = FACE.get_or_init(|| FontRef::new(FONT).ok()) else {
        return MISSING * size * text.chars().count() as f64;
    };
    let charmap = font.charmap();
    let metrics = font.glyph_metrics(Size::new(1.0), LocationRef::default());
    let advance = |c| charmap.map(c).and_then(|glyph| metrics.advance_width(glyph)).map(f64::from);
    size * text.chars().map(|c| advance(c).unwrap_or(MISSING)).sum::<f64>()
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
