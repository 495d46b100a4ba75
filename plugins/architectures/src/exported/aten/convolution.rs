//! Convolutions and their transposes.

use eigenscape_program::{
    Result, Value,
    nn::{self, Convolution},
};

use crate::exported::{
    arguments::{Arguments, Given},
    emitter::Emitter,
    tensor::Item,
};

/// conv1d, conv2d and conv3d.
pub fn convolution(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("input")?;
    let weight = arguments.tensor("weight")?;
    let sides = x.rank().saturating_sub(2);
    let dilation = arguments.sides("dilation", sides, 1)?;
    let padding = match arguments.get("padding") {
        Some(Given::Text("same")) => same(weight.shape().get(2..).unwrap_or_default(), &dilation),
        Some(Given::Text("valid")) => vec![[0, 0]; sides],
        _ => arguments.sides("padding", sides, 0)?.into_iter().map(|padding| [padding; 2]).collect(),
    };
    let settings = Convolution { padding, dilation, ..steps(arguments, sides)? };
    let (weight, bias) = (emit.value(weight)?, bias(arguments, emit)?);
    Ok(emit.layer(x, |scope, x| nn::convolution(scope, x, weight, bias, &settings))?.into())
}

/// Padding that keeps the sides; where it is odd, there is more after the image.
fn same(taps: &[usize], dilation: &[usize]) -> Vec<[usize; 2]> {
    let total = |(&taps, &dilation): (&usize, &usize)| taps.saturating_sub(1).saturating_mul(dilation);
    taps.iter().zip(dilation).map(total).map(|total| [total / 2, total - total / 2]).collect()
}

/// conv_transpose1d, conv_transpose2d and conv_transpose3d.
pub fn transposed(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("input")?;
    let sides = x.rank().saturating_sub(2);
    let padding = arguments.sides("padding", sides, 0)?.into_iter().map(|padding| [padding; 2]).collect();
    let settings =
        Convolution { padding, dilation: arguments.sides("dilation", sides, 1)?, ..steps(arguments, sides)? };
    let more = arguments.sides("output_padding", sides, 0)?;
    let (weight, bias) = (emit.value(arguments.tensor("weight")?)?, bias(arguments, emit)?);
    Ok(emit.layer(x, |scope, x| nn::conv_transpose(scope, x, weight, bias, &settings, &more))?.into())
}

/// `aten.convolution`, which is either.
pub fn general(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    if arguments.bool_or("transposed", false)? {
        transposed(arguments, emit)
    } else {
        convolution(arguments, emit)
    }
}

fn steps(arguments: &Arguments, sides: usize) -> Result<Convolution> {
    Ok(Convolution {
        stride: arguments.sides("stride", sides, 1)?,
        padding: Vec::new(),
        dilation: Vec::new(),
        groups: arguments.sizes(&[arguments.int_or("groups", 1)?])?[0],
    })
}

fn bias(arguments: &Arguments, emit: &mut Emitter) -> Result<Option<Value>> {
    arguments.optional_tensor("bias")?.map(|bias| emit.value(bias)).transpose()
}
