//! Pooling.

use candle_core::Tensor;
use eigenscape_program::operations::PoolWindows;

use super::{Operand, behind};
use crate::{
    Result,
    kernels::{self, PoolGeometry},
};

fn geometry(windows: &PoolWindows) -> PoolGeometry {
    let [_, _, height, width] = windows.image;
    PoolGeometry { height, width, rows: windows.rows.clone(), columns: windows.columns.clone() }
}

pub(super) fn argmax(windows: &PoolWindows, x: &Operand) -> Result<Tensor> {
    let index = kernels::argmax_pool(x.tensor, &geometry(windows))?;
    let [n, c, h, w] = windows.pooled();
    Ok(Tensor::from_vec(index, behind(x.lead(), &[n * c, h * w]), x.tensor.device())?)
}

pub(super) fn sum(windows: &PoolWindows, x: &Operand) -> Result<Tensor> {
    kernels::sum_pool(x.tensor, &geometry(windows), &behind(x.lead(), &windows.pooled()))
}

pub(super) fn sum_transpose(windows: &PoolWindows, x: &Operand) -> Result<Tensor> {
    kernels::sum_pool_transpose(x.tensor, &geometry(windows), &behind(x.lead(), &windows.image))
}
