//! Access to the numbers of a tensor as a slice.

use candle_core::{DType, Device, Storage, Tensor};
use eigenscape_core::Result;

use crate::float::Float;

/// A function of a tensor's numbers, for both floating-point types.
pub(super) trait Reader {
    fn read<T: Float>(self, values: &[T]);
}

/// Passes the numbers of a tensor, row-major, to `reader`: f32 as they are, other types converted
/// to f64.
pub(super) fn read(tensor: &Tensor, reader: impl Reader) -> Result<()> {
    let tensor = tensor.to_device(&Device::Cpu)?.contiguous()?;
    match tensor.dtype() {
        DType::F32 => read_as::<f32>(&tensor, reader),
        _ => read_as::<f64>(&tensor.to_dtype(DType::F64)?, reader),
    }
}

fn read_as<T: Float>(tensor: &Tensor, reader: impl Reader) -> Result<()> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Err(candle_core::Error::Msg("a tensor on the CPU without CPU storage".to_owned()).into());
    };
    reader.read(&storage.as_slice::<T>()?[layout.start_offset()..][..layout.shape().elem_count()]);
    Ok(())
}
