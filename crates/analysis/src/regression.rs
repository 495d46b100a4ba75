//! Linear regression of one quantity on another, with the interval of its slope.

use linfa::{Dataset, traits::Fit};
use linfa_linear::LinearRegression;
use ndarray::{Array1, Array2};

use crate::statistics::quantile;

/// y ≈ intercept + slope·x, by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regression {
    /// The number of points.
    pub points: usize,
    /// y at x = 0.
    pub intercept: f64,
    /// dy/dx.
    pub slope: f64,
    /// The slope's 95 % confidence interval: slope ± t(0.975; n − 2)·√(RSS/(n − 2)/Σ(x − x̄)²).
    pub interval: [f64; 2],
    /// R²: the share of y's variance that the line explains.
    pub explained: f64,
}

impl Regression {
    /// Fits a line to (x, y) points.
    ///
    /// # Errors
    /// Says in words why there is no line: fewer than three points, or a constant x or y.
    pub fn fit(points: &[(f64, f64)]) -> Result<Self, String> {
        let count = points.len();
        if count < 3 {
            return Err(format!("a regression needs at least three runs, and there are {count}"));
        }
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count as f64;
        let (x_mean, y_mean) = (mean(|p| p.0), mean(|p| p.1));
        let squares = |of: fn(&(f64, f64)) -> f64, mean: f64| {
            points.iter().map(|p| (of(p) - mean).powi(2)).sum::<f64>()
        };
        let (x_squares, y_squares) = (squares(|p| p.0, x_mean), squares(|p| p.1, y_mean));
        if x_squares == 0.0 || y_squares == 0.0 {
            return Err("one of the quantities is the same in all runs".to_owned());
        }
        // In units of x's and y's deviations, which makes the fit well-conditioned.
        let (x_unit, y_unit) = (x_squares.sqrt(), y_squares.sqrt());
        let x = Array2::from_shape_fn((count, 1), |(i, _)| (points[i].0 - x_mean) / x_unit);
        let y: Array1<f64> = points.iter().map(|p| (p.1 - y_mean) / y_unit).collect();
        let model = LinearRegression::new()
            .fit(&Dataset::new(x, y))
            .map_err(|error| format!("the regression failed: {error}"))?;
        let slope = model.params()[0] * y_unit / x_unit;
        let intercept = y_mean + model.intercept() * y_unit - slope * x_mean;
        let residuals: f64 = points.iter().map(|p| (p.1 - intercept - slope * p.0).powi(2)).sum();
        let freedom = count as f64 - 2.0;
        let error = (residuals / freedom / x_squares).sqrt();
        let half = quantile(freedom).unwrap_or(f64::INFINITY) * error;
        Ok(Self {
            points: count,
            intercept,
            slope,
            interval: [slope - half, slope + half],
            explained: 1.0 - residuals / y_squares,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_textbook_line() {
        // Σ(x − x̄)² = 10, slope 0.6, RSS 2.4: error √(2.4/3/10), t(0.975; 3) = 3.182446.
        let points = [(1.0, 2.0), (2.0, 4.0), (3.0, 5.0), (4.0, 4.0), (5.0, 5.0)];
        let line = Regression::fit(&points).unwrap();
        assert!((line.slope - 0.6).abs() < 1e-12 && (line.intercept - 2.2).abs() < 1e-12, "{line:?}");
        let half = 3.182_446_305_3 * 0.08_f64.sqrt();
        assert!((line.interval[0] - (0.6 - half)).abs() < 1e-7, "{line:?}");
        assert!((line.explained - 0.6).abs() < 1e-12);
    }

    #[test]
    fn no_line_without_three_points_that_vary() {
        assert!(Regression::fit(&[(1.0, 2.0), (2.0, 4.0)]).is_err());
        assert!(Regression::fit(&[(1.0, 2.0), (1.0, 3.0), (1.0, 4.0)]).is_err());
    }
}
