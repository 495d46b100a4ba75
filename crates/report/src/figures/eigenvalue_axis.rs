//! The eigenvalue axis of densities: signed and logarithmic, the same for all curvatures and runs.

use eigenscape_analysis::uncertainty::{Number, Uncertainty, probes};
use eigenscape_core::{density::gaussian_density, results::ProbeRecord};

use super::ritz;
use crate::draw::{Axis, Scale, axis::range};

/// The threshold below which the axis is linear, as a share of the largest |λ|, for exact spectra:
/// f32 arithmetic cannot distinguish smaller eigenvalues from zero.
const FINEST_EXACT: f64 = 1e-6;
/// The same threshold if any spectrum is estimated: closer to zero each Ritz value stands for many
/// eigenvalues, and bumps would be meaningless.
const FINEST_ESTIMATED: f64 = 1e-4;
/// The bandwidth is the axis' span divided by this.
const RESOLUTION: f64 = 160.0;
/// The number of intervals of a density curve: more than two per standard deviation.
const POINTS: usize = 400;

/// The signed logarithmic axis on which densities are computed.
pub struct EigenvalueAxis {
    /// The axis is linear for |λ| < 10^exponent.
    pub exponent: i32,
    scale: Scale,
    /// The transformed ends.
    ends: (f64, f64),
    /// σ of the broadening in units of the transformed axis, which are decades away from zero.
    pub bandwidth: f64,
}

impl EigenvalueAxis {
    /// The axis that covers the spectra.
    pub fn covering(records: &[&ProbeRecord]) -> Self {
        let finite = |v: &f64| v.is_finite();
        let values: Vec<f64> = records.iter().flat_map(|r| &r.eigenvalues).copied().filter(finite).collect();
        let finest = if records.iter().all(|r| r.exact) { FINEST_EXACT } else { FINEST_ESTIMATED };
        let exponent = threshold_exponent(&values, finest);
        let scale = Scale::SignedLog { threshold: 10_f64.powi(exponent) };
        let transformed = values.iter().map(|v| scale.forward(*v)).chain([0.0]);
        let (low, high) = range(transformed).unwrap_or((0.0, 0.0));
        let span = (high - low).max(1.0);
        let bandwidth = span / RESOLUTION;
        let ends = (low - 6.0 * bandwidth, low.max(high - span) + span + 6.0 * bandwidth);
        Self { exponent, scale, ends, bandwidth }
    }

    /// The axis to draw.
    pub fn axis(&self) -> Axis {
        Axis::signed_log(self.exponent, self.ends, 14)
    }

    /// The λ at which densities are computed.
    pub fn grid(&self) -> Vec<f64> {
        self.transformed().into_iter().map(|u| self.scale.backward(u)).collect()
    }

    fn transformed(&self) -> Vec<f64> {
        let step = (self.ends.1 - self.ends.0) / POINTS as f64;
        (0..=POINTS).map(|i| self.ends.0 + i as f64 * step).collect()
    }

    /// The density per unit of the transformed axis at each λ of the grid, with its error if the
    /// spectrum is estimated from random vectors.
    pub fn density(&self, record: &ProbeRecord) -> Vec<Number> {
        let (atoms, grid) = (self.atoms(record), self.transformed());
        let values = gaussian_density(&atoms, &grid, self.bandwidth);
        if Number::trace(record).error == Uncertainty::Exact {
            return values.into_iter().map(Number::exact).collect();
        }
        // The square of a Gaussian is a narrower one over 2σ√π.
        let narrower = gaussian_density(&atoms, &grid, self.bandwidth / std::f64::consts::SQRT_2);
        let scale = 2.0 * self.bandwidth * std::f64::consts::PI.sqrt();
        let number = |(value, squared): (f64, f64)| {
            Number::density(value, squared / scale, probes(record), record.dimension)
        };
        values.into_iter().zip(narrower).map(number).collect()
    }

    /// The measure on the transformed axis: the eigenvalues, or the spread mass of the Ritz values.
    fn atoms(&self, record: &ProbeRecord) -> Vec<(f64, f64)> {
        let nodes = ritz::nodes(record);
        let placed: Vec<(f64, f64)> = nodes.iter().map(|(v, w)| (self.scale.forward(*v), *w)).collect();
        if record.exact || ritz::complete(record, &nodes) {
            return placed;
        }
        ritz::spread(&placed, probes(record), 0.5 * self.bandwidth)
    }

    /// The peak height of one isolated eigenvalue of an operator of this dimension.
    pub fn one_eigenvalue(&self, dimension: usize) -> f64 {
        1.0 / (dimension.max(1) as f64 * self.bandwidth * (2.0 * std::f64::consts::PI).sqrt())
    }
}

/// The exponent of the power of ten below which the axis is linear: from the lowest decile of the
/// |λ|, limited to between `finest` and 1e-2 times the largest.
fn threshold_exponent(values: &[f64], finest: f64) -> i32 {
    let mut sizes: Vec<f64> = values.iter().map(|v| v.abs()).filter(|v| *v > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    let Some(largest) = sizes.last() else { return 0 };
    let small = sizes[sizes.len() / 10].clamp(finest * largest, 1e-2 * largest);
    // The power of ten must not underflow.
    small.log10().floor().max(-300.0) as i32
}

#[cfg(test)]
mod tests {
    use eigenscape_core::results::ProbeRecord;

    use super::EigenvalueAxis;
    use crate::sample::probe;

    #[test]
    fn matrices_of_different_sizes_share_one_threshold() {
        let large = probe(0, "full", "gram", 10, &[100.0, 1.0]);
        let small =
            ProbeRecord { curvature: "residual".into(), ..probe(0, "full", "gram", 10, &[1e-3, -1e-3]) };
        let axis = EigenvalueAxis::covering(&[&large, &small]);
        let (first, second) = (axis.density(&large), axis.density(&small));
        assert_eq!((first.len(), second.len()), (axis.grid().len(), axis.grid().len()));
        assert!(axis.grid().is_sorted() && axis.exponent <= -3);
    }

    #[test]
    fn a_density_of_random_vectors_has_an_error_and_an_exact_one_has_none() {
        let exact = probe(0, "full", "gram", 2, &[4.0, 1.0]);
        // Complete rules: every random vector finds both eigenvalues.
        let estimated = |probes: usize| {
            let nodes: Vec<f64> = [4.0, 1.0].iter().flat_map(|node| vec![*node; probes]).collect();
            ProbeRecord {
                exact: false,
                weights: vec![0.5 / probes as f64; nodes.len()],
                trace_stderr: Some(1.0),
                probes: Some(probes),
                ..probe(0, "full", "lanczos", 2, &nodes)
            }
        };
        let axis = EigenvalueAxis::covering(&[&exact]);
        assert!(axis.density(&exact).iter().all(|number| number.half_width() == Some(0.0)));
        let widest = |record: &ProbeRecord| {
            axis.density(record).iter().filter_map(|number| number.half_width()).fold(0.0, f64::max)
        };
        // Not as many as dimensions, which may be the unit vectors.
        let (three, twelve) = (widest(&estimated(3)), widest(&estimated(12)));
        assert!(three > 0.0 && (three / twelve - 2.0).abs() < 1e-6, "{three} {twelve}");
    }
}
