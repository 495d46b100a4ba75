//! How alike two spectra are.

use crate::{Spectrum, error::Result};

/// A number that says how far two spectra, as probability measures on the eigenvalue axis, lie apart.
pub trait Distance: Send + Sync {
    /// The distance from `left` to `right`: never negative, 0 for equal measures.
    ///
    /// # Errors
    /// When the distance is not defined for these spectra.
    fn distance(&self, left: &Spectrum, right: &Spectrum) -> Result<f64>;

    /// Whether it is a metric (symmetric, triangle inequality, zero only for equal measures).
    fn is_metric(&self) -> bool;

    /// What it computes and with which support, smoothing and units, in one line for the report.
    fn description(&self) -> String;
}
