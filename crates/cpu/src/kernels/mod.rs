//! CPU kernels: plain functions on slices of numbers. Operands are [views](View) or slices in
//! row-major order. The caller provides the memory of the result and of the [workspace](Workspace).
//!
//! `unsafe` lives only in [`gemm`]. Reductions run in an order that depends on shapes alone, so
//! that results are bitwise the same for any number of threads.

mod binary;
mod conv;
mod exponential;
mod fused;
mod gather;
mod gemm;
mod join;
#[cfg(test)]
mod long_sums;
mod map;
mod panel;
mod parallel;
mod pool;
mod recycle;
mod reference;
mod row_products;
mod rows;
mod scratch;
mod simd;
mod small_product;
pub(crate) mod strided;
mod sum;
#[cfg(test)]
mod testing;
mod transpose;
mod view;
mod workspace;

use std::{cell::RefCell, thread::LocalKey};

pub(crate) use binary::{add, add_onto, mul};
use candle_core::WithDType;
pub(crate) use conv::{
    Geometry, conv2d, conv2d_input_transpose, conv2d_weight_transpose, limits as conv_limits,
};
pub(crate) use exponential::{Exp, Log, NormalCdf, Sigmoid, SigmoidComplement, Tanh, transcendental};
pub(crate) use fused::{element_wise, fused, fused_sum};
pub(crate) use gather::{Picks, gather, scatter_add};
pub(crate) use gemm::{Axis, Batch, ONE_THREAD_EACH, matmul};
pub(crate) use join::join;
pub(crate) use map::map;
pub(crate) use panel::DEPTH;
pub(crate) use pool::{PoolGeometry, argmax_pool, sum_pool, sum_pool_transpose};
pub(crate) use recycle::{buffer, owned, recycle, release};
pub(crate) use reference::{argmax, differences, differences_transpose};
pub(crate) use row_products::applies as is_by_rows;
pub(crate) use rows::{Table, put_rows, take_rows};
pub(crate) use simd::MOST_LANES;
pub(crate) use sum::sum;
pub(crate) use view::{InOrder, View};
pub(crate) use workspace::{Taken, Workspace};

/// The floating-point types of programs.
pub(crate) trait Element:
    WithDType
    + num_traits::Float
    + simd::Lanes
    + exponential::Accuracy
    + Default
    + std::iter::Sum
    + std::ops::AddAssign
{
    /// The number in f64.
    fn wide(self) -> f64;

    /// The nearest number of this type.
    fn rounded(x: f64) -> Self;

    /// This thread's [buffers](scratch).
    fn buffers() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;

    /// This thread's [recycled outputs](mod@recycle).
    fn recycled() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;
}

impl Element for f32 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self.into()
    }

    #[inline(always)]
    fn rounded(x: f64) -> Self {
        x as f32
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
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn rounded(x: f64) -> Self {
        x
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

/// Runs `$body` with `$t` bound to a floating-point type of programs.
macro_rules! dispatch {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
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
