//! One number of an operator: the result of an estimator that finds no spectrum.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One number of a symmetric operator of dimension P: its trace.
///
/// ```
/// use eigenscape_core::Number;
/// let number = Number::estimated(10, &[1.0, 2.0, 3.0], 3)?;
/// assert_eq!((number.value, number.probes), (2.0, Some(3)));
/// // The sample standard deviation is 1.
/// assert!((number.stderr.unwrap() - 1.0 / 3_f64.sqrt()).abs() < 1e-15);
/// assert_eq!(Number::estimated(10, &[1.0], 1)?.stderr, None);
/// assert_eq!(Number::exact(10, 2.0, 0)?.stderr, Some(0.0));
/// # Ok::<(), eigenscape_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Number {
    /// P, the number of the operator's parameters.
    pub dimension: usize,
    /// The number.
    pub value: f64,
    /// Its standard error: 0 when exact, `None` when one random vector gives no estimate of it.
    pub stderr: Option<f64>,
    /// Whether it is exact up to rounding (nothing random).
    pub exact: bool,
    /// The number of random vectors averaged over; `None` when exact.
    pub probes: Option<usize>,
    /// The number of operator-vector products spent.
    pub products: usize,
}

impl Number {
    /// An exact number, without random error.
    ///
    /// # Errors
    /// When it is not finite.
    pub fn exact(dimension: usize, value: f64, products: usize) -> Result<Self> {
        check_finite(value)?;
        Ok(Self { dimension, value, stderr: Some(0.0), exact: true, probes: None, products })
    }

    /// The mean of independent samples, one per random vector.
    ///
    /// # Errors
    /// When the mean is not finite, for example without samples.
    pub fn estimated(dimension: usize, samples: &[f64], products: usize) -> Result<Self> {
        let (value, stderr) = mean(samples);
        check_finite(value)?;
        Ok(Self { dimension, value, stderr, exact: false, probes: Some(samples.len()), products })
    }
}

/// The mean of independent samples with its standard error, the sample standard deviation over √n;
/// the error is `None` for fewer than two samples.
#[must_use]
pub fn mean(samples: &[f64]) -> (f64, Option<f64>) {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    (mean, (samples.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt()))
}

/// The jackknife standard error √((k − 1)/k Σ (xᵢ − x̄)²), where xᵢ is the estimate without the
/// i-th of k independent samples (Efron & Stein 1981); `None` for fewer than two.
///
/// ```
/// use eigenscape_core::number::jackknife;
/// // The leave-one-out means of 1, 2 and 6 give the standard error √(7/3) of their mean.
/// assert!((jackknife(&[4.0, 3.5, 1.5]).unwrap() - (7.0_f64 / 3.0).sqrt()).abs() < 1e-15);
/// assert_eq!(jackknife(&[3.0]), None);
/// ```
#[must_use]
pub fn jackknife(left_out: &[f64]) -> Option<f64> {
    let k = left_out.len() as f64;
    let mean = left_out.iter().sum::<f64>() / k;
    let squares: f64 = left_out.iter().map(|without| (without - mean).powi(2)).sum();
    (left_out.len() > 1).then(|| ((k - 1.0) / k * squares).sqrt())
}

/// A number as people write it: "0.05", "1e25", "1e-7".
///
/// ```
/// use eigenscape_core::number::short;
/// assert_eq!([0.05, 3.0, 1e25, 1e-7, 0.0].map(short), ["0.05", "3", "1e25", "1e-7", "0"]);
/// ```
#[must_use]
pub fn short(value: f64) -> String {
    let plain = value == 0.0 || !value.is_finite() || (1e-4..1e7).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

fn check_finite(value: f64) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::input(
        "number",
        format!("it is {value}"),
        "check the parameters and the data for NaN or infinite values",
    ))
}
