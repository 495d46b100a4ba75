//! How alike two spectra are.

use crate::{Spectrum, error::Result};

/// A number that says how far two spectra, as probability measures on the eigenvalue axis, lie
/// apart.
pub trait Distance: Send + Sync {
    /// The distance from `left` to `right`: never negative, 0 for equal measures.
    ///
    /// # Errors
    /// When the distance is not defined for these spectra.
    fn distance(&self, left: &Spectrum, right: &Spectrum) -> Result<f64>;

    /// Bytes that [`Self::distance`] takes for two spectra of so many eigenvalues each, at most,
    /// beside these: a grid, for example. By default nothing is said and so nothing counted.
    fn memory(&self, eigenvalues: usize) -> usize {
        let _ = eigenvalues;
        0
    }

    /// What it is at other bandwidths, where it smooths: (bandwidth, distance), ascending, its own
    /// bandwidth among them. A choice of the bandwidth is a choice of what is told apart; the band
    /// says how much of the distance is that choice.
    ///
    /// # Errors
    /// Those of [`Self::distance`].
    fn band(&self, left: &Spectrum, right: &Spectrum) -> Result<Vec<(f64, f64)>> {
        let _ = (left, right);
        Ok(Vec::new())
    }

    /// Whether it is a metric (symmetric, triangle inequality, zero only for equal measures).
    fn is_metric(&self) -> bool;

    /// What it computes and with which support, smoothing and units, in one line for the report.
    fn description(&self) -> String;
}
