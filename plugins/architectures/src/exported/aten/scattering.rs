//! Tensors with other elements at some places.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::Result;

use super::{indexing::by_axis, places::Places};
use crate::exported::{
    arguments::Arguments,
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// The operand, its places by `index` along `dim`, and the elements for them: a number, or the part
/// of `src` that the index covers.
fn by_index(arguments: &Arguments, emit: &mut Emitter) -> Result<(Tensor, Places, Tensor)> {
    let (x, index) = (arguments.tensor("self")?, arguments.tensor("index")?);
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    let places = Places::along(arguments, emit, x.shape(), axis, index)?;
    let mut elements = match arguments.get("src") {
        Some(_) => arguments.operand("src")?,
        None => arguments.operand("value")?,
    };
    if elements.rank() == index.rank() {
        for (axis, &size) in index.shape().iter().enumerate() {
            elements = emit.slice(&elements, axis, 0, size)?;
        }
    }
    Ok((x.clone(), places, elements))
}

pub fn scatter(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, places, elements) = by_index(arguments, emit)?;
    match arguments.text_or("reduce", "")? {
        "" => Ok(places.set(emit, &x, &elements)?.into()),
        "add" => added(emit, &x, &places, &elements),
        other => Err(arguments.error(format!("reduces by {other:?}"))),
    }
}

pub fn scatter_add(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, places, elements) = by_index(arguments, emit)?;
    added(emit, &x, &places, &elements)
}

fn added(emit: &mut Emitter, x: &Tensor, places: &Places, elements: &Tensor) -> Result<Item> {
    let sums = places.put(emit, elements)?;
    Ok(emit.add(x, &sums)?.of_type(x.dtype).into())
}

/// Sums or means at the places; of a mean the operand's own elements count as one each.
pub fn scatter_reduce(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, places, elements) = by_index(arguments, emit)?;
    let reduce = arguments.text_or("reduce", "")?;
    if !["sum", "mean"].contains(&reduce) {
        return Err(arguments.error(format!("reduces by {reduce:?}")));
    }
    let one = Tensor::folded(x.dtype, Array::filled(&[], 1.0));
    let named = places.put(emit, &one)?;
    let own = if arguments.bool_or("include_self", true)? {
        one
    } else {
        // Its elements remain where no place is.
        let found = emit.is_positive(&named)?;
        emit.one_minus(&found)?
    };
    let sums = places.put(emit, &elements)?;
    let kept = emit.mul(&own, &x)?;
    let total = emit.add(&kept, &sums)?;
    if reduce == "sum" {
        return Ok(total.of_type(x.dtype).into());
    }
    let counts = emit.add(&named, &own)?;
    Ok(emit.div(&total, &counts)?.of_type(x.dtype).into())
}

/// The operand, its places by a vector `index` along `dim`, with all elements along other axes.
fn by_rows(arguments: &Arguments, emit: &mut Emitter) -> Result<(Tensor, Places)> {
    let (x, index) = (arguments.tensor("self")?, arguments.tensor("index")?);
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    let index = emit.reshape(index, &[index.shape().iter().product()])?;
    Ok((x.clone(), Places::new(arguments, emit, x.shape(), &[(axis, index)])?))
}

pub fn index_add(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, places) = by_rows(arguments, emit)?;
    let elements = emit.scale(arguments.tensor("source")?, arguments.float_or("alpha", 1.0)?)?;
    added(emit, &x, &places, &elements)
}

pub fn index_copy(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, places) = by_rows(arguments, emit)?;
    Ok(places.set(emit, &x, arguments.tensor("source")?)?.into())
}

pub fn index_fill(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, places) = by_rows(arguments, emit)?;
    Ok(places.set(emit, &x, &arguments.operand("value")?)?.into())
}

/// x with `values` at the places that the indices name. Where truth values that are computed name
/// them, the value must be one number: how many places there are is not known.
pub fn index_put(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, values) = (arguments.tensor("self")?, arguments.tensor("values")?);
    let accumulate = arguments.bool_or("accumulate", false)?;
    if let [Some(mask)] = arguments.optional_tensors("indices")?
        && mask.dtype == ScalarType::Bool
        && mask.array().is_none()
    {
        let single = values.shape().iter().all(|size| *size == 1);
        if accumulate || !single || mask.rank() > x.rank() {
            return Err(arguments.error("sets several values at places that depend on inputs"));
        }
        let value = emit.reshape(values, &[])?;
        let aligned = [mask.shape(), &vec![1; x.rank() - mask.rank()]].concat();
        let mask = emit.reshape(mask, &aligned)?;
        return Ok(emit.choose(&mask, &value, x)?.of_type(x.dtype).into());
    }
    let indices = by_axis(arguments)?;
    if indices.is_empty() {
        return Ok(emit.broadcast(values, x.shape())?.into());
    }
    let places = Places::new(arguments, emit, x.shape(), &indices)?;
    if accumulate {
        return added(emit, x, &places, values);
    }
    Ok(places.set(emit, x, values)?.into())
}

/// x with `src` in place of one element along an axis.
pub fn select_scatter(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("self")?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    let place = Array::filled(&[1], arguments.int("index")? as f64);
    let mut shape = x.shape().to_vec();
    shape[axis] = 1;
    let part = emit.reshape(arguments.tensor("src")?, &shape)?;
    let places = [(axis, Tensor::folded(ScalarType::LONG, place))];
    Ok(Places::new(arguments, emit, x.shape(), &places)?.set(emit, x, &part)?.into())
}

/// x with `src` in place of a slice.
pub fn slice_scatter(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("self")?;
    let axis = arguments.axis(arguments.int_or("dim", 0)?, x.rank())?;
    let [start, end, step] = super::slicing::bounds(arguments, x.shape()[axis])?;
    let index = emit.array(&[(end - start).div_ceil(step)], |at| (start + at[0] * step) as f64)?;
    let places = [(axis, Tensor::folded(ScalarType::LONG, index))];
    Ok(Places::new(arguments, emit, x.shape(), &places)?.set(emit, x, arguments.tensor("src")?)?.into())
}
