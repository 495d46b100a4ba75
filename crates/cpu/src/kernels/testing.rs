//! Candle tensors as kernel operands and results, for comparisons in tests.

use candle_core::{CpuStorage, Device, Storage, Tensor, WithDType};

use super::View;
use crate::Result;

/// A copy of a tensor's numbers, with its layout.
pub(super) struct Stored<T> {
    data: Vec<T>,
    dims: Vec<usize>,
    strides: Vec<usize>,
}

impl<T: WithDType> Stored<T> {
    pub fn of(tensor: &Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { unreachable!() };
        let data = <T as WithDType>::cpu_storage_as_slice(storage as &CpuStorage)?;
        let data = data[layout.start_offset()..].to_vec();
        Ok(Self { data, dims: layout.dims().to_vec(), strides: layout.stride().to_vec() })
    }

    pub fn view(&self) -> View<'_, T> {
        View { data: &self.data, dims: &self.dims, strides: &self.strides }
    }
}

/// The tensor that a kernel writes.
pub(super) fn made<T: WithDType>(dims: &[usize], kernel: impl FnOnce(&mut [T])) -> Result<Tensor> {
    let mut out = vec![T::one(); dims.iter().product()];
    kernel(&mut out);
    Ok(Tensor::from_vec(out, dims, &Device::Cpu)?)
}
