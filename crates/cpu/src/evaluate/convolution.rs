//! Convolutions and their transposes.

use candle_core::Tensor;
use eigenscape_program::operations::{Conv2d, ConvArgument, ConvSettings, ConvShapes};

use super::{Operand, common_lead};
use crate::{
    Result,
    kernels::{self, Geometry},
};

pub(super) fn one(convolution: &Conv2d, args: &[Operand]) -> Result<Tensor> {
    unled(evaluate(convolution, &[[&led(&args[0])?, &led(&args[1])?]])?, args)
}

/// f(a₁, a₂) + f(b₁, b₂), summed as they are computed.
pub(super) fn sum_of_two(convolution: &Conv2d, args: &[Operand]) -> Result<Tensor> {
    let led: Vec<Tensor> = args.iter().map(led).collect::<Result<_>>()?;
    unled(evaluate(convolution, &[[&led[0], &led[1]], [&led[2], &led[3]]])?, args)
}

/// The sum over pairs of operands, each with a leading axis.
fn evaluate(convolution: &Conv2d, pairs: &[[&Tensor; 2]]) -> Result<Tensor> {
    let geometry = geometry(&convolution.shapes);
    match convolution.of {
        ConvArgument::Y => kernels::conv2d(pairs, &geometry),
        ConvArgument::X => kernels::conv2d_input_transpose(pairs, &geometry),
        ConvArgument::W => kernels::conv2d_weight_transpose(pairs, &geometry),
    }
}

/// An operand with a leading axis, of size 1 where it has none.
fn led(operand: &Operand) -> Result<Tensor> {
    Ok(if operand.led { operand.tensor.clone() } else { operand.tensor.unsqueeze(0)? })
}

/// The result with the leading axis dropped unless an operand has one.
fn unled(result: Tensor, args: &[Operand]) -> Result<Tensor> {
    Ok(if common_lead(args).is_some() { result } else { result.squeeze(0)? })
}

fn geometry(shapes: &ConvShapes) -> Geometry {
    let ConvSettings { stride, padding, dilation, groups } = shapes.settings;
    Geometry {
        channels: shapes.x[1],
        height: shapes.x[2],
        width: shapes.x[3],
        out_channels: shapes.w[0],
        out_height: shapes.y[2],
        out_width: shapes.y[3],
        kernel: (shapes.w[2], shapes.w[3]),
        stride,
        padding,
        dilation,
        groups,
    }
}
