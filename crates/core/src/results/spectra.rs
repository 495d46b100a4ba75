//! Spectra, numbers and class means.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClassMeans, Estimate, Moments, spectrum::NO_MASS};

/// One spectrum, or one number from an estimator that finds no spectrum: then `value` is present
/// and there are no eigenvalues.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProbeRecord {
    /// The epoch after which it was measured (0: before training).
    pub epoch: usize,
    /// Which of several disjoint samples, counted from 0; absent where there is one sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The group's name.
    pub group: String,
    /// "hessian", "gauss-newton", ...
    pub curvature: String,
    /// The estimator's name.
    pub estimator: String,
    /// Which `[[probe]]` of the experiment, counted from 1; its keys are in the run's `settings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<usize>,
    /// The floating-point type of the products: "f32" or "f64".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// N, the number of samples that the curvature is averaged over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// The split that they are from: "train" or "test".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Whether the eigenvalues, or the number, are exact up to rounding.
    pub exact: bool,
    /// The |λ| below which rounding makes an eigenvalue indistinguishable from 0, so that it is not
    /// listed; determined for this matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<f64>,
    /// The largest |qᵢᵀqⱼ| of the last vector of a Krylov basis with the others, measured, where
    /// the basis was stored rounded to fit into memory. Absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orthogonality_loss: Option<f64>,
    /// P, the number of parameters of the group.
    pub dimension: usize,
    /// Eigenvalues or Ritz values in descending order; an exact spectrum lists the non-zero
    /// eigenvalues.
    pub eigenvalues: Vec<f64>,
    /// One weight per eigenvalue; the rest up to 1 is `mass_at_zero`.
    pub weights: Vec<f64>,
    /// 1 − Σ weights: the share of the eigenvalues that are 0 and not listed, as a share of 1.
    /// Absent without a spectrum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mass_at_zero: Option<f64>,
    /// For an estimated spectrum, which of its `probes` random vectors found each listed value,
    /// counted from 0. The values of one vector, with their weights times `probes`, are the
    /// quadrature rule of this vector alone. Absent where nothing is random.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<u32>,
    /// Mean, variance, skewness and kurtosis of the eigenvalues; absent without a spectrum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moments: Option<Moments>,
    /// For an estimated spectrum, one residual per listed value: some eigenvalue of the matrix lies
    /// within this distance of the value. Absent for exact spectra, and in results of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residuals: Vec<f64>,
    /// The eigenvalues of largest magnitude whose eigenvectors were asked for, from the largest.
    /// Absent where none were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub eigenpairs: Vec<EigenpairRecord>,
    /// The trace or its estimate.
    pub trace: f64,
    /// Standard error of the trace (0 when exact, null when unknown).
    pub trace_stderr: Option<f64>,
    /// Largest eigenvalue; null without a spectrum.
    #[serde(default)]
    pub lambda_max: Option<f64>,
    /// Smallest eigenvalue; null without a spectrum.
    #[serde(default)]
    pub lambda_min: Option<f64>,
    /// For an estimated spectrum, a lower bound of the matrix' smallest eigenvalue and an upper
    /// bound of its largest, each with a probability of 95 %. `lambda_min` and `lambda_max` lie
    /// between the bounds. Absent for exact spectra, and in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extreme_bounds: Option<[f64; 2]>,
    /// The number of an estimator that finds no spectrum; equal to `trace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Standard error of `value` (0 when exact, absent when unknown).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_stderr: Option<f64>,
    /// The number of random vectors averaged over; absent where nothing is random. Student's t for
    /// a standard error has one degree of freedom fewer. If the standard error is 0 and there are
    /// `dimension` vectors, they are the unit vectors of the coordinates, and nothing is random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<usize>,
    /// The degrees of freedom of Student's t for the confidence interval of the trace; absent where
    /// they are `probes` − 1. They are fewer where a few eigenvalues dominate, since samples of the
    /// trace are then skewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_freedom: Option<f64>,
    /// Operator-vector products spent.
    pub products: usize,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl ProbeRecord {
    /// Whether the record is of a spectrum instead of one number.
    #[must_use]
    pub fn has_spectrum(&self) -> bool {
        self.value.is_none()
    }

    /// The confidence intervals of the smallest and of the largest eigenvalue, with a probability
    /// of 95 % each; points for an exact spectrum. `None` without a spectrum, or where no bounds
    /// are known.
    #[must_use]
    pub fn extremes(&self) -> Option<[[f64; 2]; 2]> {
        let (smallest, largest) = (self.lambda_min?, self.lambda_max?);
        match self.extreme_bounds {
            _ if self.exact => Some([[smallest; 2], [largest; 2]]),
            Some([below, above]) => Some([[below, smallest], [largest, above]]),
            None => None,
        }
    }

    /// 1 − Σ weights: the mass at zero that the list leaves out.
    #[must_use]
    pub fn mass_at_zero(&self) -> f64 {
        (1.0 - self.weights.iter().sum::<f64>()).max(0.0)
    }
}

/// An eigenvalue whose eigenvector is in a file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EigenpairRecord {
    /// λ, one of the listed eigenvalues.
    pub value: f64,
    /// ‖Hv − λv‖, measured: some eigenvalue of the matrix lies within this distance of the value.
    pub residual: f64,
    /// Σ vᵢ⁴ over the elements of the unit vector: 1/P where all are equal in magnitude, 1 where
    /// only one is not zero.
    pub inverse_participation_ratio: f64,
    /// The file of the vector in the folder of results: `safetensors`, with one tensor per
    /// parameter of the group, under its name.
    pub file: String,
}

/// What was found; of what, where and how is left at its default.
impl From<&Estimate> for ProbeRecord {
    fn from(estimate: &Estimate) -> Self {
        match estimate {
            Estimate::Spectrum(spectrum) => Self {
                exact: spectrum.exact,
                rounding: spectrum.rounding,
                orthogonality_loss: spectrum.orthogonality_loss,
                dimension: spectrum.dimension,
                eigenvalues: spectrum.eigenvalues.clone(),
                weights: spectrum.weights.clone(),
                mass_at_zero: Some(spectrum.mass_at_zero())
                    .map(|zero| if zero > NO_MASS { zero } else { 0.0 }),
                origins: spectrum.origins.clone(),
                moments: Some(spectrum.moments()),
                residuals: spectrum.residuals.clone(),
                trace: spectrum.trace,
                trace_stderr: spectrum.trace_stderr,
                lambda_max: Some(spectrum.lambda_max()),
                lambda_min: Some(spectrum.lambda_min()),
                extreme_bounds: spectrum.extreme_bounds,
                probes: spectrum.probes,
                trace_freedom: spectrum.trace_freedom,
                products: spectrum.products,
                ..Self::default()
            },
            Estimate::Number(number) => Self {
                exact: number.exact,
                dimension: number.dimension,
                trace: number.value,
                trace_stderr: number.stderr,
                value: Some(number.value),
                value_stderr: number.stderr,
                probes: number.probes,
                products: number.products,
                ..Self::default()
            },
        }
    }
}

/// The class means of the gradients from which one matrix is formed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeansRecord {
    /// The epoch after which it was measured (0: before training).
    pub epoch: usize,
    /// Which of several disjoint samples, counted from 0; absent where there is one sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The group's name.
    pub group: String,
    /// "gauss-newton".
    pub curvature: String,
    /// The estimator's name.
    pub estimator: String,
    /// The means.
    #[serde(flatten)]
    pub means: ClassMeans,
}
