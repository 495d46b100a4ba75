//! Whole numbers near others: piecewise constant, without derivative.

use eigenscape_program::{ElementwiseFunction as Function, Result};

use crate::exported::{
    arguments::Arguments,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

pub fn floor(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(down(emit, arguments.tensor("self")?)?.into())
}

pub fn ceil(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(up(emit, arguments.tensor("self")?)?.into())
}

pub fn trunc(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(towards_zero(emit, arguments.tensor("self")?)?.into())
}

/// x − trunc(x)
pub fn frac(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("self")?;
    let whole = towards_zero(emit, x)?;
    Ok(emit.sub(x, &whole)?.into())
}

/// The nearest whole number, of two the even one.
pub fn round(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    if arguments.int_or("decimals", 0)? != 0 {
        return Err(arguments.error("rounds to decimals"));
    }
    let x = arguments.tensor("self")?;
    if x.array().is_some() {
        return Ok(emit.map(x, f64::round_ties_even, |_, value| Ok(value))?.into());
    }
    let whole = down(emit, x)?;
    let fraction = emit.sub(x, &whole)?;
    // ⌊x⌋ + 1 where the fraction is above 1/2, or is 1/2 and ⌊x⌋ odd.
    let over = emit.shift(&fraction, -0.5)?;
    let under = emit.scale(&over, -1.0)?;
    let (is_over, is_under) = (emit.is_positive(&over)?, emit.is_positive(&under)?);
    let is_tie = emit.add(&is_over, &is_under)?;
    let is_tie = emit.one_minus(&is_tie)?;
    let half = emit.scale(&whole, 0.5)?;
    let half = down(emit, &half)?;
    let even = emit.scale(&half, 2.0)?;
    let odd = emit.sub(&whole, &even)?;
    let tie = emit.mul(&is_tie, &odd)?;
    let step = emit.add(&is_over, &tie)?;
    Ok(emit.add(&whole, &step)?.into())
}

/// ⌊x⌋
pub(super) fn down(emit: &mut Emitter, x: &Tensor) -> Result<Tensor> {
    emit.function(x, Function::Floor, f64::floor)
}

/// −⌊−x⌋
fn up(emit: &mut Emitter, x: &Tensor) -> Result<Tensor> {
    let negative = emit.scale(x, -1.0)?;
    let below = down(emit, &negative)?;
    emit.scale(&below, -1.0)
}

/// ⌊max(x, 0)⌋ − ⌊max(−x, 0)⌋
pub(super) fn towards_zero(emit: &mut Emitter, x: &Tensor) -> Result<Tensor> {
    if x.array().is_some() {
        return emit.map(x, f64::trunc, |_, value| Ok(value));
    }
    let negative = emit.scale(x, -1.0)?;
    let (above, below) = (emit.relu(x)?, emit.relu(&negative)?);
    let (above, below) = (down(emit, &above)?, down(emit, &below)?);
    emit.sub(&above, &below)
}
