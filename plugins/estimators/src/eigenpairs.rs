//! Eigenpairs as estimators return them: one sign, the operator's type, measured residuals.

use candle_core::{DType, Device, Tensor};
use eigenscape_core::{CurvatureOperator, Eigenpair, Progress, Result, account::size};

use crate::{
    float::Float,
    operator::{not_finite, products},
};

/// Bytes of `count` vectors while their residuals are measured: the vectors, and for one of them a
/// copy, its product and a copy of the product. `number` is the size of a number in bytes.
pub(crate) fn bytes(dimension: usize, count: usize, number: usize) -> usize {
    const ON_THE_WAY: usize = 3;
    size([dimension, count.saturating_add(ON_THE_WAY)], number)
}

/// Elements of at least this share of the largest magnitude count as equally large: in vectors such
/// as (u, −u) rounding alone decides which is the largest.
const AS_LARGE: f64 = 0.999;

/// An eigenvector as a tensor \[P\]: of norm 1, and with a positive sign of its element of largest
/// magnitude, the first of several that are as large.
pub(crate) fn oriented<T: Float>(mut vector: Vec<T>) -> Result<Tensor> {
    let squares: f64 = vector.iter().map(|x| x.widen() * x.widen()).sum();
    let largest = vector.iter().fold(0.0_f64, |largest, x| largest.max(x.widen().abs()));
    let is_as_large = |x: &f64| x.abs() >= AS_LARGE * largest;
    let first = vector.iter().map(|x| x.widen()).find(is_as_large).unwrap_or(1.0);
    let factor = first.signum() / squares.sqrt();
    vector.iter_mut().for_each(|x| *x = T::narrow(factor * x.widen()));
    let length = vector.len();
    Ok(Tensor::from_vec(vector, length, &Device::Cpu)?)
}

/// As [`oriented`], for a vector in f64 of an operator of this type.
pub(crate) fn oriented_as(dtype: DType, vector: Vec<f64>) -> Result<Tensor> {
    Ok(oriented(vector)?.to_dtype(dtype)?)
}

/// The eigenpairs of an operator with these values and vectors, each with its residual, which takes
/// a product.
pub(crate) fn measured(
    operator: &dyn CurvatureOperator,
    pairs: &[(f64, Tensor)],
    progress: &dyn Progress,
) -> Result<Vec<Eigenpair>> {
    let pair = |(value, vector): &(f64, Tensor)| {
        let residual = match operator.dtype() {
            DType::F32 => residual::<f32>(operator, *value, vector)?,
            _ => residual::<f64>(operator, *value, vector)?,
        };
        progress.advance(1);
        Ok(Eigenpair { value: *value, residual, vector: vector.clone() })
    };
    pairs.iter().map(pair).collect()
}

/// ‖Hv − λv‖, accumulated in f64.
fn residual<T: Float>(operator: &dyn CurvatureOperator, value: f64, vector: &Tensor) -> Result<f64> {
    let v = vector.to_vec1::<T>()?;
    let product = products(operator, v.clone(), v.len())?.swap_remove(0);
    let square: f64 = product.iter().zip(&v).map(|(w, v)| (w.widen() - value * v.widen()).powi(2)).sum();
    if square.is_finite() { Ok(square.sqrt()) } else { Err(not_finite(operator)) }
}

#[cfg(test)]
mod tests;
