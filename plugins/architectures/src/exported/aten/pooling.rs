//! Pooling over one to three sides.

use eigenscape_program::{
    Result,
    nn::{self, Divisor, Window},
};

use crate::exported::{arguments::Arguments, emitter::Emitter, tensor::Item};

/// The number of sides that the operation's name says: "max_pool2d" has two.
fn sides(arguments: &Arguments) -> usize {
    let digit = |c: char| c.to_digit(10).filter(|digit| (1..=3).contains(digit));
    arguments.operation.chars().rev().find_map(digit).map_or(2, |digit| digit as usize)
}

fn windows(arguments: &Arguments) -> Result<Vec<Window>> {
    let sides = sides(arguments);
    let kernel = arguments.sides("kernel_size", sides, 1)?;
    let stride = match arguments.optional_ints("stride")?.as_deref() {
        None | Some([]) => kernel.clone(),
        Some(_) => arguments.sides("stride", sides, 1)?,
    };
    let padding = arguments.sides("padding", sides, 0)?;
    let dilation = arguments.sides("dilation", sides, 1)?;
    let ceil_mode = arguments.bool_or("ceil_mode", false)?;
    let window = |side: usize| Window {
        kernel: kernel[side],
        stride: stride[side],
        padding: padding[side],
        dilation: dilation[side],
        ceil_mode,
    };
    Ok((0..sides).map(window).collect())
}

pub fn max_pool(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let windows = windows(arguments)?;
    Ok(emit.layer(arguments.first()?, |scope, x| nn::max_pool(scope, x, &windows))?.into())
}

pub fn avg_pool(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let windows = windows(arguments)?;
    let divisor = match arguments.optional_int("divisor_override")? {
        Some(divisor) => Divisor::Fixed(divisor as f64),
        None if arguments.bool_or("count_include_pad", true)? => Divisor::WithBorder,
        None => Divisor::Inside,
    };
    Ok(emit.layer(arguments.first()?, |scope, x| nn::avg_pool(scope, x, &windows, divisor))?.into())
}

pub fn adaptive_avg_pool(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let out = arguments.sides("output_size", sides(arguments), 1)?;
    Ok(emit.layer(arguments.first()?, |scope, x| nn::adaptive_avg_pool(scope, x, &out))?.into())
}

pub fn adaptive_max_pool(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let out = arguments.sides("output_size", sides(arguments), 1)?;
    Ok(emit.layer(arguments.first()?, |scope, x| nn::adaptive_max_pool(scope, x, &out))?.into())
}
