//! The page's looks.

use std::fmt::Write;

use crate::draw::colour::CURVES;

/// The style sheet: light and dark, wide and narrow, screen and paper; the colours of curves are
/// those of the static figures.
pub fn css() -> String {
    let palette = |ground: usize| {
        CURVES.iter().enumerate().fold(String::new(), |mut text, (index, colours)| {
            // Writing to a string does not fail.
            let _ = write!(text, "--c{index}: {}; ", colours[ground]);
            text
        })
    };
    include_str!("style.css").replace("/* LIGHT */", &palette(0)).replace("/* DARK */", &palette(1))
}
