//! Residuals: the numbers of a cached linear program, and the type in which they are evaluated.

use candle_core::DType;
use eigenscape_runtime::{Buffer, Executable, Fusion, Result, Signature};

use crate::placed::PlacedPoint;

/// The type in which the residuals of products and factors are evaluated, each rounded once to the
/// type of the point, as soon as no step needs it.
///
/// In f32 the rounding errors of a deep network put some units on the other side of a kink, and
/// each is an error in every product (together 1e-4 of a product with the Hessian of a ResNet18);
/// where a classifier's loss is near 1e-12, an error of its outputs is one of the probabilities'
/// exponents (4e-4 of a product). Residuals are evaluated once for hundreds of products, so that
/// f64 costs next to nothing but memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Residuals {
    /// In f64, whatever the type of the point.
    #[default]
    F64,
    /// In the type of the point: of one in f32 in half the memory and about half the time.
    OfPoint,
}

impl Residuals {
    /// The type in which they are evaluated at a point of this type.
    fn compute(self, dtype: DType) -> DType {
        match self {
            Self::F64 => DType::F64,
            Self::OfPoint => dtype,
        }
    }
}

/// What the memory of programs depends on beside themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Numbers {
    /// What they are fused for.
    pub fusion: Fusion,
    /// The type of the point.
    pub dtype: DType,
    /// The type of residuals while they are evaluated.
    pub residuals: Residuals,
}

impl Numbers {
    /// Residuals from inputs without a leading axis.
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
    // What comes next is smaller, and as a rule in another type.
    point.backend.release();
    Ok(residuals)
}
