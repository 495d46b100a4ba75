//! One file per figure; each is a function from data to a chart or a drawing, or to `None` without
//! data.

pub mod against_trace;
pub mod class_means;
pub mod density;
pub mod depth_summary;
pub mod distances;
pub mod eigenvalues;
pub mod over_epochs;
pub mod parts;
pub mod training;

mod chart;
mod curves;
mod eigenvalue_axis;
mod provenance;
mod ritz;

use eigenscape_analysis::uncertainty::Number;
use eigenscape_core::results::ProbeRecord;

use crate::{
    data::is_nonnegative,
    plot::{Frame, Line, Panel},
};

/// The width of every figure in pixels.
pub const WIDTH: f64 = 880.0;
/// The maximum number of curves or rows of panels; more are thinned out evenly by depth.
const MOST: usize = 10;
/// The maximum width of a name in a legend in pixels.
pub const LEGEND_NAME: f64 = 150.0;

/// The 95 % interval of a number; `None` if it is unknown or a point.
fn interval(number: &Number) -> Option<[f64; 2]> {
    number.interval().filter(|[low, high]| low < high && low.is_finite() && high.is_finite())
}

/// The 95 % interval of a number, without what lies outside of its possible values.
fn interval_within(number: &Number, [least, most]: [f64; 2]) -> Option<[f64; 2]> {
    let interval = interval(number)?;
    let is_possible = (least..=most).contains(&number.value);
    Some(if is_possible { interval.map(|end| end.clamp(least, most)) } else { interval })
}

/// The 95 % interval of a trace or an eigenvalue: not below 0 if none of these spectra is.
fn of_spectra(number: &Number, records: &[&ProbeRecord]) -> Option<[f64; 2]> {
    let positive = records.iter().all(|record| is_nonnegative(&record.curvature));
    interval_within(number, [if positive { 0.0 } else { f64::NEG_INFINITY }, f64::INFINITY])
}

/// A panel for each key that has a line with a finite value, so that the grid has no holes, and the
/// lines in them.
fn panels<K>(keys: &[K], mut lines: Vec<Line>, frame: impl Fn(&K) -> Frame) -> (Vec<Panel>, Vec<Line>) {
    let (mut panels, mut kept) = (Vec::new(), Vec::new());
    for (index, key) in keys.iter().enumerate() {
        let (ours, others): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(|line| line.panel == index);
        lines = others;
        if let Some(panel) = frame(key).around(&ours.iter().collect::<Vec<_>>(), false) {
            kept.extend(ours.into_iter().map(|line| Line { panel: panels.len(), ..line }));
            panels.push(panel);
        }
    }
    (panels, kept)
}
