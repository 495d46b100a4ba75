//! Drawing: figures are lists of shapes, which are written as SVG and rasterised as PNG.

pub mod axis;
pub mod colour;
pub mod drawing;
pub mod labels;
pub mod legend;
pub mod names;
pub mod panel;
pub mod png;
pub mod svg;
pub mod text;
pub mod tick_labels;

pub use axis::{Axis, Scale};
pub use colour::Colour;
pub use drawing::{Anchor, Drawing, Point, Stroke, Text};
pub use panel::Panel;
