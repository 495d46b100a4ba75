//! Arithmetic, element by element.

use eigenscape_program::{ElementwiseFunction as Function, Graph, Real, Result, nn};

use super::rounding;
use crate::exported::{
    arguments::Arguments,
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// self + alpha · other
pub fn add(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.operand("self")?, arguments.operand("other")?);
    let y = emit.scale(&y, arguments.float_or("alpha", 1.0)?)?;
    Ok(emit.add(&x, &y)?.into())
}

/// self − alpha · other
pub fn sub(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.operand("self")?, arguments.operand("other")?);
    let y = emit.scale(&y, arguments.float_or("alpha", 1.0)?)?;
    Ok(emit.sub(&x, &y)?.into())
}

/// other − alpha · self
pub fn rsub(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.operand("self")?, arguments.operand("other")?);
    let x = emit.scale(&x, arguments.float_or("alpha", 1.0)?)?;
    Ok(emit.sub(&y, &x)?.into())
}

pub fn mul(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(emit.mul(&arguments.operand("self")?, &arguments.operand("other")?)?.into())
}

/// self / other, rounded as `rounding_mode` says.
pub fn div(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, y) = (arguments.operand("self")?, arguments.operand("other")?);
    let ratio = emit.div(&x, &y)?;
    let rounded = match arguments.text_or("rounding_mode", "")? {
        "" => ratio,
        "floor" => rounding::down(emit, &ratio)?,
        _ => rounding::towards_zero(emit, &ratio)?,
    };
    Ok(rounded.into())
}

pub fn floor_divide(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let ratio = emit.div(&arguments.operand("self")?, &arguments.operand("other")?)?;
    Ok(rounding::down(emit, &ratio)?.into())
}

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
    let none = super::logic::equal(emit, &x, &zero)?;
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
/// The angle of the point (max, min) of both sizes, by which the four quadrants differ by constants.
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

pub fn neg(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(emit.scale(arguments.tensor("self")?, -1.0)?.into())
}

pub fn abs(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(absolute(emit, arguments.tensor("self")?)?.into())
}

/// relu(x) + relu(−x), with derivative 0 at 0.
pub(super) fn absolute(emit: &mut Emitter, x: &Tensor) -> Result<Tensor> {
    let emitted = |graph: &mut Graph, x| {
        let negative = graph.scale(x, -1.0)?;
        let (above, below) = (graph.function(Function::Relu, x)?, graph.function(Function::Relu, negative)?);
        graph.add(above, below)
    };
    emit.map(x, f64::abs, emitted)
}

pub fn sign(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("self")?;
    let emitted = |graph: &mut Graph, x| {
        let step = Function::Step { slope: Real(0.0) };
        let negative = graph.scale(x, -1.0)?;
        let (above, below) = (graph.function(step, x)?, graph.function(step, negative)?);
        graph.sub(above, below)
    };
    let fold = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
    Ok(emit.map(x, fold, emitted)?.into())
}

/// 2Φ(√2 x) − 1
pub fn erf(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let twice = twice_normal(emit, arguments.tensor("self")?, std::f64::consts::SQRT_2)?;
    Ok(emit.shift(&twice, -1.0)?.into())
}

/// 2Φ(−√2 x)
pub fn erfc(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(twice_normal(emit, arguments.tensor("self")?, -std::f64::consts::SQRT_2)?.into())
}

/// 2Φ(factor · x)
fn twice_normal(emit: &mut Emitter, x: &Tensor, factor: f64) -> Result<Tensor> {
    let x = emit.scale(x, factor)?;
    emit.layer(&x, |scope, x| {
        let graph = scope.graph();
        let normal = graph.function(Function::NormalCdf, x)?;
        graph.scale(normal, 2.0)
    })
}

pub fn square(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("self")?;
    Ok(emit.mul(x, x)?.into())
}

/// self ^ exponent
pub fn pow(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (base, exponent) = (arguments.operand("self")?, arguments.operand("exponent")?);
    if let (Some(a), Some(b)) = (base.array(), exponent.array()) {
        return Ok(Tensor::folded(base.dtype, a.zip(b, f64::powf)?).into());
    }
    if let Some(exponent) = exponent.single() {
        return Ok(power(emit, &base, exponent)?.into());
    }
    // e^(exponent · log base)
    let log = emit.function(&base, Function::Log, f64::ln)?;
    let product = emit.mul(&exponent, &log)?;
    Ok(emit.function(&product, Function::Exp, f64::exp)?.into())
}

