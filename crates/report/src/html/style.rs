//! The page's looks.

/// The style sheet: light and dark, wide and narrow, screen and paper.
pub const CSS: &str = include_str!("style.css");
