//! The distance that the code published with arXiv 2012.03801 computes and calls Wasserstein.

use eigenscape_core::{Distance, Registry, Result, Spectrum};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{smoothing::Smoothing, support::Support};

/// Added to a mass before its logarithm is taken.
const FLOOR: f64 = 1e-10;

/// Parameters of `wasserstein-density-values`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DensityValuesParameters {
    /// Standard deviation of the smoothing Gaussian as a share of the range of both spectra; 0.01
    /// by default.
    pub bandwidth: f64,
    /// Points of the grid, 1024 by default.
    pub points: usize,
}

impl Default for DensityValuesParameters {
    fn default() -> Self {
        Self { bandwidth: Smoothing::BANDWIDTH, points: Smoothing::POINTS }
    }
}

/// A distance between the *values* of two densities, not between the measures. Both spectra are
/// smoothed on one grid as for [`kl`](crate::kl). The logarithms of the masses (plus 1e-10) are
/// shifted and scaled to \[0, 1\], divided by their sum, and sorted. The distance is the mean |uᵢ −
/// vᵢ| of the sorted values, times the number of points.
///
/// It ignores where on the axis an eigenvalue lies: spectra with mirrored densities have the
/// distance 0. Its only purpose is to reproduce the paper's figures next to those of
/// [`wasserstein`](crate::wasserstein).
///
/// ```
/// use eigenscape_core::{Distance, Spectrum};
/// use eigenscape_distances::wasserstein_density_values::WassersteinDensityValues;
/// let distance = WassersteinDensityValues::new(Default::default())?;
/// // A quarter of the mass above, or below, three quarters.
/// let left = Spectrum::exact(4, vec![1.0], 0)?;
/// let mirrored = Spectrum::exact(4, vec![1.0, 1.0, 1.0], 0)?;
/// assert!(distance.distance(&left, &mirrored)? < 1e-9);
/// # Ok::<(), eigenscape_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WassersteinDensityValues(Smoothing);

impl WassersteinDensityValues {
    /// The distance with checked parameters.
    ///
    /// # Errors
    /// When the bandwidth is not positive, or the grid would be coarser than the bandwidth.
    pub fn new(parameters: DensityValuesParameters) -> Result<Self> {
        let DensityValuesParameters { bandwidth, points } = parameters;
        Smoothing::new("wasserstein-density-values", bandwidth, points, Support::Raw).map(Self)
    }
}

impl Distance for WassersteinDensityValues {
    fn distance(&self, left: &Spectrum, right: &Spectrum) -> Result<f64> {
        Ok(between(&self.0, left, right))
    }

    fn band(&self, left: &Spectrum, right: &Spectrum) -> Result<Vec<(f64, f64)>> {
        Ok(self.0.band(|smoothing| between(smoothing, left, right)))
    }

    fn memory(&self, eigenvalues: usize) -> usize {
        self.0.memory(eigenvalues)
    }

    fn is_metric(&self) -> bool {
        false
    }

    fn description(&self) -> String {
        format!(
            "1-Wasserstein distance between the values of log-densities (as published, not on the eigenvalue axis), {}",
            self.0.words()
        )
    }
}

fn between(smoothing: &Smoothing, left: &Spectrum, right: &Spectrum) -> f64 {
    let Some(smoothed) = smoothing.apply(left, right) else { return 0.0 };
    let (left, right) = (values(smoothed.left), values(smoothed.right));
    left.iter().zip(&right).map(|(u, v)| (u - v).abs()).sum()
}

/// The sorted logarithms, rescaled to \[0, 1\] and to the sum 1; zeros if all are equal.
fn values(masses: Vec<f64>) -> Vec<f64> {
    let mut values: Vec<f64> = masses.into_iter().map(|mass| (mass + FLOOR).ln()).collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0));
    if high <= low {
        return vec![0.0; values.len()];
    }
    values.iter_mut().for_each(|value| *value = (*value - low) / (high - low));
    let total: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= total);
    values
}

/// Adds `wasserstein-density-values` to the registry.
pub fn register(registry: &mut Registry) {
    registry.distances.add::<DensityValuesParameters>(
        "wasserstein-density-values",
        "what the code of arXiv 2012.03801 calls Wasserstein: it compares the values of the log-densities, not where they lie",
        |parameters, _| Ok(Box::new(WassersteinDensityValues::new(parameters)?)),
    );
}

#[cfg(test)]
mod tests {
    use eigenscape_core::Distance;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_spectrum;

    #[test]
    fn values_are_shares_of_the_logarithms() {
        // ln(m + 1e-10) is −23.03, 0 and 0, sorted: rescaled to 0, 1 and 1, then divided by the sum
        // 2.
        let found = values(vec![1.0, 0.0, 1.0]);
        assert!((found[0]).abs() < 1e-12 && (found[1] - 0.5).abs() < 1e-9 && (found[2] - 0.5).abs() < 1e-9);
        assert_eq!(values(vec![0.25; 4]), [0.0; 4]);
    }

    proptest! {
        #[test]
        fn is_symmetric_and_zero_for_equals(a in any_spectrum(), b in any_spectrum()) {
            let distance = WassersteinDensityValues::new(DensityValuesParameters::default()).unwrap();
            let d = |x, y| distance.distance(x, y).unwrap();
            prop_assert_eq!(d(&a, &a), 0.0);
            prop_assert!((d(&a, &b) - d(&b, &a)).abs() < 1e-12);
        }
    }
}
