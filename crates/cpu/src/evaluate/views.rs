//! What moves or repeats elements, and constants.

use candle_core::{DType, Device, Tensor};
use eigenscape_program::operations::{
    Broadcast, Concat, Fill, Literal, Matrix, Pad, Permute, Reshape, Slice,
};

use super::{Operand, behind, common_lead};
use crate::Result;

pub(super) fn broadcast(broadcast: &Broadcast, x: &Operand) -> Result<Tensor> {
    Ok(x.tensor.broadcast_as(behind(x.lead(), &broadcast.shape))?)
}

pub(super) fn concat(concat: &Concat, args: &[Operand]) -> Result<Tensor> {
    let Some(lead) = common_lead(args) else {
        let in_order = args.iter().map(|arg| arg.tensor.contiguous());
        let in_order: Vec<Tensor> = in_order.collect::<candle_core::Result<_>>()?;
        return Ok(Tensor::cat(&in_order, concat.axis)?);
    };
    let repeated =
        args.iter().map(|arg| arg.tensor.broadcast_as(behind(Some(lead), arg.dims()))?.contiguous());
    let repeated: Vec<Tensor> = repeated.collect::<candle_core::Result<_>>()?;
    Ok(Tensor::cat(&repeated, concat.axis + 1)?)
}

pub(super) fn fill(fill: &Fill, dtype: DType, device: &Device) -> Result<Tensor> {
    let scalar = Tensor::new(fill.value.0, device)?.to_dtype(dtype)?;
    Ok(scalar.broadcast_as(fill.shape.as_slice())?)
}

pub(super) fn literal(literal: &Literal, dtype: DType, device: &Device) -> Result<Tensor> {
    Ok(Tensor::from_slice(literal.numbers(), literal.dims(), device)?.to_dtype(dtype)?)
}

pub(super) fn matrix(matrix: &Matrix, dtype: DType, device: &Device) -> Result<Tensor> {
    let (rows, columns) = (matrix.rows, matrix.columns);
    let elements = (0..rows).flat_map(|i| (0..columns).map(move |j| matrix.element(i, j)));
    let elements: Vec<f64> = elements.collect();
    Ok(Tensor::from_vec(elements, (rows, columns), device)?.to_dtype(dtype)?)
}

pub(super) fn pad(pad: &Pad, x: &Operand) -> Result<Tensor> {
    Ok(x.tensor.contiguous()?.pad_with_zeros(pad.axis + x.shift(), pad.before, pad.after)?)
}

pub(super) fn permute(permute: &Permute, x: &Operand) -> Result<Tensor> {
    let shift = x.shift();
    let axes: Vec<usize> = (0..shift).chain(permute.axes.iter().map(|axis| axis + shift)).collect();
    Ok(x.tensor.permute(axes)?)
}

pub(super) fn reshape(reshape: &Reshape, x: &Operand) -> Result<Tensor> {
    Ok(x.tensor.reshape(behind(x.lead(), &reshape.shape))?)
}

pub(super) fn slice(slice: &Slice, x: &Operand) -> Result<Tensor> {
    Ok(x.tensor.narrow(slice.axis + x.shift(), slice.start, slice.len)?)
}
