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
