//! Tensors in a device's memory.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use eigenscape_runtime::Error;

use crate::{
    Result,
    device::{Device, Memory},
    host,
};

/// A tensor in row-major order in a device's memory. Clones share the memory, whose contents never
/// change.
#[derive(Debug, Clone)]
pub(crate) struct DeviceTensor {
    memory: Arc<Memory>,
    dims: Vec<usize>,
    dtype: DType,
}

impl DeviceTensor {
    /// Allocates memory for a tensor, which the caller writes.
    pub fn new(device: &Arc<Device>, dims: &[usize], dtype: DType) -> Result<Self> {
        let bytes = dims.iter().product::<usize>() * dtype.size_in_bytes();
        let memory = Arc::new(device.allocate(bytes)?);
        Ok(Self { memory, dims: dims.to_vec(), dtype })
    }

    /// Copies a tensor from the host. Numbers that are not floating-point become `u32`.
    pub fn upload(device: &Arc<Device>, tensor: &Tensor) -> Result<Self> {
        let dtype = stored_as(tensor.dtype());
        let placed = Self::new(device, tensor.dims(), dtype)?;
        let tensor = tensor.to_dtype(dtype)?;
        host::with_bytes(&tensor, |bytes| placed.memory.upload(bytes))?;
        Ok(placed)
    }

    /// Copies the tensor to the host.
    pub fn download(&self) -> Result<Tensor> {
        host::filled(&self.dims, self.dtype, |bytes| self.memory.download(bytes))
    }

    /// Sets all numbers to zero.
    pub fn zero(&self) -> Result<()> {
        let _alone = self.memory.device().work();
        // SAFETY: this tensor has as many bytes.
        unsafe {
            self.memory.device().driver()?.zero(self.address(), self.elements() * self.dtype.size_in_bytes())
        }
    }

    /// The same numbers in another shape.
    pub fn reshaped(&self, dims: &[usize]) -> Result<Self> {
        if dims.iter().product::<usize>() != self.elements() {
            return Err(Error::shape("reshaped", format!("{:?} as {dims:?}", self.dims)));
        }
        Ok(Self { dims: dims.to_vec(), ..self.clone() })
    }

    /// Sizes of the axes.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The type of the numbers.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    /// The device address of the first number.
    pub fn address(&self) -> u64 {
        self.memory.address()
    }

    /// Whether no clone shares the memory, so that it may be written again.
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.memory) == 1
    }

    /// Whether the tensor lies on this device.
    pub fn is_on(&self, device: &Arc<Device>) -> bool {
        Arc::ptr_eq(self.memory.device(), device)
    }
}

/// The type in which a device stores values of `dtype`.
pub(crate) fn stored_as(dtype: DType) -> DType {
    match dtype {
        DType::F64 | DType::F32 => dtype,
        other if other.is_float() => DType::F32,
        _ => DType::U32,
    }
}
