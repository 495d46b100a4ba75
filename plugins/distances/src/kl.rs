//! The Kullback-Leibler divergence between smoothed spectra.

use eigenscape_core::{Distance, Error, Registry, Result, Spectrum};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    smoothing::{Smoothing, relative_entropy},
    support::Support,
};

/// Parameters of `kl`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KlParameters {
    /// Standard deviation of the smoothing Gaussian as a share of the range from the smallest to
    /// the largest eigenvalue of both spectra; 0.01 by default (the densities of arXiv 2012.03801
    /// at 64 Lanczos steps: 0.012).
    pub bandwidth: f64,
    /// Points of the grid, 1024 by default.
    pub points: usize,
    /// The share of mass that each smoothed spectrum gives to a uniform background, to avoid
    /// logarithms of 0; between 0 and 1, 1e-10 by default. No divergence exceeds ln(points /
    /// floor).
    pub floor: f64,
    /// The axis: "raw" (default) or "unit"; "common" gives the same number as "raw", since the
    /// bandwidth is relative.
    pub support: Support,
}

impl Default for KlParameters {
    fn default() -> Self {
        Self {
            bandwidth: Smoothing::BANDWIDTH,
            points: Smoothing::POINTS,
            floor: 1e-10,
            support: Support::Raw,
        }
    }
}

/// The Kullback-Leibler divergence KL(left ‖ right) = Σᵢ pᵢ ln(pᵢ / qᵢ), in nats.
///
/// Measures with atoms have no densities, so both are smoothed first. With \[a, b\] the smallest
/// interval that contains all eigenvalues of both, ρ = μ * 𝒩(0, σ²) with σ = `bandwidth`·(b − a) is
/// evaluated on `points` equidistant points from a − 6σ to b + 6σ and normalised there, and p = (1
/// − `floor`)·ρ + `floor`/`points`.
///
/// The axis is linear and common to both, so that an outlier at 40 and a mass of 0.98 at zero keep
/// their places. Eigenvalues closer together than σ are not distinguished, and a large mass at zero
/// that both have contributes nothing. If `left` has mass where `right` has none, `floor`
/// determines the value: compare only values with equal settings.
///
/// It is not a metric: it is not symmetric, and the triangle inequality does not hold.
///
/// ```
/// use eigenscape_core::{Distance, Spectrum};
/// use eigenscape_distances::kl::{Kl, KlParameters};
/// // Two atoms at distance σ have the divergence of unit Gaussians at distance 1: 1/2.
/// let kl = Kl::new(KlParameters { bandwidth: 1.0, ..KlParameters::default() })?;
/// let (left, right) = (Spectrum::exact(1, vec![], 0)?, Spectrum::exact(1, vec![3.0], 0)?);
/// assert!((kl.distance(&left, &right)? - 0.5).abs() < 1e-6);
/// # Ok::<(), eigenscape_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Kl {
    smoothing: Smoothing,
    floor: f64,
}

impl Kl {
    /// The divergence with checked parameters.
    ///
    /// # Errors
    /// When the bandwidth is not positive, the grid is coarser than the bandwidth, or the floor is
    /// not between 0 and 1.
    pub fn new(parameters: KlParameters) -> Result<Self> {
        let KlParameters { bandwidth, points, floor, support } = parameters;
        if !(floor > 0.0 && floor < 1.0) {
            return Err(Error::input(
                "distance kl, `floor`",
                format!("{floor} is not a share of the mass"),
                "use a number between 0 and 1 (both excluded), such as 1e-10",
            ));
        }
        Ok(Self { smoothing: Smoothing::new("kl", bandwidth, points, support)?, floor })
    }
}

impl Distance for Kl {
    fn distance(&self, left: &Spectrum, right: &Spectrum) -> Result<f64> {
        Ok(divergence(&self.smoothing, self.floor, left, right))
    }

    fn band(&self, left: &Spectrum, right: &Spectrum) -> Result<Vec<(f64, f64)>> {
        Ok(self.smoothing.band(|smoothing| divergence(smoothing, self.floor, left, right)))
    }

    fn memory(&self, eigenvalues: usize) -> usize {
        self.smoothing.memory(eigenvalues)
    }

    fn is_metric(&self) -> bool {
        false
    }

    fn description(&self) -> String {
        format!("Kullback-Leibler divergence in nats, {}, floor {:e}", self.smoothing.words(), self.floor)
    }
}

fn divergence(smoothing: &Smoothing, floor: f64, left: &Spectrum, right: &Spectrum) -> f64 {
    let Some(smoothed) = smoothing.apply(left, right) else { return 0.0 };
    let background = floor / smoothed.left.len() as f64;
    let floored = |masses: Vec<f64>| masses.into_iter().map(move |p| (1.0 - floor) * p + background);
    relative_entropy(floored(smoothed.left), floored(smoothed.right))
}

/// Adds `kl` to the registry.
pub fn register(registry: &mut Registry) {
    registry.distances.add::<KlParameters>(
        "kl",
        "Kullback-Leibler divergence KL(left || right) of the smoothed spectra, in nats; not symmetric",
        |parameters, _| Ok(Box::new(Kl::new(parameters)?)),
    );
}

