//! Elements and rows by index.

use candle_core::{DType, Tensor};
use eigenscape_program::operations::{Argmax, PutRows, ScatterAdd};

use super::{Operand, behind, common_lead};
use crate::{Result, kernels};

/// An operand as \[K, R, D\] with its last axis as it is; K = 1 without a leading axis.
fn rows(x: &Operand) -> Result<Tensor> {
    let (width, rows) = x.dims().split_last().unwrap_or((&1, &[]));
    Ok(x.tensor.reshape((x.lead().unwrap_or(1), rows.iter().product::<usize>(), *width))?)
}

/// An index as \[K, I\] of type `u32`.
fn positions(index: &Operand) -> Result<Tensor> {
    let len = index.dims().iter().product::<usize>();
    Ok(index.tensor.to_dtype(DType::U32)?.reshape((index.lead().unwrap_or(1), len))?)
}

pub(super) fn argmax(argmax: &Argmax, x: &Operand) -> Result<Tensor> {
    let index = kernels::argmax(&rows(x)?, argmax.slack.0)?;
    let kept = &x.dims()[..x.dims().len().saturating_sub(1)];
    Ok(Tensor::from_vec(index, behind(x.lead(), kept), x.tensor.device())?)
}

pub(super) fn differences(args: &[Operand]) -> Result<Tensor> {
    let out = kernels::differences(&rows(&args[0])?, &positions(&args[1])?)?;
    Ok(out.reshape(behind(common_lead(args), args[0].dims()))?)
}

pub(super) fn differences_transpose(args: &[Operand]) -> Result<Tensor> {
    let out = kernels::differences_transpose(&rows(&args[0])?, &positions(&args[1])?)?;
    Ok(out.reshape(behind(common_lead(args), args[0].dims()))?)
}

pub(super) fn gather(args: &[Operand]) -> Result<Tensor> {
    let out = kernels::gather(&rows(&args[0])?, &rows(&args[1])?.to_dtype(DType::U32)?)?;
    Ok(out.reshape(behind(common_lead(args), args[1].dims()))?)
}

pub(super) fn scatter_add(scatter: &ScatterAdd, args: &[Operand]) -> Result<Tensor> {
    let out = kernels::scatter_add(&rows(&args[0])?, &rows(&args[1])?.to_dtype(DType::U32)?, scatter.size)?;
    Ok(out.reshape(behind(common_lead(args), &[args[0].dims()[0], scatter.size]))?)
}

pub(super) fn take(args: &[Operand]) -> Result<Tensor> {
    let table = rows(&args[0])?;
    let out = kernels::take_rows(&table, &positions(&args[1])?)?;
    let shape = [args[1].dims(), &[table.dims()[2]]].concat();
    Ok(out.reshape(behind(common_lead(args), &shape))?)
}

pub(super) fn put(put: &PutRows, args: &[Operand]) -> Result<Tensor> {
    let x = rows(&args[0])?;
    let out = kernels::put_rows(&x, &positions(&args[1])?, put.rows)?;
    Ok(out.reshape(behind(common_lead(args), &[put.rows, x.dims()[2]]))?)
}
