//! Buffers: numbers in a backend's memory.

use std::{any::Any, fmt::Debug, sync::Arc};

use candle_core::{DType, Tensor};

use crate::error::Result;

/// Numbers in the memory of the host or of a backend. Clones share the memory.
#[derive(Debug, Clone)]
pub enum Buffer {
    /// In the host's memory, with any strides.
    Host(Tensor),
    /// In a backend's own memory, in row-major order.
    Device(Arc<dyn DeviceBuffer>),
}

/// Numbers in the memory of some backend, in row-major order.
pub trait DeviceBuffer: Any + Debug + Send + Sync {
    /// The size of each axis.
    fn dims(&self) -> &[usize];

    /// The type of the numbers.
    fn dtype(&self) -> DType;

    /// A copy in the host's memory. Waits until the numbers are computed.
    ///
    /// # Errors
    /// When the computation or the copy fails.
    fn to_host(&self) -> Result<Tensor>;
}

impl Buffer {
    /// The size of each axis.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        match self {
            Self::Host(tensor) => tensor.dims(),
            Self::Device(buffer) => buffer.dims(),
        }
    }

    /// How many axes there are.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.dims().len()
    }

    /// The type of the numbers.
    #[must_use]
    pub fn dtype(&self) -> DType {
        match self {
            Self::Host(tensor) => tensor.dtype(),
            Self::Device(buffer) => buffer.dtype(),
        }
    }

    /// The numbers in the host's memory; copied only if they are not there already.
    ///
    /// # Errors
    /// When the copy fails, or the computation of the numbers.
    pub fn to_host(&self) -> Result<Tensor> {
        match self {
            Self::Host(tensor) => Ok(tensor.clone()),
            Self::Device(buffer) => buffer.to_host(),
        }
    }

    /// As [`Self::to_host`] for many buffers, each of which is dropped once its numbers are in the
    /// host's memory.
    ///
    /// # Errors
    /// As [`Self::to_host`].
    pub fn all_to_host(buffers: Vec<Self>) -> Result<Vec<Tensor>> {
        buffers.into_iter().map(|buffer| buffer.to_host()).collect()
    }

    /// The tensor, for a buffer in the host's memory.
    #[must_use]
    pub fn host(&self) -> Option<&Tensor> {
        match self {
            Self::Host(tensor) => Some(tensor),
            Self::Device(_) => None,
        }
    }

    /// The buffer as the backend's type `B`; `None` if it is in the host's memory or of another
    /// type.
    #[must_use]
    pub fn device<B: DeviceBuffer>(&self) -> Option<&B> {
        match self {
            Self::Host(_) => None,
            Self::Device(buffer) => {
                let buffer: &dyn Any = &**buffer;
                buffer.downcast_ref()
            }
        }
    }

    /// The same numbers in row-major order.
    pub(crate) fn in_order(self) -> Result<Self> {
        match self {
            Self::Host(tensor) => Ok(tensor.contiguous()?.into()),
            device @ Self::Device(_) => Ok(device),
        }
    }
}

impl From<Tensor> for Buffer {
    fn from(tensor: Tensor) -> Self {
        Self::Host(tensor)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Zeros in the memory of a pretended device.
    #[derive(Debug)]
    struct Elsewhere([usize; 2]);

    impl DeviceBuffer for Elsewhere {
        fn dims(&self) -> &[usize] {
            &self.0
        }

        fn dtype(&self) -> DType {
            DType::F32
        }

        fn to_host(&self) -> Result<Tensor> {
            Ok(Tensor::zeros(&self.0, DType::F32, &Device::Cpu)?)
        }
    }

    #[test]
    fn a_backend_finds_its_own_buffers_and_no_others() -> Result<()> {
        let elsewhere = Buffer::Device(Arc::new(Elsewhere([2, 3])));
        assert_eq!((elsewhere.dims(), elsewhere.rank()), (&[2, 3][..], 2));
        assert!(elsewhere.device::<Elsewhere>().is_some() && elsewhere.host().is_none());
        let host = Buffer::from(elsewhere.to_host()?);
        assert!(host.device::<Elsewhere>().is_none() && host.host().is_some());
        assert_eq!((host.dims(), host.dtype()), (elsewhere.dims(), elsewhere.dtype()));
        Ok(())
    }
}
