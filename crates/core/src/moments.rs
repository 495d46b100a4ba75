//! Moments of a spectrum: its mean, variance, skewness and kurtosis.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Spectrum, number::jackknife, results::PARTS};

/// A variance below this share of the largest λ² is rounding: all eigenvalues are equal.
const EQUAL: f64 = 1e-24;

/// The first moments of the measure μ of a spectrum: of an eigenvalue λ that is drawn at random,
/// those at zero included. A standard error is 0 where nothing is random, and null where one random
/// vector alone gives no estimate of it.
///
/// ```
/// use eigenscape_core::{Moments, Spectrum};
/// // The eigenvalues 4, 0, 0 and 0.
/// let moments = Spectrum::exact(4, vec![4.0], 0)?.moments();
/// assert_eq!((moments.mean, moments.variance), (1.0, Some(3.0)));
/// assert_eq!(moments.mean_stderr, Some(0.0));
/// assert!((moments.skewness.unwrap() - 2.0 / 3_f64.sqrt()).abs() < 1e-15);
/// assert!((moments.kurtosis.unwrap() - 7.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), eigenscape_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Moments {
    /// m = E λ, which is the trace divided by the dimension.
    pub mean: f64,
    /// The standard error of `mean`.
    pub mean_stderr: Option<f64>,
    /// s² = E (λ − m)²; null where it is too large for a number.
    pub variance: Option<f64>,
    /// The standard error of `variance`.
    pub variance_stderr: Option<f64>,
    /// E (λ − m)³ / s³: positive where a few eigenvalues are much larger than the others. Null
    /// where all eigenvalues are equal.
    pub skewness: Option<f64>,
    /// The standard error of `skewness`.
    pub skewness_stderr: Option<f64>,
    /// E (λ − m)⁴ / s⁴, which is 3 for a normal distribution; null where all eigenvalues are equal.
    pub kurtosis: Option<f64>,
    /// The standard error of `kurtosis`.
    pub kurtosis_stderr: Option<f64>,
}

impl Spectrum {
    /// The moments, with standard errors by the jackknife over the random vectors.
    #[must_use]
    pub fn moments(&self) -> Moments {
        let values = values(self);
        let errors = self.moment_errors();
        let [mean, variance, skewness, kurtosis] = values;
        Moments {
            mean: mean.unwrap_or_default(),
            mean_stderr: errors[0],
            variance,
            variance_stderr: variance.and(errors[1]),
            skewness,
            skewness_stderr: skewness.and(errors[2]),
            kurtosis,
            kurtosis_stderr: kurtosis.and(errors[3]),
        }
    }

    /// Whether nothing in the spectrum is random: it is exact, or its vectors are all coordinate
    /// unit vectors.
    #[must_use]
    pub fn has_no_chance(&self) -> bool {
        self.exact || (self.origins.is_empty() && self.trace_stderr == Some(0.0))
    }

    fn moment_errors(&self) -> [Option<f64>; 4] {
        if self.has_no_chance() {
            return [Some(0.0); 4];
        }
        let parts = PARTS.min(self.probes.unwrap_or(1));
        if self.origins.is_empty() || parts < 2 {
            return [None; 4];
        }
        let without: Vec<[Option<f64>; 4]> =
            (0..parts).map(|part| values(&self.without_part(part, parts))).collect();
        let of = |moment: usize| {
            let left_out: Option<Vec<f64>> = without.iter().map(|values| values[moment]).collect();
            jackknife(&left_out?).filter(|error| error.is_finite())
        };
        [0, 1, 2, 3].map(of)
    }
}

