//! Numbers with what is known of their error.

use eigenscape_core::{
    number::jackknife,
    results::{DistanceRecord, ProbeRecord},
};

use crate::statistics::quantile;

/// Ritz values of different probes nearer than this, relative to the largest, are one eigenvalue.
pub const SAME: f64 = 1e-4;

/// An eigenvalue counts as converged when what is open about it is at most this share of it.
pub const CONVERGED: f64 = 1e-3;

/// A number with what is known of its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// The number.
    pub value: f64,
    /// Its error.
    pub error: Uncertainty,
    /// By how much it may be larger for what was not computed to the end, beside the error: 0 but
    /// for a largest eigenvalue.
    pub above: f64,
}

/// What is known of a number's error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Uncertainty {
    /// Nothing about it is random.
    Exact,
    /// It is random, and nothing tells how much: the estimate of one random vector.
    Unknown,
    /// The mean of independent samples.
    Sampled {
        /// Its standard error: their sample standard deviation over the root of their number.
        error: f64,
        /// The degrees of freedom: their number less one, or fewer where the samples are skewed.
        freedom: f64,
    },
}

impl Number {
    /// A number about which nothing is random.
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

    /// A number with the standard error of the jackknife: √((k − 1)/k Σ (xᵢ − x̄)²) of what it is
    /// without each of k independent samples (Efron & Stein 1981), with k − 1 degrees of freedom.
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

    /// Its standard error: 0 when exact, `None` when unknown.
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
    /// The largest Ritz value is at most the largest eigenvalue, and `extreme_bounds` has a bound
    /// from above: the two are its interval. Without the bound nothing is known.
    #[must_use]
    pub fn lambda_max(record: &ProbeRecord) -> Option<Self> {
        let value = record.lambda_max?;
        Some(match record.extremes() {
            Some([_, [_, above]]) => Self { above: (above - value).max(0.0), ..Self::exact(value) },
            None => Self::new(value, Uncertainty::Unknown),
        })
    }

    /// Whether what was not computed to the end is next to nothing.
    #[must_use]
    pub fn has_converged(&self) -> bool {
        self.above <= CONVERGED * self.value.abs()
    }

    /// The trace of a record.
    #[must_use]
    pub fn trace(record: &ProbeRecord) -> Self {
        let error = match record.trace_stderr {
            _ if record.exact => Uncertainty::Exact,
            // Without random vectors; or with the unit vectors of all coordinates.
            Some(0.0) if record.probes.is_none_or(|probes| probes == record.dimension) => Uncertainty::Exact,
            Some(error) if error.is_finite() => {
                let freedom = || (probes(record).max(2) - 1) as f64;
                Uncertainty::Sampled { error, freedom: record.trace_freedom.unwrap_or_else(freedom) }
            }
            _ => Uncertainty::Unknown,
        };
        Self::new(record.trace, error)
    }

    /// Half the width of the 95 % interval by Student's t: 0 when exact, `None` when unknown.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        self.spread().half_width()
    }

    /// Its 95 % interval; `None` where the error is unknown.
    #[must_use]
    pub fn interval(&self) -> Option<[f64; 2]> {
        self.half_width().map(|half| [self.value - half, self.value + half + self.above])
    }

    /// The 95 % interval of the difference of two independent numbers whose errors may differ
    /// (Welch's, with the degrees of freedom of Welch and Satterthwaite); `None` where an error is
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

/// The squared standard error s² of a sum of independent terms, with Σ s⁴/ν over them: its degrees
/// of freedom are (Σ s²)²/(Σ s⁴/ν).
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
            Self::Known { square, weight } => {
                let half = quantile(square * square / weight)? * square.sqrt();
                half.is_finite().then_some(half)
            }
        }
    }
}

/// How many random vectors a record's estimate is the mean of; 1 for what is exact.
///
/// Results of earlier versions do not say it, but each probe finds the eigenvalue of the largest
/// size, the first to converge: it is there once a probe. Where it has not converged the number
/// comes out too small, and intervals too wide; so at least 2 when a standard error shows that
/// there were several.
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
        // An exact number leaves the other one's degrees of freedom.
        let [low, high] = sampled(5.0, 2.0, 3.0).minus(&Number::exact(2.0)).unwrap();
        assert!((high - low - 2.0 * 6.364_892_6).abs() < 1e-6 && (high + low - 6.0).abs() < 1e-12);
        // Equal errors have the sum of both: t(0.975; 6) = 2.446912.
        let [low, high] = sampled(5.0, 1.0, 3.0).minus(&sampled(2.0, 1.0, 3.0)).unwrap();
        assert!((high - low - 2.0 * 2.446_911_85 * 2_f64.sqrt()).abs() < 1e-6);
    }

    /// 3 to 3.5 against 2.8 to 2.9, and the other way round.
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
        // Of earlier versions: the largest in size is there three times.
        let three = [2.0, 1e-7, 0.0, -5.0, -5.0, -5.00001];
        assert_eq!(freedom(&record(None, false, Some(1.0), &three)), Some(2.0));
        assert_eq!(freedom(&record(None, false, Some(1.0), &[2.0, 0.0])), Some(1.0));
    }
}
