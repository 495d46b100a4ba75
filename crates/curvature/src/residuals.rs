//! Residuals: the values kept for a linear program, and the type in which they are evaluated.

use candle_core::DType;
use eigenscape_runtime::{Buffer, Executable, Planning, Result, Signature};

use crate::placed::PlacedPoint;

/// The type in which the residuals of products and factors are evaluated. Each residual is rounded
/// once to the type of the point, as soon as no step needs it any more.
///
/// In f32, rounding errors of a deep network move some units across a kink, and each of these units
/// causes an error in every product (together 1e-4 of a product with the Hessian of a ResNet18).
/// Where a classifier's loss is near 1e-12, errors of its outputs become errors in the exponents of
/// probabilities (4e-4 of a product). Residuals are evaluated once for hundreds of products, so
/// that f64 costs little but memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Residuals {
    /// In f64, whatever the type of the point.
    #[default]
    F64,
    /// In the type of the point; for f32, in half the memory and about half the time.
    OfPoint,
}

impl Residuals {
    /// The type in which residuals are evaluated at a point of type `dtype`.
    fn compute(self, dtype: DType) -> DType {
        match self {
            Self::F64 => DType::F64,
            Self::OfPoint => dtype,
        }
    }
}

/// The number types and fusions on which the memory of a program depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Numbers {
    /// The fusions that the backend supports.
    pub planning: Planning,
    /// The type of the point.
    pub dtype: DType,
    /// The type of residuals while they are evaluated.
    pub residuals: Residuals,
}

impl Numbers {
    /// The signature for evaluating residuals from `inputs` inputs without a leading axis.
    pub fn of_residuals(self, inputs: usize) -> Signature {
        let compute = self.residuals.compute(self.dtype);
        Signature { compute, ..Signature::plain(inputs, self.dtype) }
    }
}

/// The outputs of `prefix`, evaluated in the type of the point's [`Residuals`].
pub(crate) fn evaluate_residuals(
    prefix: &Executable,
    point: &PlacedPoint,
    inputs: Vec<Buffer>,
) -> Result<Vec<Buffer>> {
    let compute = point.residuals().compute(point.dtype());
    let residuals = prefix.run_placed(&*point.backend, inputs, compute, point.dtype())?;
    // Later programs need less memory, and usually in another type.
    point.backend.release();
    Ok(residuals)
}
