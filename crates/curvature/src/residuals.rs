//! Residuals: the numbers of a cached linear program.

use candle_core::DType;
use eigenscape_runtime::{Buffer, Executable, Result};

use crate::point::Point;

/// The outputs of `prefix`, evaluated in f64 and rounded once to the type of `point`, each as soon
/// as no step needs it.
///
/// In f32 the rounding errors of a deep network put some units on the other side of a kink, and
/// each is an error in every product (together 1e-4 of a product with the Hessian of a ResNet18).
/// Residuals are evaluated once for hundreds of products, so that f64 costs next to nothing.
pub(crate) fn evaluate_residuals(
    prefix: &Executable,
    point: &Point,
    inputs: Vec<Buffer>,
) -> Result<Vec<Buffer>> {
    let residuals = prefix.run_placed(&*point.backend, inputs, DType::F64, point.dtype())?;
    // What comes next is smaller, and in another type.
    point.backend.release();
    Ok(residuals)
}
