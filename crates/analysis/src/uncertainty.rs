//! Numbers with what is known of their error.

use eigenscape_core::{
    number::jackknife,
    results::{DistanceRecord, ProbeRecord},
};

use crate::statistics::{Sample, quantile};

/// Ritz values of different probes count as one eigenvalue if they differ by less than this,
/// relative to the largest.
pub const SAME: f64 = 1e-4;

/// An eigenvalue counts as converged if its remaining uncertainty is at most this share of it.
pub const CONVERGED: f64 = 1e-3;

/// Degrees of freedom so many that Student's t is the normal distribution, for a variance that is
/// computed and not estimated.
const KNOWN_VARIANCE: f64 = 1e6;

/// A number with what is known of its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// The number.
    pub value: f64,
    /// Its error.
    pub error: Uncertainty,
    /// How much larger the number may be, beyond its error, because a computation has not
    /// converged: 0 except for a largest eigenvalue.
    pub above: f64,
}

/// What is known of a number's error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Uncertainty {
    /// The number has no random error.
    Exact,
    /// The number has a random error of unknown size: it is estimated from a single random vector.
    Unknown,
    /// The number is the mean of independent samples.
    Sampled {
        /// The standard error: the samples' standard deviation over the square root of their
        /// number.
        error: f64,
        /// The degrees of freedom: the number of samples minus 1, or fewer if the samples are
        /// skewed.
        freedom: f64,
    },
}

impl Number {
    /// A number without a random error.
    #[must_use]
    pub fn exact(value: f64) -> Self {
        Self::new(value, Uncertainty::Exact)
    }

    /// A number with its error.
    #[must_use]
    pub fn new(value: f64, error: Uncertainty) -> Self {
        Self { value, error, above: 0.0 }
    }

    /// The distance of a record.
    #[must_use]
    pub fn distance(record: &DistanceRecord) -> Self {
        let error = match record.stderr {
            Some(0.0) => Uncertainty::Exact,
            Some(error) if record.left_out.len() > 1 => {
                Uncertainty::Sampled { error, freedom: record.left_out.len() as f64 - 1.0 }
            }
            _ => Uncertainty::Unknown,
        };
        Self::new(record.value, error)
    }

    /// A number with the standard error of the jackknife, √((k − 1)/k Σ (xᵢ − x̄)²), where xᵢ is
    /// the number without the i-th of k independent samples (Efron & Stein 1981), and k − 1 degrees
    /// of freedom.
    ///
    /// ```
    /// use eigenscape_analysis::uncertainty::{Number, Uncertainty};
    /// // The mean of 1, 2 and 6, which is 3 with the standard error √(7/3).
    /// let number = Number::jackknife(3.0, &[4.0, 3.5, 1.5]);
    /// let Uncertainty::Sampled { error, freedom } = number.error else { panic!() };
    /// assert!((error - (7.0_f64 / 3.0).sqrt()).abs() < 1e-15 && freedom == 2.0);
    /// assert_eq!(Number::jackknife(3.0, &[3.0]).error, Uncertainty::Unknown);
    /// ```
    #[must_use]
    pub fn jackknife(value: f64, left_out: &[f64]) -> Self {
        let freedom = left_out.len() as f64 - 1.0;
        let sampled = |error| Uncertainty::Sampled { error, freedom };
        Self::new(value, jackknife(left_out).map_or(Uncertainty::Unknown, sampled))
    }

    /// The standard error: 0 if exact, `None` if unknown.
    #[must_use]
    pub fn stderr(&self) -> Option<f64> {
        match self.error {
            Uncertainty::Exact => Some(0.0),
            Uncertainty::Unknown => None,
            Uncertainty::Sampled { error, .. } => Some(error),
        }
    }

    /// The largest eigenvalue of a record; `None` without a spectrum.
    ///
    /// Its interval goes from the largest Ritz value, which is at most the largest eigenvalue, to
    /// the upper bound in `extreme_bounds`. Without that bound the error is unknown.
    #[must_use]
    pub fn lambda_max(record: &ProbeRecord) -> Option<Self> {
        let value = record.lambda_max?;
        Some(match record.extremes() {
            Some([_, [_, above]]) => Self { above: (above - value).max(0.0), ..Self::exact(value) },
            None => Self::new(value, Uncertainty::Unknown),
        })
    }

    /// The mean of a number over runs: its error is from the scatter of the runs. The number itself
    /// for one run; `None` without runs.
    ///
    /// ```
    /// use eigenscape_analysis::uncertainty::Number;
    /// let mean = Number::over_runs(&[1.0, 3.0].map(Number::exact)).unwrap();
    /// // t(0.975; 1) = 12.706 times the standard error 1.
    /// assert!(mean.value == 2.0 && (mean.half_width().unwrap() - 12.706).abs() < 1e-3);
    /// assert_eq!(Number::over_runs(&[Number::exact(1.0)]), Some(Number::exact(1.0)));
    /// ```
    #[must_use]
    pub fn over_runs(numbers: &[Self]) -> Option<Self> {
        if let [only] = numbers {
            return Some(*only);
        }
        let values: Vec<f64> = numbers.iter().map(|number| number.value).collect();
        let above = numbers.iter().map(|number| number.above).sum::<f64>() / numbers.len() as f64;
        Sample::of(&values).map(|sample| Self { above, ..sample.number() })
    }

