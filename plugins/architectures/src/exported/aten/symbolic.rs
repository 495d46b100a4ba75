//! Sizes, and what is computed from them.

use eigenscape_program::Result;

use crate::exported::{
    arguments::{Arguments, Given},
    emitter::Emitter,
    tensor::Item,
};

/// What only states something of values.
pub fn nothing(_: &Arguments, _: &mut Emitter) -> Result<Item> {
    Ok(Item::None)
}

pub fn size(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    Ok(Item::Int(x.shape().get(axis).copied().unwrap_or(1) as i64))
}

pub fn count(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    Ok(Item::Int(arguments.first()?.shape().iter().product::<usize>() as i64))
}

/// The only number of a tensor that is known.
pub fn item(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let number = x
        .single()
        .ok_or_else(|| arguments.error("makes a number of a tensor that depends on parameters or inputs"))?;
    Ok(if x.dtype.is_float() { Item::Float(number) } else { Item::Int(number as i64) })
}

/// The i-th argument as a number.
fn operand(arguments: &Arguments, place: usize) -> Result<f64> {
    match arguments.given.get(place) {
        Some((_, Given::Int(number))) => Ok(*number as f64),
        Some((_, Given::Float(number))) => Ok(*number),
        Some((_, Given::Bool(holds))) => Ok(f64::from(u8::from(*holds))),
        _ => Err(arguments.error("an operand is no number")),
    }
}

/// The whole number of two whole numbers, or the number of two numbers of which one is a float.
fn of_two(
    arguments: &Arguments,
    whole: fn(i64, i64) -> Option<i64>,
    real: fn(f64, f64) -> f64,
) -> Result<Item> {
    let [a, b] = [operand(arguments, 0)?, operand(arguments, 1)?];
    let is_real = arguments.given.iter().take(2).any(|(_, given)| matches!(given, Given::Float(_)));
    let result = match is_real {
        true => Some(real(a, b)).filter(|number| number.is_finite()).map(Item::Float),
        false => whole(a as i64, b as i64).map(Item::Int),
    };
    result.ok_or_else(|| arguments.error(format!("of {a} and {b} is no number")))
}

/// a / b rounded down, and the remainder.
fn quotient(a: i64, b: i64) -> Option<(i64, i64)> {
    let (whole, rest) = (a.checked_div(b)?, a.checked_rem(b)?);
    if rest != 0 && (rest < 0) != (b < 0) {
        Some((whole.checked_sub(1)?, rest.checked_add(b)?))
    } else {
        Some((whole, rest))
    }
}

macro_rules! of_two {
    ($($name:ident: $whole:expr, $real:expr;)*) => {
        $(
            #[doc = concat!("Python's `", stringify!($name), "` of two numbers.")]
            pub fn $name(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
                of_two(arguments, $whole, $real)
            }
        )*
    };
}

of_two! {
    add: i64::checked_add, |a, b| a + b;
    sub: i64::checked_sub, |a, b| a - b;
    mul: i64::checked_mul, |a, b| a * b;
    floordiv: |a, b| quotient(a, b).map(|(whole, _)| whole), |a, b| (a / b).floor();
    modulo: |a, b| quotient(a, b).map(|(_, rest)| rest), |a, b| a - b * (a / b).floor();
    pow: |a, b| a.checked_pow(u32::try_from(b).ok()?), f64::powf;
    max: |a, b| Some(a.max(b)), f64::max;
    min: |a, b| Some(a.min(b)), f64::min;
}

pub fn truediv(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    Ok(Item::Float(operand(arguments, 0)? / operand(arguments, 1)?))
}

pub fn neg(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    let number = -operand(arguments, 0)?;
    Ok(match arguments.given.first() {
        Some((_, Given::Float(_))) => Item::Float(number),
        _ => Item::Int(number as i64),
    })
}

pub fn to_float(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    operand(arguments, 0).map(Item::Float)
}

pub fn to_int(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    Ok(Item::Int(operand(arguments, 0)?.trunc() as i64))
}

pub fn ceil(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    Ok(Item::Int(operand(arguments, 0)?.ceil() as i64))
}

pub fn floor(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    Ok(Item::Int(operand(arguments, 0)?.floor() as i64))
}

pub fn sqrt(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    Ok(Item::Float(operand(arguments, 0)?.sqrt()))
}

macro_rules! comparisons {
    ($($name:ident: $operator:tt;)*) => {
        $(
            #[doc = concat!("Python's `", stringify!($name), "` of two numbers.")]
            pub fn $name(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
                Ok(Item::Bool(operand(arguments, 0)? $operator operand(arguments, 1)?))
            }
        )*
    };
}

comparisons! {
    eq: ==;
    ne: !=;
    lt: <;
    le: <=;
    gt: >;
    ge: >=;
}
