//! Convolutions and their transposes.

use eigenscape_program::operations::{Conv2d, ConvArgument, ConvSettings, ConvShapes};

use super::Operand;
use crate::{
    Result,
    kernels::{self, Element, Geometry, InOrder, Workspace},
};

/// Evaluates a convolution or transpose f: f(a₁, a₂) for two operands, f(a₁, a₂) + f(b₁, b₂) for
/// four.
pub(super) fn evaluate<'s, T: Element>(
    convolution: &Conv2d,
    args: &[Operand<'s>],
    out: &mut [T],
    work: &mut Workspace<'s>,
) -> Result<()> {
    let operands: Vec<InOrder<'_, T>> = args.iter().map(|arg| arg.in_order(work)).collect::<Result<_>>()?;
    let operands: Vec<&[T]> = operands.iter().map(|operand| &**operand).collect();
    let (terms, samples) = (operands.as_chunks().0, convolution.shapes.x[0]);
    let geometry = geometry(&convolution.shapes);
    match convolution.of {
        ConvArgument::Y => kernels::conv2d(terms, &geometry, samples, out, work),
        ConvArgument::X => kernels::conv2d_input_transpose(terms, &geometry, samples, out, work),
        ConvArgument::W => kernels::conv2d_weight_transpose(terms, &geometry, samples, out, work),
    }
    Ok(())
}

/// The sizes of a convolution of one sample.
pub(crate) fn geometry(shapes: &ConvShapes) -> Geometry {
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