#[cfg(test)]
mod tests {
    use eigenscape_core::Distance;
    use proptest::prelude::*;

    use super::{Kl, KlParameters};
    use crate::testing::{any_spectrum, dirac, measure};

    fn kl(parameters: KlParameters) -> Kl {
        Kl::new(parameters).unwrap()
    }

    #[test]
    fn of_two_diracs_is_that_of_two_gaussians() {
        // KL(𝒩(a, σ²) ‖ 𝒩(b, σ²)) = (a − b)² / 2σ² and σ = bandwidth·|a − b|. The padding cuts off
        // 1e-9 of the mass.
        for bandwidth in [0.2, 0.5, 1.0, 2.0_f64] {
            let distance = kl(KlParameters { bandwidth, floor: 1e-100, ..Default::default() });
            let value = distance.distance(&dirac(-3.0), &dirac(11.0)).unwrap();
            let expected = 0.5 / (bandwidth * bandwidth);
            assert!(
                (value - expected).abs() < 1e-6 * expected.max(1.0),
                "{bandwidth}: {value} against {expected}"
            );
        }
    }

    #[test]
    fn of_separate_mixtures_is_that_of_their_weights() {
        // Atoms 100 σ apart do not overlap: the divergence is that of the weights.
        let left = measure(&[(0.0, 0.98), (40.0, 0.02)]);
        let right = measure(&[(0.0, 0.5), (40.0, 0.5)]);
        let value = kl(KlParameters::default()).distance(&left, &right).unwrap();
        let expected = 0.98 * (0.98_f64 / 0.5).ln() + 0.02 * (0.02_f64 / 0.5).ln();
        assert!((value - expected).abs() < 1e-7, "{value} against {expected}");
    }

    #[test]
    fn is_governed_by_the_floor_where_right_has_no_mass() {
        let value = |floor| {
            kl(KlParameters { floor, ..Default::default() }).distance(&dirac(0.0), &dirac(1.0)).unwrap()
        };
        // A thousand times smaller floor adds ln 1000.
        assert!((value(1e-13) - value(1e-10) - 1000.0_f64.ln()).abs() < 1e-6);
        assert!(value(1e-10) < (1024.0_f64 / 1e-10).ln());
    }

    #[test]
    fn a_background_in_common_makes_spectra_more_alike() {
        // Joint convexity: KL((1 − f)p + fu ‖ (1 − f)q + fu) ≤ (1 − f) KL(p ‖ q), which is 1/2 here
        // without a floor.
        for floor in [0.1, 0.5, 0.9] {
            let distance = kl(KlParameters { floor, bandwidth: 1.0, ..Default::default() });
            let value = distance.distance(&dirac(0.0), &dirac(1.0)).unwrap();
            assert!(value > 0.0 && value < (1.0 - floor) * 0.5, "{floor}: {value}");
        }
    }

    /// Two atoms at distance d have the divergence d²/2σ² of two Gaussians.
    #[test]
    fn the_band_is_the_distance_at_other_bandwidths() {
        let with = |bandwidth| kl(KlParameters { bandwidth, floor: 1e-100, ..Default::default() });
        let band = with(1.0).band(&dirac(-3.0), &dirac(11.0)).unwrap();
        assert_eq!(band.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0.2, 0.5, 1.0, 2.0, 5.0]);
        for (bandwidth, value) in band {
            let expected = 0.5 / (bandwidth * bandwidth);
            assert!((value - expected).abs() < 1e-6 * expected.max(1.0), "{bandwidth}: {value}");
            let alone = with(bandwidth).distance(&dirac(-3.0), &dirac(11.0)).unwrap();
            assert!((value - alone).abs() < 1e-12 * alone.max(1.0), "{bandwidth}: {value} {alone}");
        }
        // A grid that is too coarse for the narrowest bandwidth is refined.
        let narrow = kl(KlParameters { bandwidth: 0.002, ..Default::default() });
        assert!(narrow.band(&dirac(0.0), &dirac(1.0)).unwrap().iter().all(|(_, value)| value.is_finite()));
        assert_eq!(narrow.band(&dirac(1.0), &dirac(1.0)).unwrap()[0].1, 0.0);
    }

    #[test]
    fn is_not_symmetric() {
        let (left, right) = (measure(&[(0.0, 0.9), (1.0, 0.1)]), measure(&[(0.0, 0.5), (1.0, 0.5)]));
        let distance = kl(KlParameters::default());
        let (there, back) =
            (distance.distance(&left, &right).unwrap(), distance.distance(&right, &left).unwrap());
        assert!((there - back).abs() > 0.1 && !distance.is_metric());
    }

    #[test]
    fn refuses_floors_outside_the_unit_interval() {
        for floor in [0.0, 1.0, -1e-3, f64::NAN] {
            let error = Kl::new(KlParameters { floor, ..Default::default() }).unwrap_err();
            assert!(error.to_string().contains("`floor`"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn is_zero_for_equal_spectra_and_never_negative(a in any_spectrum(), b in any_spectrum()) {
            let distance = kl(KlParameters::default());
            prop_assert_eq!(distance.distance(&a, &a).unwrap(), 0.0);
            let value = distance.distance(&a, &b).unwrap();
            prop_assert!(value >= 0.0 && value.is_finite());
        }
    }
}