    /// The density of a spectrum at a point, with the error of the average over random vectors. For
    /// Gaussian vectors the variance of vᵀAv is 2‖A‖²_F (for others it is at most that), so that the
    /// variance of the density is 2/(kP) ∫K² dμ for k vectors, P dimensions and the kernel K.
    #[must_use]
    pub fn density(value: f64, squared_kernel: f64, probes: usize, dimension: usize) -> Self {
        let vectors = probes.max(1) as f64 * dimension.max(1) as f64;
        let error = (2.0 * squared_kernel / vectors).sqrt();
        Self::new(value, Uncertainty::Sampled { error, freedom: KNOWN_VARIANCE })
    }

    /// Whether the uncertainty from incomplete convergence is negligible.
    #[must_use]
    pub fn has_converged(&self) -> bool {
        self.above <= CONVERGED * self.value.abs()
    }

    /// The trace of a record.
    #[must_use]
    pub fn trace(record: &ProbeRecord) -> Self {
        let error = match record.trace_stderr {
            _ if record.exact => Uncertainty::Exact,
            // No random vectors, or the unit vectors of all coordinates.
            Some(0.0) if record.probes.is_none_or(|probes| probes == record.dimension) => Uncertainty::Exact,
            Some(error) if error.is_finite() => {
                let freedom = || (probes(record).max(2) - 1) as f64;
                Uncertainty::Sampled { error, freedom: record.trace_freedom.unwrap_or_else(freedom) }
            }
            _ => Uncertainty::Unknown,
        };
        Self::new(record.trace, error)
    }

    /// Half the width of the 95 % interval by Student's t: 0 if exact, `None` if unknown.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        match self.error {
            Uncertainty::Exact => Some(0.0),
            Uncertainty::Unknown => None,
            Uncertainty::Sampled { error, freedom } => half_width(error, freedom),
        }
    }

    /// The 95 % interval; `None` if the error is unknown.
    #[must_use]
    pub fn interval(&self) -> Option<[f64; 2]> {
        self.half_width().map(|half| [self.value - half, self.value + half + self.above])
    }

    /// The 95 % interval of the difference of two independent numbers whose errors may differ
    /// (Welch's, with the degrees of freedom of Welch and Satterthwaite); `None` if an error is
    /// unknown.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Option<[f64; 2]> {
        let half = self.spread().and(other.spread()).half_width()?;
        let difference = self.value - other.value;
        Some([difference - half - other.above, difference + half + self.above])
    }

    fn spread(&self) -> Spread {
        match self.error {
            Uncertainty::Exact => Spread::Known { square: 0.0, weight: 0.0 },
            Uncertainty::Unknown => Spread::Unknown,
            Uncertainty::Sampled { error, freedom } => {
                let square = error * error;
                Spread::Known { square, weight: square * square / freedom }
            }
        }
    }
}

/// The squared standard error s² of a sum of independent terms, and Σ s⁴/ν over the terms: the sum
/// has (Σ s²)²/(Σ s⁴/ν) degrees of freedom.
#[derive(Clone, Copy)]
enum Spread {
    Known { square: f64, weight: f64 },
    Unknown,
}

impl Spread {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Known { square: a, weight: v }, Self::Known { square: b, weight: w }) => {
                Self::Known { square: a + b, weight: v + w }
            }
            _ => Self::Unknown,
        }
    }

    fn half_width(self) -> Option<f64> {
        match self {
            Self::Unknown => None,
            Self::Known { square: 0.0, .. } => Some(0.0),
            Self::Known { square, weight } => half_width(square.sqrt(), square * square / weight),
        }
    }
}

/// Half the width of the 95 % interval of a number with this standard error: 0 without an error.
fn half_width(error: f64, freedom: f64) -> Option<f64> {
    if error == 0.0 {
        return Some(0.0);
    }
    let half = quantile(freedom)? * error;
    half.is_finite().then_some(half)
}

