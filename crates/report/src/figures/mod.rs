//! One file a figure; each is a function from data to a drawing, or to nothing where there is no
//! data.

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
/// At most so many curves or rows of panels; more are thinned out evenly by depth.
const MOST: usize = 10;
/// The widest name in a legend in pixels.
const LEGEND_NAME: f64 = 150.0;
