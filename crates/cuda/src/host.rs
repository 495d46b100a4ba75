//! Numbers on the host: as bytes, and operations of plugins by their definitions.

use bytemuck::Pod;
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use eigenscape_program::Primitive;
use eigenscape_runtime::{Array, Definitions, Error};

use crate::Result;

/// Hands the numbers of a tensor of type f64, f32 or u32 on as bytes, in row-major order: where they
/// are, if they lie in this order.
pub(crate) fn with_bytes<R>(tensor: &Tensor, f: impl FnOnce(&[u8]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let range = layout.start_offset()..layout.start_offset() + tensor.elem_count();
    match &*storage {
        Storage::Cpu(CpuStorage::F64(numbers)) => f(bytemuck::cast_slice(&numbers[range])),
        Storage::Cpu(CpuStorage::F32(numbers)) => f(bytemuck::cast_slice(&numbers[range])),
        Storage::Cpu(CpuStorage::U32(numbers)) => f(bytemuck::cast_slice(&numbers[range])),
        _ => Err(Error::Device(format!("numbers of type {:?} are not copied", tensor.dtype()))),
    }
}

/// The tensor of the numbers that `fill` writes.
pub(crate) fn filled(
    dims: &[usize],
    dtype: DType,
    fill: impl FnOnce(&mut [u8]) -> Result<()>,
) -> Result<Tensor> {
    let count = dims.iter().product();
    let device = &Device::Cpu;
    Ok(match dtype {
        DType::F64 => Tensor::from_vec(numbers::<f64>(count, fill)?, dims, device)?,
        DType::F32 => Tensor::from_vec(numbers::<f32>(count, fill)?, dims, device)?,
        _ => Tensor::from_vec(numbers::<u32>(count, fill)?, dims, device)?,
    })
}

fn numbers<T: Pod>(count: usize, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Vec<T>> {
    let mut numbers = vec![T::zeroed(); count];
    fill(bytemuck::cast_slice_mut(&mut numbers))?;
    Ok(numbers)
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
