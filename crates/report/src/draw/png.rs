//! Rasterises the SVG of a figure to PNG, so that both files show the same.

use std::sync::{Arc, OnceLock};

use eigenscape_core::{Error, Result};
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb},
};

use super::text::FONT;

/// Pixels of the PNG per pixel of the drawing: sharp on high-resolution screens and in print.
pub const PIXEL_RATIO: f32 = 2.0;

/// Rasterises an SVG that [`super::svg::write`] wrote.
///
/// # Errors
/// When the SVG is invalid or too large to rasterise, which only a bug in this crate can cause.
pub fn rasterise(svg: &str) -> Result<Vec<u8>> {
    let options = Options { fontdb: fonts(), font_family: "DejaVu Sans".into(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|e| fault(&e.to_string()))?;
    let size = tree.size().to_int_size().scale_by(PIXEL_RATIO).ok_or_else(|| fault("it has no size"))?;
    let mut pixmap =
        Pixmap::new(size.width(), size.height()).ok_or_else(|| fault("it is too large to rasterise"))?;
    resvg::render(&tree, Transform::from_scale(PIXEL_RATIO, PIXEL_RATIO), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|e| fault(&e.to_string()))
}

fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut database = fontdb::Database::new();
        database.load_font_data(FONT.to_vec());
        Arc::new(database)
    };
    Arc::clone(FONTS.get_or_init(load))
}

fn fault(problem: &str) -> Error {
    Error::input(
        "figure",
        problem,
        "report this, with the run's results.json: the report drew an invalid figure",
    )
}
