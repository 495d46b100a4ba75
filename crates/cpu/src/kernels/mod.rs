//! CPU kernels behind one small interface: plain functions from tensors to tensors.
//!
//! `unsafe` lives only in [`gemm`]. Reductions run in an order that depends on shapes alone, so
//! that results are bitwise the same for any number of threads.

mod binary;
mod conv;
mod fused;
mod gather;
mod gemm;
mod join;
#[cfg(test)]
mod long_sums;
mod map;
mod panel;
mod pool;
mod recycle;
mod reference;
mod row_products;
mod rows;
mod scratch;
mod simd;
mod sum;
mod transpose;

use std::{cell::RefCell, thread::LocalKey};

pub(crate) use binary::{add, add_onto, mul};
use candle_core::{CpuStorage, Storage, Tensor, WithDType};
pub(crate) use conv::{Geometry, conv2d, conv2d_input_transpose, conv2d_weight_transpose};
pub(crate) use fused::{element_wise, fused, fused_sum};
pub(crate) use gather::{gather, scatter_add};
pub(crate) use gemm::{Axis, View, matmul};
pub(crate) use join::join;
pub(crate) use map::map;
pub(crate) use pool::{PoolGeometry, argmax_pool, sum_pool, sum_pool_transpose};
pub(crate) use recycle::{make_room, owned, recycle, release};
pub(crate) use reference::{argmax, differences, differences_transpose};
pub(crate) use rows::{put_rows, take_rows};
pub(crate) use sum::sum;

use crate::{Error, Result};

/// The floating-point types of programs.
pub(crate) trait Element:
    WithDType + num_traits::Float + simd::Lanes + Default + std::iter::Sum + std::ops::AddAssign
{
    fn erfc(self) -> Self;

    /// This thread's [buffers](scratch).
    fn buffers() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;

    /// What this thread keeps of [dead results](mod@recycle).
    fn recycled() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;
}

impl Element for f32 {
    fn erfc(self) -> Self {
        libm::erfcf(self)
    }

    fn buffers() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
        thread_local!(static BUFFERS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) });
        &BUFFERS
    }

    fn recycled() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
        thread_local!(static RECYCLED: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) });
        &RECYCLED
    }
}

impl Element for f64 {
    fn erfc(self) -> Self {
        libm::erfc(self)
    }

    fn buffers() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
        thread_local!(static BUFFERS: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) });
        &BUFFERS
    }

    fn recycled() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
        thread_local!(static RECYCLED: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) });
        &RECYCLED
    }
}

/// Runs `$body` with `$t` bound to the floating-point type of `$tensor`.
macro_rules! dispatch {
    ($tensor:expr, $t:ident => $body:expr) => {
        match $tensor.dtype() {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => Err(crate::Error::unsupported(format!("programs run in f32 or f64, not {other:?}"))),
        }
    };
}
pub(crate) use dispatch;

/// Calls `f` with the elements of `tensor` in row-major order; copies only where its layout
/// differs.
pub(crate) fn with_slice<T: WithDType, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let start = layout.start_offset();
    f(&cpu_slice::<T>(&storage)?[start..start + layout.shape().elem_count()])
}

/// The whole storage as a slice.
fn cpu_slice<T: WithDType>(storage: &Storage) -> Result<&[T]> {
    match storage {
        Storage::Cpu(cpu) => Ok(<T as WithDType>::cpu_storage_as_slice(cpu as &CpuStorage)?),
        _ => Err(Error::unsupported("this operation runs on the CPU only")),
    }
}
