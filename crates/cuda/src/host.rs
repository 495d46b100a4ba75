//! Numbers on the host, as bytes.

use bytemuck::Pod;
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use eigenscape_runtime::Error;

use crate::Result;

/// Calls `f` with the bytes of a tensor of type f64, f32 or u32 in row-major order. The tensor is
/// copied only if it is not contiguous.
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
