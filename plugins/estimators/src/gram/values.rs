//! The numbers of a tensor, as they lie in memory.

use candle_core::{DType, Device, Storage, Tensor};
use eigenscape_core::Result;

use crate::float::Float;

/// What is done with the numbers of a tensor, whichever of the two types they are of.
pub(super) trait Reader {
    fn read<T: Float>(self, values: &[T]);
}

/// Hands the numbers of a tensor, row-major, to `reader`; those of another type than f32 in f64.
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
