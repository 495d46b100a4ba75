//! Examples of several tensors as one.

use candle_core::{DType, Tensor};
use eigenscape_core::Result;

/// Tensors \[N, ...\] as one \[N, D\] of floating-point numbers: the elements of all of a sample
/// one after the other. One alone stays as it is.
///
/// # Errors
/// When they are not of the same number of samples.
pub(crate) fn joined(parts: &[Tensor]) -> Result<Tensor> {
    if let [only] = parts {
        return Ok(only.clone());
    }
    let double = parts.iter().any(|part| part.dtype() == DType::F64);
    let dtype = if double { DType::F64 } else { DType::F32 };
    let flat = |part: &Tensor| if part.rank() == 1 { part.unsqueeze(1) } else { part.flatten_from(1) };
    let rows = parts.iter().map(|part| flat(part)?.to_dtype(dtype));
    let rows = rows.collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Tensor::cat(&rows, 1)?)
}