/// A power of a number: by products where the exponent is whole, else by roots and logarithms.
pub(super) fn power(emit: &mut Emitter, x: &Tensor, exponent: f64) -> Result<Tensor> {
    /// Whole exponents up to here are products.
    const MOST: f64 = 64.0;
    if exponent < 0.0 {
        let inverse = power(emit, x, -exponent)?;
        return emit.function(&inverse, Function::Recip, f64::recip);
    }
    if exponent == 0.5 {
        return emit.function(x, Function::Sqrt, f64::sqrt);
    }
    if exponent.fract() == 0.5 && exponent < MOST {
        let (whole, root) = (power(emit, x, exponent.floor())?, emit.function(x, Function::Sqrt, f64::sqrt)?);
        return emit.mul(&whole, &root);
    }
    if exponent.fract() != 0.0 || exponent > MOST {
        let log = emit.function(x, Function::Log, f64::ln)?;
        let product = emit.scale(&log, exponent)?;
        return emit.function(&product, Function::Exp, f64::exp);
    }
    let (mut square, mut left) = (x.clone(), exponent as u32);
    let mut product = None;
    while left > 0 {
        if left % 2 == 1 {
            product = Some(match product {
                None => square.clone(),
                Some(product) => emit.mul(&product, &square)?,
            });
        }
        left /= 2;
        if left > 0 {
            square = emit.mul(&square, &square)?;
        }
    }
    let one = || Tensor::folded(x.dtype, Array::filled(x.shape(), 1.0));
    Ok(product.unwrap_or_else(one))
}

/// x between bounds, either of which may be missing.
pub fn clamp(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("self")?;
    let bound = |name| arguments.get(name).is_some().then(|| arguments.operand(name)).transpose();
    let (min, max) = (bound("min")?, bound("max")?);
    let number = |bound: &Option<Tensor>| bound.as_ref().and_then(Tensor::single);
    if let (Some(min), Some(max), None) = (number(&min), number(&max), x.array())
        && min < max
        && (max - min).is_finite()
    {
        return Ok(emit.layer(x, |scope, x| nn::hardtanh(scope, x, min, max))?.into());
    }
    let x = min.map_or_else(|| Ok(x.clone()), |min| larger(emit, x, &min))?;
    Ok(max.map_or_else(|| Ok(x.clone()), |max| smaller(emit, &x, &max))?.into())
}

/// y + relu(x − y)
pub(super) fn larger(emit: &mut Emitter, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if let (Some(a), Some(b)) = (x.array(), y.array()) {
        return Ok(Tensor::folded(x.dtype, a.zip(b, f64::max)?));
    }
    if y.single().is_some_and(|bound| bound == f64::NEG_INFINITY || bound < -f64::from(f32::MAX)) {
        return Ok(x.clone());
    }
    let over = emit.sub(x, y)?;
    let over = emit.relu(&over)?;
    emit.add(y, &over)
}

/// y − relu(y − x)
pub(super) fn smaller(emit: &mut Emitter, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if let (Some(a), Some(b)) = (x.array(), y.array()) {
        return Ok(Tensor::folded(x.dtype, a.zip(b, f64::min)?));
    }
    if y.single().is_some_and(|bound| bound > f64::from(f32::MAX)) {
        return Ok(x.clone());
    }
    let under = emit.sub(y, x)?;
    let under = emit.relu(&under)?;
    emit.sub(y, &under)
}

pub fn maximum(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(larger(emit, &arguments.operand("self")?, &arguments.operand("other")?)?.into())
}

pub fn minimum(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(smaller(emit, &arguments.operand("self")?, &arguments.operand("other")?)?.into())
}

/// start + weight · (end − start)
pub fn lerp(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (start, end, weight) =
        (arguments.operand("self")?, arguments.operand("end")?, arguments.operand("weight")?);
    let way = emit.sub(&end, &start)?;
    let way = emit.mul(&weight, &way)?;
    Ok(emit.add(&start, &way)?.into())
}

/// self + value · tensor1 · tensor2
pub fn addcmul(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let product = emit.mul(arguments.tensor("tensor1")?, arguments.tensor("tensor2")?)?;
    let product = emit.scale(&product, arguments.float_or("value", 1.0)?)?;
    Ok(emit.add(arguments.tensor("self")?, &product)?.into())
}

/// self + value · tensor1 / tensor2
pub fn addcdiv(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let ratio = emit.div(arguments.tensor("tensor1")?, arguments.tensor("tensor2")?)?;
    let ratio = emit.scale(&ratio, arguments.float_or("value", 1.0)?)?;
    Ok(emit.add(arguments.tensor("self")?, &ratio)?.into())
}
