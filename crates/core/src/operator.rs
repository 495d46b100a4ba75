//! Curvature operators: the symmetric matrices whose spectra are measured, given by their products
//! with vectors.

use candle_core::{DType, Tensor};
use eigenscape_runtime::{Backend, Buffer};
use serde::{Deserialize, Serialize};

use crate::{ExactFactor, error::Result};

/// A curvature matrix of the mean loss L(θ) = (1/N) Σₙ ℓ(f_θ(xₙ), yₙ).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Curvature {
    /// H = ∇²L.
    Hessian,
    /// G = (1/N) Σₙ Jₙᵀ Aₙ Jₙ with Aₙ the Hessian of ℓ in the outputs (Schraudolph 2002).
    GaussNewton,
    /// R = H − G, the second derivative of the network weighted by the residual.
    Residual,
}

impl std::fmt::Display for Curvature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hessian => "hessian",
            Self::GaussNewton => "gauss-newton",
            Self::Residual => "residual",
        })
    }
}

/// A symmetric P × P matrix, given by its products with vectors.
pub trait CurvatureOperator: Send + Sync {
    /// P, the number of rows and columns.
    fn dimension(&self) -> usize;

    /// The floating-point type in which products are computed.
    fn dtype(&self) -> DType;

    /// What the operator is, for messages: "hessian of fc1.weight".
    fn description(&self) -> String;

    /// The products with the K rows of `vectors` \[K, P\], as rows of a \[K, P\] tensor of type
    /// [`Self::dtype`].
    ///
    /// # Errors
    /// When the shape does not fit or an operation fails.
    fn apply(&self, vectors: &Tensor) -> Result<Tensor>;

    /// The backend that computes products, if any. [`Self::apply_placed`] takes and returns vectors
    /// in its memory.
    fn backend(&self) -> Option<&dyn Backend> {
        None
    }

    /// As [`Self::apply`], for vectors and products in the memory of [`Self::backend`]; without a
    /// backend, in host memory.
    ///
    /// # Errors
    /// Those of [`Self::apply`], and when a copy fails.
    fn apply_placed(&self, vectors: &Buffer) -> Result<Buffer> {
        let products = self.apply(&vectors.to_host()?)?;
        Ok(match self.backend() {
            Some(backend) => backend.place(&products)?,
            None => products.into(),
        })
    }

    /// The products with the rows of `vectors` \[K, P\] computed in f64, to measure the rounding
    /// error of [`Self::apply`]; `None` where products are in f64 anyway, or f64 is not available.
    ///
    /// # Errors
    /// When the shape does not fit or an operation fails.
    fn apply_in_f64(&self, vectors: &Tensor) -> Result<Option<Tensor>> {
        let _ = vectors;
        Ok(None)
    }

    /// Whether the matrix is proved to have no negative eigenvalue.
    fn is_semidefinite(&self) -> bool {
        self.factor().is_ok()
    }

    /// Φ with operator = Φᵀ Φ where such a factor is known *exactly*: always for the Gauss-Newton
    /// matrix of a loss that is convex in the outputs, and for the Hessian where the network is
    /// proved (piecewise) affine in the group. Nothing is evaluated yet.
    ///
    /// # Errors
    /// The error names the obstacle and what to use instead.
    fn factor(&self) -> Result<ExactFactor>;

    /// Φ with tr operator = ‖Φ‖², where it is known exactly: the factor of [`Self::factor`], or
    /// that of the Gauss-Newton matrix for a Hessian that is proved to have the same trace, block
    /// by block.
    ///
    /// # Errors
    /// The error names the obstacle and what to use instead.
    fn trace_factor(&self) -> Result<ExactFactor> {
        self.factor()
    }
}