/// Mean, variance, skewness and kurtosis, where they are finite.
fn values(spectrum: &Spectrum) -> [Option<f64>; 4] {
    let atoms = spectrum.atoms();
    let largest = atoms.iter().fold(0.0, |largest: f64, (value, _)| largest.max(value.abs()));
    if largest == 0.0 {
        return [Some(0.0), Some(0.0), None, None];
    }
    // In units of the largest eigenvalue no power overflows. Its power of two, so that nothing is
    // rounded.
    let power_of_two = f64::from_bits(largest.to_bits() & f64::INFINITY.to_bits());
    let unit = if power_of_two > 0.0 { power_of_two } else { largest };
    let mean: f64 = atoms.iter().map(|(value, weight)| weight * (value / unit)).sum();
    let central = |power: i32| -> f64 {
        atoms.iter().map(|(value, weight)| weight * (value / unit - mean).powi(power)).sum()
    };
    let variance = central(2);
    let standardised =
        |power: i32| (variance > EQUAL).then(|| central(power) / variance.powf(f64::from(power) / 2.0));
    let all = [Some(unit * mean), Some(variance * unit * unit), standardised(3), standardised(4)];
    all.map(|value| value.filter(|value| value.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Node, Result};

    fn of_probes(values: &[f64]) -> Result<Spectrum> {
        let rule = |value: &f64| vec![Node { value: *value, weight: 1.0, residual: 0.0 }];
        Spectrum::of_probes(2, values.iter().map(rule).collect(), (0.0, None), values.len())
    }

    /// The mean of 1, 2 and 6 is 3; without each it is 4, 3.5 and 1.5, so its error is √(7/3), that
    /// of a mean of three samples.
    #[test]
    fn the_mean_of_an_estimate_has_the_error_of_its_samples() -> Result<()> {
        let moments = of_probes(&[1.0, 2.0, 6.0])?.moments();
        assert!((moments.mean - 3.0).abs() < 1e-15);
        assert!((moments.variance.unwrap() - 14.0 / 3.0).abs() < 1e-14);
        assert!((moments.mean_stderr.unwrap() - (7.0_f64 / 3.0).sqrt()).abs() < 1e-14);
        // The variances without each are 4, 25/4 and 1/4.
        let expected = jackknife(&[4.0, 6.25, 0.25]).unwrap();
        assert!((moments.variance_stderr.unwrap() - expected).abs() < 1e-14);
        assert!((moments.kurtosis.unwrap() - 1.5).abs() < 1e-14);
        // Without each, two values are left, whose kurtosis is always 1.
        assert!(moments.kurtosis_stderr.unwrap() < 1e-14);
        Ok(())
    }

    #[test]
    fn one_random_vector_has_no_error_and_an_exact_spectrum_none() -> Result<()> {
        let one = of_probes(&[5.0])?.moments();
        assert_eq!((one.mean, one.mean_stderr, one.variance_stderr), (5.0, None, None));
        assert_eq!((one.skewness, one.skewness_stderr), (None, None), "a single value");
        let exact = Spectrum::exact(2, vec![3.0, 1.0], 0)?.moments();
        assert_eq!((exact.mean, exact.variance, exact.skewness), (2.0, Some(1.0), Some(0.0)));
        assert_eq!((exact.kurtosis, exact.kurtosis_stderr), (Some(1.0), Some(0.0)));
        let nothing = Spectrum::exact(2, Vec::new(), 0)?.moments();
        assert_eq!((nothing.mean, nothing.variance, nothing.kurtosis), (0.0, Some(0.0), None));
        Ok(())
    }

    /// A matrix has the moments of its eigenvalues: E λ = tr A/P and E λ² = ‖A‖²/P, here of the
    /// matrix with the rows (2, 1) and (1, 2).
    #[test]
    fn moments_are_those_of_the_matrix() -> Result<()> {
        let moments = Spectrum::exact(2, vec![3.0, 1.0], 0)?.moments();
        assert_eq!(moments.mean, 4.0 / 2.0);
        assert_eq!(moments.variance.unwrap() + moments.mean * moments.mean, 10.0 / 2.0);
        Ok(())
    }

    #[test]
    fn large_eigenvalues_do_not_overflow() -> Result<()> {
        let large = Spectrum::exact(4, vec![1e200], 0)?.moments();
        assert_eq!((large.mean, large.variance), (2.5e199, None));
        assert!((large.kurtosis.unwrap() - 7.0 / 3.0).abs() < 1e-14);
        Ok(())
    }
}