/// The number of random vectors that a record's estimate averages; 1 for an exact record.
///
/// Results of earlier versions do not state it. Each probe finds the eigenvalue of largest absolute
/// value, the first to converge, so this eigenvalue occurs once per probe. If it has not converged,
/// the number is too small and intervals are too wide. The number is at least 2 if there is a
/// standard error, which takes several probes.
#[must_use]
pub fn probes(record: &ProbeRecord) -> usize {
    if let Some(probes) = record.probes {
        return probes;
    }
    if record.exact || record.trace_stderr.is_none_or(|error| error == 0.0) {
        return 1;
    }
    let finite = || record.eigenvalues.iter().copied().filter(|value| value.is_finite());
    let largest = finite().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
    finite().filter(|value| (value - largest).abs() <= SAME * largest.abs()).count().max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(value: f64, error: f64, freedom: f64) -> Number {
        Number::new(value, Uncertainty::Sampled { error, freedom })
    }

    #[test]
    fn intervals_are_students_and_what_is_unknown_has_none() {
        // t(0.975; 1) = 12.7062, t(0.975; 3) = 3.182446.
        assert!((sampled(5.0, 2.0, 1.0).half_width().unwrap() - 25.412_409_5).abs() < 1e-6);
        assert!((sampled(5.0, 2.0, 3.0).half_width().unwrap() - 6.364_892_6).abs() < 1e-6);
        assert_eq!(Number::exact(5.0).half_width(), Some(0.0));
        let unknown = Number::new(5.0, Uncertainty::Unknown);
        assert_eq!(unknown.half_width(), None);
        assert_eq!(unknown.minus(&Number::exact(1.0)), None);
        assert_eq!(Number::exact(1.0).minus(&unknown), None);
    }

    #[test]
    fn a_difference_has_the_errors_of_both() {
        assert_eq!(Number::exact(5.0).minus(&Number::exact(2.0)), Some([3.0, 3.0]));
        // An exact number does not change the other's degrees of freedom.
        let [low, high] = sampled(5.0, 2.0, 3.0).minus(&Number::exact(2.0)).unwrap();
        assert!((high - low - 2.0 * 6.364_892_6).abs() < 1e-6 && (high + low - 6.0).abs() < 1e-12);
        // For equal errors the degrees of freedom add up: t(0.975; 6) = 2.446912.
        let [low, high] = sampled(5.0, 1.0, 3.0).minus(&sampled(2.0, 1.0, 3.0)).unwrap();
        assert!((high - low - 2.0 * 2.446_911_85 * 2_f64.sqrt()).abs() < 1e-6);
    }

    /// 3 to 3.5 compared with 2.8 to 2.9, and vice versa.
    #[test]
    fn a_ritz_value_is_at_most_the_eigenvalue() {
        let record = |value, above: Option<f64>, exact| ProbeRecord {
            extreme_bounds: above.map(|above| [-9.0, above]),
            lambda_max: Some(value),
            lambda_min: Some(-1.0),
            exact,
            ..ProbeRecord::default()
        };
        let close = |found: Option<[f64; 2]>, expected: [f64; 2]| {
            found.unwrap().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12)
        };
        let of = |record: &ProbeRecord| Number::lambda_max(record).unwrap();
        let (three, less) = (of(&record(3.0, Some(3.5), false)), of(&record(2.8, Some(2.9), false)));
        assert!(close(three.interval(), [3.0, 3.5]) && !three.has_converged());
        assert!(close(three.minus(&less), [0.1, 0.7]) && close(less.minus(&three), [-0.7, -0.1]));
        assert_eq!(of(&record(3.0, None, true)), Number::exact(3.0));
        assert_eq!(of(&record(3.0, None, false)).interval(), None, "of an earlier version");
        assert_eq!(Number::lambda_max(&ProbeRecord::default()), None);
    }

    #[test]
    fn a_record_tells_how_many_probes_it_is_of() {
        let record = |probes, exact, trace_stderr, eigenvalues: &[f64]| ProbeRecord {
            probes,
            exact,
            trace: 7.0,
            trace_stderr,
            eigenvalues: eigenvalues.to_vec(),
            ..ProbeRecord::default()
        };
        let freedom = |record: &ProbeRecord| match Number::trace(record).error {
            Uncertainty::Sampled { freedom, .. } => Some(freedom),
            _ => None,
        };
        assert_eq!(freedom(&record(Some(8), false, Some(1.0), &[])), Some(7.0));
        let skewed = ProbeRecord { trace_freedom: Some(2.5), ..record(Some(8), false, Some(1.0), &[]) };
        assert_eq!(freedom(&skewed), Some(2.5));
        assert_eq!(Number::trace(&record(Some(1), false, None, &[])).error, Uncertainty::Unknown);
        assert_eq!(Number::trace(&record(None, true, Some(0.0), &[])).error, Uncertainty::Exact);
        let coordinates = ProbeRecord { dimension: 3, ..record(Some(3), false, Some(0.0), &[]) };
        assert_eq!(Number::trace(&coordinates).error, Uncertainty::Exact);
        // Earlier versions: the eigenvalue of largest absolute value occurs three times.
        let three = [2.0, 1e-7, 0.0, -5.0, -5.0, -5.00001];
        assert_eq!(freedom(&record(None, false, Some(1.0), &three)), Some(2.0));
        assert_eq!(freedom(&record(None, false, Some(1.0), &[2.0, 0.0])), Some(1.0));
    }
}
