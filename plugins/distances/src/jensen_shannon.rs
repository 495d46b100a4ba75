//! The Jensen-Shannon distance between smoothed spectra.

use std::f64::consts::LN_2;

use eigenscape_core::{Distance, Registry, Result, Spectrum};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    smoothing::{Smoothed, Smoothing, relative_entropy},
    support::Support,
};

/// Parameters of `jensen-shannon`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JensenShannonParameters {
    /// Standard deviation of the smoothing Gaussian as a share of the range from the smallest to
    /// the largest eigenvalue of both spectra; 0.01 by default.
    pub bandwidth: f64,
    /// Points of the grid, 1024 by default.
    pub points: usize,
    /// The axis: "raw" (default) or "unit"; "common" gives the same number as "raw", since the
    /// bandwidth is relative.
    pub support: Support,
}

impl Default for JensenShannonParameters {
    fn default() -> Self {
        Self { bandwidth: Smoothing::BANDWIDTH, points: Smoothing::POINTS, support: Support::Raw }
    }
}

/// The Jensen-Shannon distance √(½ KL₂(p ‖ m) + ½ KL₂(q ‖ m)), m = ½(p + q), with logarithms to
/// base 2. It is between 0 and 1, and 1 if the two have no mass in common (Endres & Schindelin
/// 2003).
///
/// p and q are the spectra smoothed as for [`kl`](crate::kl::Kl), without a floor: m is positive
/// wherever p or q is.
///
/// For fixed probability vectors this is a metric. Here the bandwidth and the grid are relative to
/// the pair's range, so the triangle inequality can fail between spectra of different ranges. With
/// `support = "unit"` the range is always \[0, 1\], and the distance is a pseudometric (0 also for
/// spectra that differ only in scale). [`Distance::is_metric`] is therefore false.
///
/// ```
/// use eigenscape_core::{Distance, Spectrum};
/// use eigenscape_distances::jensen_shannon::JensenShannon;
/// let distance = JensenShannon::new(Default::default())?;
/// let (left, right) = (Spectrum::exact(1, vec![1.0], 0)?, Spectrum::exact(1, vec![2.0], 0)?);
/// assert_eq!(distance.distance(&left, &left)?, 0.0);
/// assert!((distance.distance(&left, &right)? - 1.0).abs() < 1e-12);
/// # Ok::<(), eigenscape_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct JensenShannon {
    smoothing: Smoothing,
}

impl JensenShannon {
    /// The distance with checked parameters.
    ///
    /// # Errors
    /// When the bandwidth is not positive or the grid is coarser than the bandwidth.
    pub fn new(parameters: JensenShannonParameters) -> Result<Self> {
        let JensenShannonParameters { bandwidth, points, support } = parameters;
        Ok(Self { smoothing: Smoothing::new("jensen-shannon", bandwidth, points, support)? })
    }
}

impl Distance for JensenShannon {
    fn distance(&self, left: &Spectrum, right: &Spectrum) -> Result<f64> {
        Ok(between(&self.smoothing, left, right))
    }

    fn band(&self, left: &Spectrum, right: &Spectrum) -> Result<Vec<(f64, f64)>> {
        Ok(self.smoothing.band(|smoothing| between(smoothing, left, right)))
    }

    fn memory(&self, eigenvalues: usize) -> usize {
        self.smoothing.memory(eigenvalues)
    }

    fn is_metric(&self) -> bool {
        false
    }

    fn description(&self) -> String {
        format!("Jensen-Shannon distance (base 2), {}", self.smoothing.words())
    }
}

fn between(smoothing: &Smoothing, left: &Spectrum, right: &Spectrum) -> f64 {
    smoothing.apply(left, right).map_or(0.0, |smoothed| divergence(&smoothed).sqrt())
}

/// The Jensen-Shannon divergence to base 2, in [0, 1].
fn divergence(Smoothed { left, right }: &Smoothed) -> f64 {
    let middle = || left.iter().zip(right).map(|(p, q)| 0.5 * (p + q));
    let from = |side: &[f64]| relative_entropy(side.iter().copied(), middle());
    ((from(left) + from(right)) / (2.0 * LN_2)).min(1.0)
}

/// Adds `jensen-shannon` to the registry.
pub fn register(registry: &mut Registry) {
    registry.distances.add::<JensenShannonParameters>(
        "jensen-shannon",
        "square root of the Jensen-Shannon divergence (base 2) of the smoothed spectra, between 0 and 1",
        |parameters, _| Ok(Box::new(JensenShannon::new(parameters)?)),
    );
}

#[cfg(test)]
mod tests {
    use eigenscape_core::Distance;
    use proptest::prelude::*;

    use super::{JensenShannon, JensenShannonParameters};
    use crate::{
        support::Support,
        testing::{any_spectrum, dirac, measure},
    };

    fn jensen_shannon(support: Support) -> JensenShannon {
        JensenShannon::new(JensenShannonParameters { support, ..Default::default() }).unwrap()
    }

    #[test]
    fn of_separate_mixtures_is_that_of_their_weights() {
        let left = measure(&[(0.0, 0.75), (40.0, 0.25)]);
        let right = measure(&[(0.0, 0.25), (40.0, 0.75)]);
        // m = (1/2, 1/2): both divergences are 3/4 log₂(3/2) + 1/4 log₂(1/2).
        let expected = (0.75 * 1.5_f64.log2() - 0.25).sqrt();
        let value = jensen_shannon(Support::Raw).distance(&left, &right).unwrap();
        assert!((value - expected).abs() < 1e-12, "{value} against {expected}");
    }

    #[test]
    fn is_one_for_spectra_without_common_mass() {
        let value = jensen_shannon(Support::Raw).distance(&dirac(-2.0), &dirac(5.0)).unwrap();
        assert!((value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn sees_shapes_only_on_the_unit_support() {
        let left = measure(&[(0.0, 0.75), (2.0, 0.25)]);
        let right = measure(&[(0.0, 0.75), (50.0, 0.25)]);
        assert_eq!(jensen_shannon(Support::Unit).distance(&left, &right).unwrap(), 0.0);
        assert!(jensen_shannon(Support::Raw).distance(&left, &right).unwrap() > 0.3);
    }

    proptest! {
        #[test]
        fn is_symmetric_bounded_and_zero_for_equal_spectra(a in any_spectrum(), b in any_spectrum()) {
            for support in [Support::Raw, Support::Unit] {
                let distance = jensen_shannon(support);
                let there = distance.distance(&a, &b).unwrap();
                prop_assert!((there - distance.distance(&b, &a).unwrap()).abs() < 1e-12);
                prop_assert!((0.0..=1.0).contains(&there));
                prop_assert_eq!(distance.distance(&a, &a).unwrap(), 0.0);
            }
        }

        #[test]
        fn obeys_the_triangle_inequality_on_the_unit_support(a in any_spectrum(), b in any_spectrum(), c in any_spectrum()) {
            let distance = jensen_shannon(Support::Unit);
            let d = |x, y| distance.distance(x, y).unwrap();
            prop_assert!(d(&a, &c) <= d(&a, &b) + d(&b, &c) + 1e-9);
        }
    }
}
