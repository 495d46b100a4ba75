//! Densities of two spectra on one grid, for entropies.

use eigenscape_core::{Error, Result, Spectrum, account::size, density::gaussian_density};

use crate::support::{Support, extent, hull};

/// How far the grid reaches beyond the outermost eigenvalues, in standard deviations: 1e-9 of an
/// atom's mass is cut off.
const PADDING: f64 = 6.0;

/// The maximum number of points of a grid, which exceeds what any useful bandwidth needs.
const MOST_POINTS: usize = 1 << 20;

/// The maximum bandwidth: beyond it any two densities differ by less than a part in 1e4.
const WIDEST: f64 = 100.0;

/// The bandwidths of a band, as multiples of the distance's own.
const BAND: [f64; 5] = [0.2, 0.5, 1.0, 2.0, 5.0];

/// Gaussian smoothing of two spectra on a common grid, with checked settings.
///
/// With \[a, b\] the smallest interval that contains all eigenvalues of both, including the zero of
/// a mass at zero, σ is `bandwidth`·(b − a), and the grid has `points` equidistant points from a −
/// 6σ to b + 6σ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Smoothing {
    bandwidth: f64,
    points: usize,
    support: Support,
}

/// Two probability vectors on one grid.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Smoothed {
    pub left: Vec<f64>,
    pub right: Vec<f64>,
}

impl Smoothing {
    /// The default bandwidth, relative to the common range.
    pub const BANDWIDTH: f64 = 0.01;
    /// The default number of points.
    pub const POINTS: usize = 1024;

    /// The smoothing with checked settings.
    ///
    /// # Errors
    /// When the bandwidth is not positive, or the grid would be coarser than the bandwidth.
    pub fn new(distance: &str, bandwidth: f64, points: usize, support: Support) -> Result<Self> {
        if !(bandwidth.is_finite() && bandwidth > 0.0) {
            return Err(Error::input(
                format!("distance {distance}, `bandwidth`"),
                format!("{bandwidth} is not a share of the common range"),
                "use a positive number, such as 0.01",
            ));
        }
        if bandwidth > WIDEST {
            return Err(Error::input(
                format!("distance {distance}, `bandwidth`"),
                format!("{bandwidth} times the common range smooths every difference away"),
                format!(
                    "use a number up to {WIDEST}, such as 0.01: a share of the range from the least to the largest eigenvalue"
                ),
            ));
        }
        let enough = enough(bandwidth);
        if points > MOST_POINTS || enough > MOST_POINTS as f64 {
            let (key, is) = if points > MOST_POINTS {
                ("points", points.to_string())
            } else {
                ("bandwidth", format!("{bandwidth}, which needs {enough} points"))
            };
            return Err(Error::input(
                format!("distance {distance}, `{key}`"),
                format!("is {is}"),
                format!("use at most {MOST_POINTS} points and a bandwidth that they resolve"),
            ));
        }
        if (points as f64) < enough {
            return Err(Error::input(
                format!("distance {distance}, `points`"),
                format!("{points} points are too coarse a grid for a bandwidth of {bandwidth}"),
                format!("use at least {enough} points or a larger bandwidth"),
            ));
        }
        Ok(Self { bandwidth, points, support })
    }

    /// Smooths both spectra; `None` if both are the same single atom, which has no range for the
    /// relative bandwidth.
    pub fn apply(&self, left: &Spectrum, right: &Spectrum) -> Option<Smoothed> {
        let (left, right) = self.support.place(left.atoms(), right.atoms());
        let (low, high) = hull(extent(&left), extent(&right));
        let sigma = self.bandwidth * (high - low);
        if sigma <= 0.0 {
            return None;
        }
        let first = low - PADDING * sigma;
        let step = (high - low + 2.0 * PADDING * sigma) / (self.points - 1) as f64;
        let grid: Vec<f64> = (0..self.points).map(|i| first + i as f64 * step).collect();
        let masses = |atoms: &[(f64, f64)]| normalised(gaussian_density(atoms, &grid, sigma));
        Some(Smoothed { left: masses(&left), right: masses(&right) })
    }

    /// Bytes that [`Self::apply`] and a sum over the grid need: the grid, two densities and what is
    /// derived from them, and lists of atoms. The finest grid of a band needs the most.
    pub fn memory(&self, eigenvalues: usize) -> usize {
        const GRIDS: usize = 5;
        const LISTS: usize = 4;
        let points = self.points.max(enough(BAND[0] * self.bandwidth) as usize);
        size([GRIDS, points], size_of::<f64>())
            .saturating_add(size([LISTS, eigenvalues], size_of::<[f64; 2]>()))
    }

    /// The values of a distance at bandwidths from a fifth of its own to five times it, ascending,
    /// including its own. Grids are refined if the bandwidth requires it.
    pub fn band(&self, distance: impl Fn(&Self) -> f64) -> Vec<(f64, f64)> {
        let at = |factor: f64| {
            let bandwidth = factor * self.bandwidth;
            let points = self.points.max(enough(bandwidth) as usize);
            (bandwidth, distance(&Self { bandwidth, points, ..self.clone() }))
        };
        BAND.map(at).to_vec()
    }

