//! Tensors that are made of nothing.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::Result;

use crate::exported::{
    arguments::Arguments,
    array::{Array, check_size},
    emitter::Emitter,
    tensor::{Item, Tensor},
};

fn repeated(arguments: &Arguments, shape: &[usize], number: f64) -> Result<Item> {
    check_size(shape)?;
    let dtype = arguments.dtype("dtype").unwrap_or(ScalarType::Float);
    Ok(Tensor::folded(dtype, Array::filled(shape, number)).into())
}

/// The sizes that are asked for, or those of the tensor that the result is like.
fn sizes(arguments: &Arguments, emit: &Emitter) -> Result<Vec<usize>> {
    match arguments.optional_ints("size")? {
        Some(sizes) => arguments.sizes(&emit.batched(&sizes)),
        None => Ok(arguments.first()?.shape().to_vec()),
    }
}

pub fn zeros(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    repeated(arguments, &sizes(arguments, emit)?, 0.0)
}

pub fn ones(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    repeated(arguments, &sizes(arguments, emit)?, 1.0)
}

pub fn full(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    repeated(arguments, &sizes(arguments, emit)?, arguments.float("fill_value")?)
}

pub fn scalar_tensor(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    repeated(arguments, &[], arguments.float("s")?)
}

pub fn fill(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let value = arguments.operand("value")?;
    Ok(emit.broadcast(&value, arguments.first()?.shape())?.into())
}

/// Another tensor's elements in the shape of the operand.
pub fn copy(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(emit.broadcast(arguments.tensor("src")?, arguments.first()?.shape())?.into())
}

pub fn zero(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    Ok(Tensor::folded(x.dtype, Array::filled(x.shape(), 0.0)).into())
}

/// start, start + step, ... below end.
pub fn arange(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (start, end) = (arguments.float_or("start", 0.0)?, arguments.float("end")?);
    let step = arguments.float_or("step", 1.0)?;
    let count = ((end - start) / step).ceil();
    if !(count.is_finite() && step != 0.0) {
        return Err(arguments.error(format!("from {start} to {end} by steps of {step}")));
    }
    let array = emit.array(&[count.max(0.0) as usize], |at| start + at[0] as f64 * step)?;
    Ok(Tensor::folded(arguments.dtype("dtype").unwrap_or(ScalarType::LONG), array).into())
}

/// `steps` numbers from start to end, both of them included.
pub fn linspace(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (start, end) = (arguments.float("start")?, arguments.float("end")?);
    let count = arguments.sizes(&[arguments.int_or("steps", 100)?])?[0];
    let step = (end - start) / count.saturating_sub(1).max(1) as f64;
    // PyTorch counts from either end, whichever is nearer.
    let number = |place: usize| {
        if place < count / 2 { start + place as f64 * step } else { end - (count - 1 - place) as f64 * step }
    };
    let array = emit.array(&[count], |at| number(at[0]))?;
    Ok(Tensor::folded(arguments.dtype("dtype").unwrap_or(ScalarType::Float), array).into())
}

pub fn eye(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let rows = arguments.int("n")?;
    let shape = arguments.sizes(&[rows, arguments.int_or("m", rows)?])?;
    let array = emit.array(&shape, |at| f64::from(u8::from(at[0] == at[1])))?;
    Ok(Tensor::folded(arguments.dtype("dtype").unwrap_or(ScalarType::Float), array).into())
}

/// What is on or below a diagonal.
pub fn tril(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    triangle(arguments, emit, |row, column, diagonal| column - row <= diagonal)
}

/// What is on or above a diagonal.
pub fn triu(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    triangle(arguments, emit, |row, column, diagonal| column - row >= diagonal)
}

fn triangle(arguments: &Arguments, emit: &mut Emitter, keep: fn(i64, i64, i64) -> bool) -> Result<Item> {
    let x = arguments.first()?;
    let &[.., rows, columns] = x.shape() else { return Err(arguments.error("needs a matrix")) };
    let diagonal = arguments.int_or("diagonal", 0)?;
    let kept = |at: &[usize]| f64::from(u8::from(keep(at[0] as i64, at[1] as i64, diagonal)));
    let mask = Tensor::folded(ScalarType::Bool, emit.array(&[rows, columns], kept)?);
    let nothing = Tensor::folded(x.dtype, Array::filled(&[], 0.0));
    Ok(emit.choose(&mask, x, &nothing)?.of_type(x.dtype).into())
}
