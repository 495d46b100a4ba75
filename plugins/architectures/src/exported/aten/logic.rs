//! Comparisons and truth values, which are 0 and 1: piecewise constant, without derivative.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::Result;

use crate::exported::{
    arguments::Arguments,
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

fn truth(tensor: &Tensor) -> Item {
    tensor.of_type(ScalarType::Bool).into()
}

fn is(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// A comparison of known numbers, or of others by the sign of their difference.
fn compare(
    arguments: &Arguments,
    emit: &mut Emitter,
    fold: fn(f64, f64) -> bool,
    by_difference: fn(&mut Emitter, &Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Item> {
    let (x, y) = (arguments.operand("self")?, arguments.operand("other")?);
    if let (Some(a), Some(b)) = (x.array(), y.array()) {
        return Ok(truth(&Tensor::folded(ScalarType::Bool, a.zip(b, |a, b| is(fold(a, b)))?)));
    }
    Ok(truth(&by_difference(emit, &x, &y)?))
}

fn greater(emit: &mut Emitter, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let difference = emit.sub(x, y)?;
    emit.is_positive(&difference)
}

fn unequal(emit: &mut Emitter, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let (above, below) = (greater(emit, x, y)?, greater(emit, y, x)?);
    emit.add(&above, &below)
}

pub fn gt(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    compare(arguments, emit, |a, b| a > b, greater)
}

pub fn lt(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    compare(arguments, emit, |a, b| a < b, |emit, x, y| greater(emit, y, x))
}

pub fn ge(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    compare(
        arguments,
        emit,
        |a, b| a >= b,
        |emit, x, y| {
            let below = greater(emit, y, x)?;
            emit.one_minus(&below)
        },
    )
}

pub fn le(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    compare(
        arguments,
        emit,
        |a, b| a <= b,
        |emit, x, y| {
            let above = greater(emit, x, y)?;
            emit.one_minus(&above)
        },
    )
}

pub fn ne(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    compare(arguments, emit, |a, b| a != b, unequal)
}

pub fn eq(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    compare(arguments, emit, |a, b| a == b, equal)
}

/// 1 where x and y are equal.
pub(super) fn equal(emit: &mut Emitter, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let unequal = unequal(emit, x, y)?;
    emit.one_minus(&unequal)
}

/// x as a truth value: whether it is not 0.
pub(super) fn to_truth(emit: &mut Emitter, x: &Tensor) -> Result<Tensor> {
    let truth = match x.dtype {
        ScalarType::Bool => x.clone(),
        _ if x.array().is_some() => emit.map(x, |x| is(x != 0.0), |_, value| Ok(value))?,
        _ => unequal(emit, x, &Tensor::folded(x.dtype, Array::filled(&[], 0.0)))?,
    };
    Ok(truth.of_type(ScalarType::Bool))
}

/// Both operands as truth values; of integers, whose bits are meant, nothing is known.
fn operands(arguments: &Arguments, emit: &mut Emitter) -> Result<[Tensor; 2]> {
    let (x, y) = (arguments.operand("self")?, arguments.operand("other")?);
    let bits = arguments.operation.contains("bitwise") || arguments.operation.contains("__");
    if bits && [&x, &y].iter().any(|operand| operand.dtype != ScalarType::Bool) {
        return Err(arguments.error("is of the bits of integers"));
    }
    Ok([to_truth(emit, &x)?, to_truth(emit, &y)?])
}

pub fn and(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let [x, y] = operands(arguments, emit)?;
    Ok(truth(&emit.mul(&x, &y)?))
}

/// 1 − (1 − x)(1 − y)
pub fn or(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let [x, y] = operands(arguments, emit)?;
    let (x, y) = (emit.one_minus(&x)?, emit.one_minus(&y)?);
    let neither = emit.mul(&x, &y)?;
    Ok(truth(&emit.one_minus(&neither)?))
}

pub fn xor(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let [x, y] = operands(arguments, emit)?;
    Ok(truth(&unequal(emit, &x, &y)?))
}

pub fn not(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    if arguments.operation.contains("bitwise") && x.dtype != ScalarType::Bool {
        return Err(arguments.error("is of the bits of integers"));
    }
    let x = to_truth(emit, x)?;
    Ok(truth(&emit.one_minus(&x)?))
}

pub fn isinf(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(truth(&infinite(emit, arguments.first()?)?))
}

/// 1 where x is infinite: a computed number where it is beyond those that f32 has.
fn infinite(emit: &mut Emitter, x: &Tensor) -> Result<Tensor> {
    if x.array().is_some() {
        return emit.map(x, |x| is(x.is_infinite()), |_, value| Ok(value));
    }
    let most = f64::from(f32::MAX);
    let negative = emit.scale(x, -1.0)?;
    let (above, below) = (emit.shift(x, -most)?, emit.shift(&negative, -most)?);
    let (above, below) = (emit.is_positive(&above)?, emit.is_positive(&below)?);
    emit.add(&above, &below)
}

/// Of computed numbers none counts as NaN: where one is, everything is.
pub fn isnan(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let nan = match x.array() {
        Some(array) => array.map(|x| is(x.is_nan()))?,
        None => Array::filled(x.shape(), 0.0),
    };
    Ok(Tensor::folded(ScalarType::Bool, nan).into())
}

pub fn isfinite(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    if x.array().is_some() {
        return Ok(truth(&emit.map(x, |x| is(x.is_finite()), |_, value| Ok(value))?));
    }
    let infinite = infinite(emit, x)?;
    Ok(truth(&emit.one_minus(&infinite)?))
}

/// Constants with other numbers for NaN and infinities; computed numbers as they are.
pub fn nan_to_num(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let most = if x.dtype == ScalarType::Double { f64::MAX } else { f64::from(f32::MAX) };
    let (nan, above) = (arguments.float_or("nan", 0.0)?, arguments.float_or("posinf", most)?);
    let below = arguments.float_or("neginf", -most)?;
    let number = |x: f64| match x {
        x if x.is_nan() => nan,
        f64::INFINITY => above,
        f64::NEG_INFINITY => below,
        x => x,
    };
    Ok(emit.map(x, number, |_, value| Ok(value))?.into())
}

/// Whether all are 1, along an axis or altogether.
pub fn all(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = to_truth(emit, arguments.first()?)?;
    let not = emit.one_minus(&x)?;
    let missing = any_of(arguments, emit, &not)?;
    Ok(truth(&emit.one_minus(&missing)?))
}

/// Whether one is 1, along an axis or altogether.
pub fn any(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = to_truth(emit, arguments.first()?)?;
    Ok(truth(&any_of(arguments, emit, &x)?))
}

fn any_of(arguments: &Arguments, emit: &mut Emitter, x: &Tensor) -> Result<Tensor> {
    let axes = arguments.axes("dim", x.rank())?;
    let count = emit.sum(x, &axes)?;
    let found = emit.map(
        &count,
        |count| is(count > 0.0),
        |graph, count| {
            let step = eigenscape_program::ElementwiseFunction::Step { slope: eigenscape_program::Real(0.0) };
            graph.function(step, count)
        },
    )?;
    super::reduction::without(emit, &found, &axes, arguments.bool_or("keepdim", false)?)
}

/// self where the condition holds, otherwise other.
pub fn choose(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let condition = to_truth(emit, arguments.tensor("condition")?)?;
    let (yes, no) = (arguments.operand("self")?, arguments.operand("other")?);
    Ok(emit.choose(&condition, &yes, &no)?.into())
}

pub fn masked_fill(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, mask) = (arguments.tensor("self")?, to_truth(emit, arguments.tensor("mask")?)?);
    Ok(emit.choose(&mask, &arguments.operand("value")?, x)?.of_type(x.dtype).into())
}
