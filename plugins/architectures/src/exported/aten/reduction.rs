//! Sums, means, extremes and others over axes.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::{ElementwiseFunction as Function, Odds, Result, operations::MatMul};

use super::sorting::{counted, gathered};
use crate::exported::{
    arguments::Arguments,
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// x without axes of size 1 that were reduced, unless they are kept.
pub(super) fn without(emit: &mut Emitter, x: &Tensor, axes: &[usize], keep: bool) -> Result<Tensor> {
    if keep {
        return Ok(x.clone());
    }
    let kept = x.shape().iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    let shape: Vec<usize> = kept.map(|(_, size)| *size).collect();
    emit.reshape(x, &shape)
}

pub(super) fn finished(
    arguments: &Arguments,
    emit: &mut Emitter,
    x: &Tensor,
    axes: &[usize],
) -> Result<Item> {
    Ok(without(emit, x, axes, arguments.bool_or("keepdim", false)?)?.into())
}

pub fn sum(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axes = arguments.axes("dim", x.rank())?;
    let sum = emit.sum(x, &axes)?;
    finished(arguments, emit, &sum, &axes)
}

fn mean_over(emit: &mut Emitter, x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let count: usize = axes.iter().map(|&axis| x.shape()[axis]).product();
    let sum = emit.sum(x, axes)?;
    emit.scale(&sum, 1.0 / count as f64)
}

pub fn mean(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axes = arguments.axes("dim", x.rank())?;
    let mean = mean_over(emit, x, &axes)?;
    finished(arguments, emit, &mean, &axes)
}

/// Mean and variance over the axes that are asked for, which keep the size 1.
fn moments(arguments: &Arguments, emit: &mut Emitter) -> Result<([Tensor; 2], Vec<usize>)> {
    let x = arguments.first()?;
    let axes = arguments.axes("dim", x.rank())?;
    let correction = match arguments.get("unbiased") {
        Some(_) => f64::from(u8::from(arguments.bool_or("unbiased", true)?)),
        None => arguments.float_or("correction", 1.0)?,
    };
    let mean = mean_over(emit, x, &axes)?;
    let centred = emit.sub(x, &mean)?;
    let square = emit.mul(&centred, &centred)?;
    let sum = emit.sum(&square, &axes)?;
    let count: usize = axes.iter().map(|&axis| x.shape()[axis]).product();
    let variance = emit.scale(&sum, (count as f64 - correction).max(0.0).recip())?;
    Ok(([mean, variance], axes))
}

pub fn var(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let ([_, variance], axes) = moments(arguments, emit)?;
    finished(arguments, emit, &variance, &axes)
}

pub fn std(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let ([_, variance], axes) = moments(arguments, emit)?;
    let deviation = emit.function(&variance, Function::Sqrt, f64::sqrt)?;
    finished(arguments, emit, &deviation, &axes)
}

pub fn std_mean(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let ([mean, variance], axes) = moments(arguments, emit)?;
    let deviation = emit.function(&variance, Function::Sqrt, f64::sqrt)?;
    let keep = arguments.bool_or("keepdim", false)?;
    Ok(Item::Tensors(vec![without(emit, &deviation, &axes, keep)?, without(emit, &mean, &axes, keep)?]))
}

pub fn var_mean(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let ([mean, variance], axes) = moments(arguments, emit)?;
    let keep = arguments.bool_or("keepdim", false)?;
    Ok(Item::Tensors(vec![without(emit, &variance, &axes, keep)?, without(emit, &mean, &axes, keep)?]))
}

/// x with `axes` joined to one axis at the end, and the shape of the others.
fn to_the_end(emit: &mut Emitter, x: &Tensor, axes: &[usize]) -> Result<(Tensor, Vec<usize>)> {
    let others: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let sizes = |of: &[usize]| of.iter().map(|&axis| x.shape()[axis]).collect::<Vec<_>>();
    let (rows, joined) = (sizes(&others), sizes(axes).into_iter().product());
    let order: Vec<usize> = others.iter().chain(axes).copied().collect();
    let turned = emit.permute(x, &order)?;
    Ok((emit.reshape(&turned, &[rows.as_slice(), &[joined]].concat())?, rows))
}

/// A result of one number a row, with axes of size 1 where the axes were that it was taken over.
fn back(emit: &mut Emitter, x: &Tensor, full: &[usize], axes: &[usize], keep: bool) -> Result<Tensor> {
    let shape = full.iter().enumerate().filter(|(axis, _)| keep || !axes.contains(axis));
    let shape: Vec<usize> = shape.map(|(axis, size)| if axes.contains(&axis) { 1 } else { *size }).collect();
    emit.reshape(x, &shape)
}

/// The largest (of −x: the smallest) element over axes, and where it is.
fn extreme(arguments: &Arguments, emit: &mut Emitter, sign: f64) -> Result<[Tensor; 2]> {
    let x = arguments.first()?;
    let keep = arguments.bool_or("keepdim", false)?;
    let axes = arguments.axes("dim", x.rank())?;
    let signed = emit.scale(x, sign)?;
    let (rows, others) = to_the_end(emit, &signed, &axes)?;
    let count = rows.shape()[others.len()];
    if count == 0 {
        return Err(arguments.error("there is nothing to choose from"));
    }
    let (place, largest) = match rows.array() {
        Some(array) => {
            let place = first_largest(emit, array, &others, count)?;
            let place = Tensor::folded(ScalarType::LONG, place);
            let largest = at_place(emit, &rows, &place)?;
            (place, largest)
        }
        None => {
            let value = emit.value(&rows)?;
            let index = emit.graph().argmax(value, 0.0)?;
            let place = emit.tensor(ScalarType::LONG, index);
            (counted(emit, index, count)?, at_place(emit, &rows, &place)?)
        }
    };
    let largest = emit.scale(&largest, sign)?;
    Ok([back(emit, &largest, x.shape(), &axes, keep)?, back(emit, &place, x.shape(), &axes, keep)?])
}

/// The element of each row \[.., n\] at its place \[..\].
fn at_place(emit: &mut Emitter, rows: &Tensor, place: &Tensor) -> Result<Tensor> {
    let index = emit.reshape(place, &[place.shape(), &[1]].concat())?;
    let element = gathered(emit, rows, &index)?;
    emit.reshape(&element, place.shape())
}

fn first_largest(emit: &Emitter, array: &Array, rows: &[usize], count: usize) -> Result<Array> {
    emit.array(rows, |at| {
        let mut position = [at, &[0]].concat();
        let mut best = (0, f64::NEG_INFINITY);
        for place in 0..count {
            position[at.len()] = place;
            let number = array.at(&position);
            if number > best.1 {
                best = (place, number);
            }
        }
        best.0 as f64
    })
}

pub fn amax(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let [largest, _] = extreme(arguments, emit, 1.0)?;
    Ok(largest.into())
}

pub fn amin(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let [smallest, _] = extreme(arguments, emit, -1.0)?;
    Ok(smallest.into())
}

/// The largest over all, or over an axis with its place, or of two operands.
pub fn max(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    extreme_or_pair(arguments, emit, 1.0, super::elementwise::maximum)
}

pub fn min(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    extreme_or_pair(arguments, emit, -1.0, super::elementwise::minimum)
}

fn extreme_or_pair(
    arguments: &Arguments,
    emit: &mut Emitter,
    sign: f64,
    pair: super::Operation,
) -> Result<Item> {
    if arguments.get("other").is_some() {
        return pair(arguments, emit);
    }
    let [extreme, place] = extreme(arguments, emit, sign)?;
    Ok(if arguments.get("dim").is_some() { Item::Tensors(vec![extreme, place]) } else { extreme.into() })
}

/// The smallest and the largest element, over an axis or all.
pub fn aminmax(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let ([smallest, _], [largest, _]) = (extreme(arguments, emit, -1.0)?, extreme(arguments, emit, 1.0)?);
    Ok(Item::Tensors(vec![smallest, largest]))
}

/// The number of elements that are not 0.
pub fn count_nonzero(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = super::logic::to_truth(emit, arguments.first()?)?;
    let axes = arguments.axes("dim", x.rank())?;
    let count = emit.sum(&x, &axes)?.of_type(ScalarType::LONG);
    Ok(without(emit, &count, &axes, false)?.into())
}

pub fn argmax(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let [_, place] = extreme(arguments, emit, 1.0)?;
    Ok(place.into())
}

pub fn argmin(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let [_, place] = extreme(arguments, emit, -1.0)?;
    Ok(place.into())
}

/// log Σ exp over axes, by the largest.
pub fn logsumexp(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axes = arguments.axes("dim", x.rank())?;
    let (rows, others) = to_the_end(emit, x, &axes)?;
    let value = emit.value(&rows)?;
    let odds = Odds::new(emit.graph(), value)?;
    let reference = emit.tensor(ScalarType::LONG, odds.reference);
    let reference = emit.reshape(&reference, &others)?;
    let reference = at_place(emit, &emit.tensor(x.dtype, value), &reference)?;
    let rest = odds.normaliser(emit.graph())?;
    let rest = emit.tensor(x.dtype, rest);
    let rest = emit.reshape(&rest, &others)?;
    let total = emit.add(&reference, &rest)?;
    let keep = arguments.bool_or("keepdim", false)?;
    Ok(back(emit, &total, x.shape(), &axes, keep)?.into())
}

/// Sums of the elements up to each along an axis: a product with a triangle of ones.
pub fn cumsum(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    if let Some(array) = x.array() {
        return Ok(Tensor::folded(x.dtype, array.running_sums(axis)?).into());
    }
    let size = x.shape()[axis];
    let ones = emit.array(&[size, size], |at| f64::from(u8::from(at[1] <= at[0])))?;
    let ones = Tensor::folded(x.dtype, ones);
    let product = emit.product(x, &ones, MatMul { batch: vec![], contract: vec![[axis, 1]] })?;
    let mut axes: Vec<usize> = (0..x.rank() - 1).collect();
    axes.insert(axis, x.rank() - 1);
    Ok(emit.permute(&product, &axes)?.into())
}

/// Products of the elements up to each along an axis.
pub fn cumprod(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    let mut products: Vec<Tensor> = Vec::new();
    for place in 0..arguments.few(x.shape()[axis])? {
        let factor = emit.slice(x, axis, place, 1)?;
        products.push(match products.last() {
            None => factor,
            Some(product) => emit.mul(product, &factor)?,
        });
    }
    if products.is_empty() { Ok(x.clone().into()) } else { Ok(emit.concat(&products, axis)?.into()) }
}

/// The product over one axis or all.
pub fn prod(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axes = arguments.axes("dim", x.rank())?;
    if let Some(array) = x.array() {
        let product = Tensor::folded(x.dtype, array.reduce(&axes, 1.0, |a, b| a * b)?);
        return finished(arguments, emit, &product, &axes);
    }
    let (rows, others) = to_the_end(emit, x, &axes)?;
    let last = others.len();
    let mut product: Option<Tensor> = None;
    for place in 0..arguments.few(rows.shape()[last])? {
        let factor = emit.slice(&rows, last, place, 1)?;
        product = Some(match product {
            None => factor,
            Some(product) => emit.mul(&product, &factor)?,
        });
    }
    let product = product.ok_or_else(|| arguments.error("has no factor"))?;
    let keep = arguments.bool_or("keepdim", false)?;
    Ok(back(emit, &product, x.shape(), &axes, keep)?.into())
}