    /// The settings, in words for a description.
    pub fn words(&self) -> String {
        format!(
            "Gaussian smoothing of {} of the common range on {} points, {}",
            self.bandwidth,
            self.points,
            self.support.words()
        )
    }
}

/// The number of points of a grid no coarser than σ: a sum over it is the integral to a relative
/// error of 2·exp(−2π²) = 5e-9.
fn enough(bandwidth: f64) -> f64 {
    ((1.0 + 2.0 * PADDING * bandwidth) / bandwidth).ceil() + 1.0
}

fn normalised(mut density: Vec<f64>) -> Vec<f64> {
    let total: f64 = density.iter().sum();
    for value in &mut density {
        *value /= total;
        // Half of the smallest subnormal number is 0: a mixture could vanish where one of its parts
        // does not.
        if *value < 2.0 * f64::MIN_POSITIVE {
            *value = 0.0;
        }
    }
    density
}

/// Σᵢ pᵢ ln(pᵢ / qᵢ), where 0 ln 0 = 0: the relative entropy of p with respect to q, in nats.
pub(crate) fn relative_entropy(p: impl IntoIterator<Item = f64>, q: impl IntoIterator<Item = f64>) -> f64 {
    let sum: f64 = p.into_iter().zip(q).filter(|(p, _)| *p > 0.0).map(|(p, q)| p * (p / q).ln()).sum();
    // Never negative in exact arithmetic (Gibbs' inequality).
    sum.max(0.0)
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::{Smoothing, WIDEST, relative_entropy};
    use crate::{
        support::Support,
        testing::{dirac, measure},
    };

    #[test]
    fn smoothed_masses_are_those_of_the_normal_distribution() {
        let smoothing = Smoothing::new("kl", 0.5, 4001, Support::Raw).unwrap();
        let smoothed = smoothing.apply(&dirac(0.0), &dirac(2.0)).unwrap();
        // σ = 1; the grid runs from −6 to 8 in steps of 0.0035, so that its first half ends at 1.
        let normal = Normal::new(0.0, 1.0).unwrap();
        let half_step = 7.0 / 4000.0;
        let below = |masses: &[f64]| masses[..2001].iter().sum::<f64>();
        assert!((smoothed.left.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        assert!((below(&smoothed.left) - normal.cdf(1.0 + half_step)).abs() < 1e-6);
        assert!((below(&smoothed.right) - normal.cdf(-1.0 + half_step)).abs() < 1e-6);
    }

    #[test]
    fn an_outlier_and_a_large_mass_at_zero_both_stay_on_the_grid() {
        let spectrum = measure(&[(0.0, 0.98), (0.5, 0.019), (40.0, 0.001)]);
        let smoothing = Smoothing::new("kl", 0.01, 1024, Support::Raw).unwrap();
        let smoothed = smoothing.apply(&spectrum, &dirac(-1.0)).unwrap();
        // The last tenth of the grid (−3.46 to 42.46) holds the outlier and nothing else.
        let outlier: f64 = smoothed.left[922..].iter().sum();
        assert!((outlier - 0.001).abs() < 1e-8, "{outlier}");
    }

    #[test]
    fn no_mass_is_too_small_to_be_halved() {
        let smoothing = Smoothing::new("kl", 0.01, 1024, Support::Raw).unwrap();
        let smoothed = smoothing.apply(&dirac(0.0), &dirac(1.0)).unwrap();
        assert!(smoothed.left.contains(&0.0), "the far tail underflows");
        assert!(smoothed.left.iter().all(|p| *p == 0.0 || (0.5 * p).is_normal()));
    }

    #[test]
    fn refuses_what_cannot_be_smoothed() {
        for bandwidth in [0.0, -0.1, f64::NAN, f64::INFINITY, 101.0, 1e12, 1e300] {
            let error = Smoothing::new("kl", bandwidth, 1024, Support::Raw).unwrap_err();
            assert!(error.to_string().contains("`bandwidth`"), "{error}");
        }
        let error = Smoothing::new("kl", 1e-4, 1024, Support::Raw).unwrap_err().to_string();
        assert!(error.contains("`points`") && error.contains("10013"), "{error}");
        assert!(Smoothing::new("kl", 1e-4, 10_013, Support::Raw).is_ok());
        assert!(Smoothing::new("kl", WIDEST, 1024, Support::Raw).is_ok());
    }

    #[test]
    fn relative_entropy_of_coins() {
        let entropy = relative_entropy([0.5, 0.5, 0.0], [0.25, 0.75, 0.0]);
        assert!((entropy - 0.5 * (4.0_f64 / 3.0).ln()).abs() < 1e-15);
    }
}
