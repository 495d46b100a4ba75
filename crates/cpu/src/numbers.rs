//! Numbers whose type is known only at run time.

use candle_core::{CpuStorage, DType, Device, Storage, Tensor, WithDType, backend::BackendStorage};
use eigenscape_runtime::Layout;
use pulp::bytemuck::{self, Pod};
use rayon::prelude::*;

use crate::{
    Error, Result,
    kernels::{View, buffer, strided::Strided},
};

/// The type in which values of `dtype` are stored: floating-point types as they are, all others as
/// `u32` indices.
pub(crate) fn kept_as(dtype: DType) -> DType {
    if dtype.is_float() { dtype } else { DType::U32 }
}

/// The numbers of an output, in their own memory.
#[derive(Debug)]
pub(crate) enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
    U32(Vec<u32>),
}

impl Numbers {
    /// `len` numbers with arbitrary contents.
    pub fn new(dtype: DType, len: usize) -> Result<Self> {
        match dtype {
            DType::F32 => Ok(Self::F32(buffer(len))),
            DType::F64 => Ok(Self::F64(buffer(len))),
            DType::U32 => Ok(Self::U32(vec![0; len])),
            other => Err(unsupported(other)),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::F32(numbers) => bytemuck::cast_slice(numbers),
            Self::F64(numbers) => bytemuck::cast_slice(numbers),
            Self::U32(numbers) => bytemuck::cast_slice(numbers),
        }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::F32(numbers) => bytemuck::cast_slice_mut(numbers),
            Self::F64(numbers) => bytemuck::cast_slice_mut(numbers),
            Self::U32(numbers) => bytemuck::cast_slice_mut(numbers),
        }
    }

    /// Converts the numbers into a tensor without copying.
    pub fn into_tensor(self, dims: &[usize]) -> Result<Tensor> {
        Ok(match self {
            Self::F32(numbers) => Tensor::from_vec(numbers, dims, &Device::Cpu)?,
            Self::F64(numbers) => Tensor::from_vec(numbers, dims, &Device::Cpu)?,
            Self::U32(numbers) => Tensor::from_vec(numbers, dims, &Device::Cpu)?,
        })
    }
}

fn unsupported(dtype: DType) -> Error {
    Error::unsupported(format!("programs run in f32 or f64, not {dtype:?}"))
}

/// The numbers of a contiguous tensor, as bytes, with their type.
pub(crate) fn of_tensor<'s>(storage: &'s Storage, layout: &candle_core::Layout) -> Result<(&'s [u8], DType)> {
    let range = layout.start_offset()..layout.start_offset() + layout.shape().elem_count();
    let Storage::Cpu(storage) = storage else {
        return Err(Error::unsupported("this backend runs on the CPU only"));
    };
    match storage {
        CpuStorage::F32(numbers) => Ok((bytemuck::cast_slice(&numbers[range]), DType::F32)),
        CpuStorage::F64(numbers) => Ok((bytemuck::cast_slice(&numbers[range]), DType::F64)),
        CpuStorage::U32(numbers) => Ok((bytemuck::cast_slice(&numbers[range]), DType::U32)),
        other => Err(unsupported(other.dtype())),
    }
}

/// Reinterprets bytes as numbers.
pub(crate) fn numbers<T: Pod>(bytes: &[u8]) -> Result<&[T]> {
    bytemuck::try_cast_slice(bytes).map_err(misplaced)
}

/// Like [`numbers`], mutable.
pub(crate) fn numbers_mut<T: Pod>(bytes: &mut [u8]) -> Result<&mut [T]> {
    bytemuck::try_cast_slice_mut(bytes).map_err(misplaced)
}

fn misplaced(problem: bytemuck::PodCastError) -> Error {
    Error::unsupported(format!("numbers that are misplaced in memory ({problem})"))
}

/// An operand: numbers of a runtime type, arranged by a layout. `bytes` starts at the first
/// element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub bytes: &'a [u8],
    pub dtype: DType,
    pub layout: &'a Layout,
}

impl<'a> Stored<'a> {
    /// A view as numbers of type `T`; an error if they have another type.
    pub fn view<T: WithDType + Pod>(&self) -> Result<View<'a, T>> {
        if self.dtype != T::DTYPE {
            return Err(Error::unsupported(format!("{:?} where {:?} is needed", self.dtype, T::DTYPE)));
        }
        let Layout { dims, strides, .. } = self.layout;
        Ok(View { data: numbers(self.bytes)?, dims, strides })
    }

    /// Writes the numbers in row-major order, converted to `dtype`. Indices may be stored in
    /// floating point.
    pub fn copy_to(&self, out: &mut [u8], dtype: DType) -> Result<()> {
        match (self.dtype, dtype) {
            (DType::F32, DType::F32) => self.view::<f32>()?.copy_to(numbers_mut(out)?),
            (DType::F64, DType::F64) => self.view::<f64>()?.copy_to(numbers_mut(out)?),
            (DType::U32, DType::U32) => self.view::<u32>()?.copy_to(numbers_mut(out)?),
            (DType::F32, DType::F64) => convert(&self.view::<f32>()?, numbers_mut(out)?, f64::from),
            (DType::F64, DType::F32) => convert(&self.view::<f64>()?, numbers_mut(out)?, |x| x as f32),
            (DType::F32, DType::U32) => convert(&self.view::<f32>()?, numbers_mut(out)?, |x| x as u32),
            (DType::F64, DType::U32) => convert(&self.view::<f64>()?, numbers_mut(out)?, |x| x as u32),
            (DType::F32 | DType::F64 | DType::U32, other) | (other, _) => return Err(unsupported(other)),
        }
        Ok(())
    }
}

/// Writes f(x) for each element x, in row-major order.
fn convert<S: Pod + Send + Sync, T: Send>(x: &View<'_, S>, out: &mut [T], f: impl Fn(S) -> T + Sync) {
    /// Numbers per task.
    const CHUNK: usize = 1 << 14;
    let x = Strided::new(x.data, x.dims, x.strides);
    out.par_chunks_mut(CHUNK).enumerate().for_each_init(Vec::new, |copy, (i, out)| {
        let x = x.in_order(i * CHUNK, out.len()).unwrap_or_else(|| {
            copy.resize(out.len(), S::zeroed());
            x.copy(i * CHUNK, copy);
            copy
        });
        out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x));
    });
}
