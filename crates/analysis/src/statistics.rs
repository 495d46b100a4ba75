//! Means with their uncertainty.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::uncertainty::{Number, Uncertainty};

/// The confidence level of all intervals.
pub const CONFIDENCE: f64 = 0.95;

/// Independent measurements of one quantity.
///
/// ```
/// use eigenscape_analysis::statistics::Sample;
/// let sample = Sample::of(&[1.0, 2.0, 3.0]).unwrap();
/// assert_eq!((sample.mean, sample.deviation()), (2.0, Some(1.0)));
/// // t(0.975; 2) = 4.3027, and the mean's standard error is 1/√3.
/// assert!((sample.half_width().unwrap() - 4.302_652_729_7 / 3_f64.sqrt()).abs() < 1e-8);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// n, at least 1.
    pub count: usize,
    /// The mean.
    pub mean: f64,
    /// The variance with n − 1 degrees of freedom; a meaningless 0 for a single measurement.
    variance: f64,
}

impl Sample {
    /// The sample of these values; `None` without values.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { count, mean, variance: squares / count.saturating_sub(1).max(1) as f64 })
    }

    /// The standard deviation, with n − 1; `None` with one measurement.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        (self.count > 1).then(|| self.variance.sqrt())
    }

    /// The mean with its standard error, which is unknown for a single measurement.
    #[must_use]
    pub fn number(&self) -> Number {
        let error = match self.deviation() {
            None => Uncertainty::Unknown,
            Some(deviation) => Uncertainty::Sampled {
                error: deviation / (self.count as f64).sqrt(),
                freedom: self.count as f64 - 1.0,
            },
        };
        Number::new(self.mean, error)
    }

    /// Half the width of the mean's 95 % confidence interval by Student's t: t(0.975; n − 1)·s/√n.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        self.number().half_width()
    }

    /// The mean's 95 % confidence interval.
    #[must_use]
    pub fn interval(&self) -> Option<[f64; 2]> {
        self.half_width().map(|half| [self.mean - half, self.mean + half])
    }
}

/// t(0.975; freedom): the two-sided quantile of Student's t. Each is computed once: a band of a
/// figure has thousands of intervals of the same freedom.
#[must_use]
pub fn quantile(freedom: f64) -> Option<f64> {
    static KNOWN: Mutex<BTreeMap<u64, f64>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(quantile) = known().get(&freedom.to_bits()) {
        return Some(*quantile);
    }
    let distribution = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let quantile = distribution.inverse_cdf(0.5 + CONFIDENCE / 2.0);
    known().insert(freedom.to_bits(), quantile);
    Some(quantile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_measurement_has_no_interval() {
        let sample = Sample::of(&[3.0]).unwrap();
        assert_eq!((sample.mean, sample.deviation(), sample.interval()), (3.0, None, None));
        assert_eq!(Sample::of(&[]), None);
        assert_eq!(sample.number().minus(&Sample::of(&[1.0, 2.0]).unwrap().number()), None);
    }

    #[test]
    fn welch_of_equal_samples_is_students() {
        // Equal sizes and variances: ν = 2(n − 1) = 4, t(0.975; 4) = 2.776445, error √(2/3).
        let (a, b) = (Sample::of(&[1.0, 2.0, 3.0]).unwrap(), Sample::of(&[5.0, 6.0, 7.0]).unwrap());
        let [low, high] = b.number().minus(&a.number()).unwrap();
        let half = 2.776_445_105_2 * (2.0_f64 / 3.0).sqrt();
        assert!((low - (4.0 - half)).abs() < 1e-8 && (high - (4.0 + half)).abs() < 1e-8, "{low} {high}");
    }

    #[test]
    fn equal_measurements_have_an_interval_of_no_width() {
        let (a, b) = (Sample::of(&[1.0, 1.0]).unwrap(), Sample::of(&[2.0, 2.0]).unwrap());
        assert_eq!(a.number().minus(&b.number()), Some([-1.0, -1.0]));
    }
}
