//! Distances between spectra.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One distance between two spectra.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DistanceRecord {
    /// The epoch of both spectra.
    pub epoch: usize,
    /// The sample of both spectra, where there are several, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The distance's name.
    pub metric: String,
    /// The curvature of both spectra; of the left one where `right_curvature` is present.
    pub curvature: String,
    /// The curvature of the right spectrum, with `between = "curvatures"`; `left` and `right` are
    /// then the same group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_curvature: Option<String>,
    /// The left group.
    pub left: String,
    /// The right group.
    pub right: String,
    /// The distance.
    pub value: f64,
    /// Its standard error due to the random vectors of the spectra, by the jackknife over
    /// `left_out`: 0 between spectra without randomness; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<f64>,
    /// The distance without each of the random vectors in turn (with more than [`PARTS`] vectors,
    /// without each of [`PARTS`] parts), left out of both spectra where both are random; absent
    /// where nothing is random or there is only one vector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<f64>,
    /// The distance at other bandwidths, for a distance that smooths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
}

/// The maximum number of parts into which the jackknife divides the random vectors of a spectrum:
/// the standard error of a distance costs at most this many distances.
pub const PARTS: usize = 32;

/// A distance over a grid of bandwidths, which includes the distance's own bandwidth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Band {
    /// Bandwidths in ascending order, as fractions of the range of both spectra.
    pub bandwidths: Vec<f64>,
    /// One distance per bandwidth.
    pub values: Vec<f64>,
}
