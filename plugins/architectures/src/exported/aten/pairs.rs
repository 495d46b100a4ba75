//! Functions of pairs of numbers.

use eigenscape_program::{ElementwiseFunction as Function, Result};

use super::{elementwise::absolute, logic::equal, rounding};
use crate::exported::{
    arguments::Arguments,
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// self − other · ⌊self / other⌋
pub fn remainder(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    rest(arguments, emit, |a, b| a - b * (a / b).floor(), rounding::down)
}

/// self − other · (self / other without its fraction)
pub fn fmod(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    rest(arguments, emit, |a, b| a % b, rounding::towards_zero)
}

fn rest(
    arguments: &Arguments,
    emit: &mut Emitter,
    fold: fn(f64, f64) -> f64,
    round: fn(&mut Emitter, &Tensor) -> Result<Tensor>,
) -> Result<Item> {
    let (x, y) = (arguments.operand("self")?, arguments.operand("other")?);
    if let (Some(a), Some(b)) = (x.array(), y.array()) {
        return Ok(Tensor::folded(x.dtype, a.zip(b, fold)?).into());
    }
    let ratio = emit.div(&x, &y)?;
    let whole = round(emit, &ratio)?;
    let whole = emit.mul(&whole, &y)?;
    Ok(emit.sub(&x, &whole)?.into())
}

/// √(x² + y²)
pub fn hypot(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.operand("self")?, arguments.operand("other")?);
    let (a, b) = (emit.mul(&x, &x)?, emit.mul(&y, &y)?);
    let sum = emit.add(&a, &b)?;
    Ok(emit.function(&sum, Function::Sqrt, f64::sqrt)?.into())
}

/// x log y, and 0 where x is 0.
pub fn xlogy(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.operand("self")?, arguments.operand("other")?);
    // The logarithm of 1 where x is 0.
    let zero = Tensor::folded(x.dtype, Array::filled(&[], 0.0));
    let none = equal(emit, &x, &zero)?;
    let one = Tensor::folded(y.dtype, Array::filled(&[], 1.0));
    let safe = emit.choose(&none, &one, &y)?;
    let log = emit.function(&safe, Function::Log, f64::ln)?;
    Ok(emit.mul(&x, &log)?.into())
}

/// log(e^x + e^y) = y + log(1 + e^(x − y))
pub fn logaddexp(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.operand("self")?, arguments.operand("other")?);
    let difference = emit.sub(&x, &y)?;
    let softplus = emit.layer(&difference, |scope, x| scope.graph().function(Function::Softplus, x))?;
    Ok(emit.add(&y, &softplus)?.into())
}

/// The angle of the point (other, self), from −π to π.
///
/// The angle of the point (max, min) of both sizes, by which the four quadrants differ by
/// constants.
pub fn atan2(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (y, x) = (arguments.operand("self")?, arguments.operand("other")?);
    if let (Some(a), Some(b)) = (y.array(), x.array()) {
        return Ok(Tensor::folded(y.dtype, a.zip(b, f64::atan2)?).into());
    }
    let (size_y, size_x) = (absolute(emit, &y)?, absolute(emit, &x)?);
    let difference = emit.sub(&size_y, &size_x)?;
    let is_steep = emit.is_positive(&difference)?;
    // atan(y/x), or where |y| > |x| −atan(x/y).
    let opposite = emit.scale(&x, -1.0)?;
    let (above, below) = (emit.choose(&is_steep, &opposite, &y)?, emit.choose(&is_steep, &y, &x)?);
    let ratio = emit.div(&above, &below)?;
    let angle = emit.function(&ratio, Function::Atan, f64::atan)?;
    // π/2 with the sign of y where |y| > |x|; elsewhere π with this sign if x is negative.
    let negative_y = emit.scale(&y, -1.0)?;
    let is_below = emit.is_positive(&negative_y)?;
    let sign = emit.scale(&is_below, -2.0)?;
    let sign = emit.shift(&sign, 1.0)?;
    let is_left = emit.is_positive(&opposite)?;
    let half = Tensor::folded(x.dtype, Array::filled(&[], 0.5));
    let turns = emit.choose(&is_steep, &half, &is_left)?;
    let turn = emit.mul(&sign, &turns)?;
    let turn = emit.scale(&turn, std::f64::consts::PI)?;
    Ok(emit.add(&angle, &turn)?.into())
}
