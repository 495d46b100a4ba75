//! Numbers on the host: as bytes, and operations of plugins by their definitions.

use candle_core::{DType, Device, Tensor};
use eigenscape_program::Primitive;
use eigenscape_runtime::{Array, Definitions};

use crate::Result;

/// The numbers of a tensor of type f64, f32 or u32, in row-major order.
pub(crate) fn bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F64 => flat.to_vec1::<f64>()?.into_iter().flat_map(f64::to_ne_bytes).collect(),
        DType::F32 => flat.to_vec1::<f32>()?.into_iter().flat_map(f32::to_ne_bytes).collect(),
        _ => flat.to_vec1::<u32>()?.into_iter().flat_map(u32::to_ne_bytes).collect(),
    })
}

/// The tensor of such bytes.
pub(crate) fn tensor(bytes: &[u8], dims: &[usize], dtype: DType) -> Result<Tensor> {
    let device = &Device::Cpu;
    Ok(match dtype {
        DType::F64 => Tensor::from_vec(numbers(bytes, f64::from_ne_bytes), dims, device)?,
        DType::F32 => Tensor::from_vec(numbers(bytes, f32::from_ne_bytes), dims, device)?,
        _ => Tensor::from_vec(numbers(bytes, u32::from_ne_bytes), dims, device)?,
    })
}

fn numbers<T, const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
}

/// An operation by its definition, once for each element of the leading axis that some operands have.
pub(crate) fn evaluate(
    operation: &dyn Primitive,
    definitions: &Definitions,
    operands: &[Tensor],
    led: &[bool],
    dtype: DType,
) -> Result<Tensor> {
    let declared: Vec<&[usize]> =
        operands.iter().zip(led).map(|(operand, led)| &operand.dims()[usize::from(*led)..]).collect();
    let shape = operation.shape(&declared)?;
    let lead = operands.iter().zip(led).find(|(_, led)| **led).map(|(operand, _)| operand.dims()[0]);
    let all: Vec<Vec<f64>> = operands
        .iter()
        .map(|operand| Ok(operand.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?))
        .collect::<Result<_>>()?;
    let size: usize = shape.iter().product();
    let mut results = vec![0.0; lead.unwrap_or(1) * size];
    for (k, result) in results.chunks_mut(size.max(1)).enumerate() {
        let arrays = all.iter().zip(&declared).zip(led).map(|((numbers, dims), led)| {
            let len = dims.iter().product::<usize>();
            let start = if *led { k * len } else { 0 };
            Array { dims, numbers: &numbers[start..start + len] }
        });
        let arrays: Vec<Array> = arrays.collect();
        definitions.evaluate(operation, &arrays, result)?;
    }
    let dims: Vec<usize> = lead.into_iter().chain(shape).collect();
    Ok(Tensor::from_vec(results, dims, &Device::Cpu)?.to_dtype(dtype)?)
}
