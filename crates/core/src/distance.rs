//! Distances between spectra.

use crate::{Spectrum, error::Result};

/// A distance between two spectra as probability measures on the eigenvalue axis.
pub trait Distance: Send + Sync {
    /// The distance from `left` to `right`: never negative, 0 for equal measures.
    ///
    /// # Errors
    /// When the distance is not defined for these spectra.
    fn distance(&self, left: &Spectrum, right: &Spectrum) -> Result<f64>;

    /// The most bytes that [`Self::distance`] takes for two spectra of `eigenvalues` eigenvalues
    /// each, in addition to the spectra: for a grid, say. By default 0, so that nothing is counted.
    fn memory(&self, eigenvalues: usize) -> usize {
        let _ = eigenvalues;
        0
    }

    /// The distance at other bandwidths, if it smooths: (bandwidth, distance) pairs, ascending,
    /// including its own bandwidth. The bandwidth decides which details are distinguished; the band
    /// shows how much of the distance depends on that choice.
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
