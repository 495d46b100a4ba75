//! One file per figure; each is a function from data to a drawing, or to `None` without data.

pub mod against_trace;
pub mod class_means;
pub mod density;
pub mod depth_summary;
pub mod distance_by_depth;
pub mod distance_over_epochs;
pub mod extremes_over_epochs;
pub mod parts;
pub mod stems;
pub mod training;

mod chart;
mod provenance;
mod ritz;

/// The width of every figure in pixels.
const WIDTH: f64 = 880.0;
/// The maximum number of curves or rows of panels; more are thinned out evenly by depth.
const MOST: usize = 10;
/// The maximum width of a name in a legend in pixels.
const LEGEND_NAME: f64 = 150.0;
