//! Parts of a tensor, and repetitions of it.

use eigenscape_program::Result;

use crate::exported::{
    arguments::Arguments,
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

pub fn select(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    let place = from_start(arguments.int("index")?, x.shape().get(axis).copied().unwrap_or(0));
    let place = usize::try_from(place).map_err(|_| arguments.error("there is no such element"))?;
    Ok(selected(emit, x, axis, place)?.into())
}

fn selected(emit: &mut Emitter, x: &Tensor, axis: usize, place: usize) -> Result<Tensor> {
    let slice = emit.slice(x, axis, place, 1)?;
    let mut shape = slice.shape().to_vec();
    shape.remove(axis);
    emit.reshape(&slice, &shape)
}

/// A place counted from the end where it is negative.
fn from_start(place: i64, size: usize) -> i64 {
    if place < 0 { place.saturating_add(size as i64) } else { place }
}

pub fn slice(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int_or("dim", 0)?, x.rank())?;
    let Some(&size) = x.shape().get(axis) else { return Err(arguments.error("the operand is a scalar")) };
    let bounds = bounds(arguments, size)?;
    Ok(stepped(emit, x, axis, bounds)?.into())
}

/// Start, end and step of a slice of an axis of this size.
pub(super) fn bounds(arguments: &Arguments, size: usize) -> Result<[usize; 3]> {
    let bound = |place: i64| from_start(place, size).clamp(0, size as i64) as usize;
    let start = bound(arguments.int_or("start", 0)?);
    let end = bound(arguments.int_or("end", i64::MAX)?).max(start);
    let step = arguments.sizes(&[arguments.int_or("step", 1)?])?[0].max(1);
    Ok([start, end, step])
}

fn stepped(emit: &mut Emitter, x: &Tensor, axis: usize, [start, end, step]: [usize; 3]) -> Result<Tensor> {
    let count = (end - start).div_ceil(step);
    if step == 1 || count <= 1 {
        return emit.slice(x, axis, start, count);
    }
    if let Some(array) = x.array() {
        return Ok(Tensor::folded(x.dtype, array.slice(axis, start, step, count)));
    }
    // Rows of `step` elements, of which the first counts.
    let within = emit.slice(x, axis, start, (count * step).min(x.shape()[axis] - start))?;
    let missing = count * step - within.shape()[axis];
    let whole = emit.layer(&within, |scope, x| scope.graph().pad(x, axis, 0, missing))?;
    let (before, after) = (&x.shape()[..axis], &x.shape()[axis + 1..]);
    let rows = emit.reshape(&whole, &[before, &[count, step], after].concat())?;
    let first = emit.slice(&rows, axis + 1, 0, 1)?;
    emit.reshape(&first, &[before, &[count], after].concat())
}

pub fn narrow(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    let start = from_start(arguments.int("start")?, x.shape()[axis]);
    let range = arguments.sizes(&[start, arguments.int("length")?])?;
    Ok(emit.slice(x, axis, range[0], range[1])?.into())
}

/// Parts of these lengths along an axis.
fn parts(emit: &mut Emitter, x: &Tensor, axis: usize, lengths: &[usize]) -> Result<Item> {
    let (mut start, mut parts) = (0, Vec::new());
    for &len in lengths {
        parts.push(emit.slice(x, axis, start, len)?);
        start += len;
    }
    Ok(Item::Tensors(parts))
}

/// Lengths of `each` elements; the last one is the rest.
fn equal(arguments: &Arguments, size: usize, each: usize) -> Result<Vec<usize>> {
    let each = each.max(1);
    let count = arguments.few(size.div_ceil(each).max(1))?;
    Ok((0..count).map(|i| each.min(size - (i * each).min(size))).collect())
}

pub fn split(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int_or("dim", 0)?, x.rank())?;
    let lengths = match arguments.optional_ints("split_sizes")? {
        Some(lengths) => arguments.sizes(&lengths)?,
        None => match arguments.ints("split_size")?.as_slice() {
            [each] => equal(arguments, x.shape()[axis], arguments.sizes(&[*each])?[0])?,
            lengths => arguments.sizes(lengths)?,
        },
    };
    parts(emit, x, axis, &lengths)
}

pub fn chunk(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int_or("dim", 0)?, x.rank())?;
    let chunks = arguments.sizes(&[arguments.int("chunks")?])?[0].max(1);
    let size = x.shape()[axis];
    parts(emit, x, axis, &equal(arguments, size, size.div_ceil(chunks))?)
}

/// So many parts, the first ones of one element more than the others.
pub fn tensor_split(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int_or("dim", 0)?, x.rank())?;
    let size = x.shape()[axis];
    let lengths = match arguments.optional_ints("indices")? {
        Some(ends) => {
            let ends = ends.into_iter().map(|end| from_start(end, size).clamp(0, size as i64) as usize);
            let mut start = 0;
            let length = |end: usize| end.saturating_sub(std::mem::replace(&mut start, end));
            ends.chain([size]).map(length).collect()
        }
        None => {
            let count = arguments.few(arguments.sizes(&[arguments.int("sections")?])?[0].max(1))?;
            (0..count).map(|i| size / count + usize::from(i < size % count)).collect::<Vec<_>>()
        }
    };
    parts(emit, x, axis, &lengths)
}

pub fn unbind(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int_or("dim", 0)?, x.rank())?;
    let parts = (0..arguments.few(x.shape()[axis])?).map(|place| selected(emit, x, axis, place));
    Ok(Item::Tensors(parts.collect::<Result<_>>()?))
}

/// Moved along axes, what falls off at the end coming in at the start.
pub fn roll(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let mut x = arguments.first()?.clone();
    let shifts = arguments.ints("shifts")?;
    let dims = arguments.optional_ints("dims")?.unwrap_or_default();
    if let (&[shift], []) = (shifts.as_slice(), dims.as_slice()) {
        // Without an axis, all elements are moved as one vector.
        let flat = emit.reshape(&x, &[x.shape().iter().product()])?;
        let rolled = rolled(emit, &flat, 0, shift)?;
        return Ok(emit.reshape(&rolled, x.shape())?.into());
    }
    if dims.len() != shifts.len() {
        return Err(arguments.error("does not name an axis for each shift"));
    }
    for (shift, dim) in shifts.into_iter().zip(dims) {
        let axis = arguments.axis(dim, x.rank())?;
        x = rolled(emit, &x, axis, shift)?;
    }
    Ok(x.into())
}

fn rolled(emit: &mut Emitter, x: &Tensor, axis: usize, shift: i64) -> Result<Tensor> {
    let size = x.shape()[axis];
    let shift = shift.rem_euclid(size.max(1) as i64) as usize;
    if shift == 0 {
        return Ok(x.clone());
    }
    let end = emit.slice(x, axis, size - shift, shift)?;
    let start = emit.slice(x, axis, 0, size - shift)?;
    emit.concat(&[end, start], axis)
}

/// The whole, so many times along each axis.
pub fn repeat(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let times = match arguments.optional_ints("repeats")? {
        Some(times) => emit.batched(&times),
        None => arguments.ints("dims")?,
    };
    let times = arguments.sizes(&times)?;
    let rank = times.len().max(x.rank());
    let padded = |list: &[usize]| [vec![1; rank - list.len()], list.to_vec()].concat();
    let (times, own) = (padded(&times), padded(x.shape()));
    let pairs = |first: &[usize]| first.iter().zip(&own).flat_map(|(a, b)| [*a, *b]).collect::<Vec<_>>();
    let apart = emit.reshape(x, &pairs(&vec![1; rank]))?;
    let repeated = emit.broadcast(&apart, &pairs(&times))?;
    let joined: Vec<usize> = times.iter().zip(&own).map(|(a, b)| a.saturating_mul(*b)).collect();
    Ok(emit.reshape(&repeated, &joined)?.into())
}

/// Each element so many times along an axis.
pub fn repeat_interleave(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let times = arguments.sizes(&[arguments.int("repeats")?])?[0];
    let x = match arguments.optional_int("dim")? {
        Some(_) => x.clone(),
        None => emit.reshape(x, &[x.shape().iter().product()])?,
    };
    let axis = arguments.axis(arguments.int_or("dim", 0)?, x.rank())?;
    let (before, after) = (&x.shape()[..axis], &x.shape()[axis + 1..]);
    let size = x.shape()[axis];
    let apart = emit.reshape(&x, &[before, &[size, 1], after].concat())?;
    let repeated = emit.broadcast(&apart, &[before, &[size, times], after].concat())?;
    Ok(emit.reshape(&repeated, &[before, &[size.saturating_mul(times)], after].concat())?.into())
}

/// Differences of neighbours along an axis, `n` times.
pub fn diff(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?.clone();
    let axis = arguments.axis(arguments.int_or("dim", -1)?, x.rank())?;
    let ends = [arguments.optional_tensor("prepend")?, Some(&x), arguments.optional_tensor("append")?];
    let ends: Vec<Tensor> = ends.into_iter().flatten().cloned().collect();
    let mut x = emit.concat(&ends, axis)?;
    for _ in 0..arguments.int_or("n", 1)?.clamp(0, x.shape()[axis] as i64) {
        let len = x.shape()[axis].saturating_sub(1);
        let (later, earlier) = (emit.slice(&x, axis, 1, len)?, emit.slice(&x, axis, 0, len)?);
        x = emit.sub(&later, &earlier)?;
    }
    Ok(x.into())
}

/// Windows of `size` elements, `step` apart, as a new last axis.
pub fn unfold(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int("dimension")?, x.rank())?;
    let sizes = arguments.sizes(&[arguments.int("size")?, arguments.int("step")?])?;
    let (size, step) = (sizes[0], sizes[1].max(1));
    let Some(room) = x.shape()[axis].checked_sub(size) else {
        return Err(arguments.error("its windows are longer than the axis"));
    };
    let count = room / step + 1;
    let mut windows = Vec::new();
    for place in 0..arguments.few(size)? {
        let end = place + (count - 1) * step + 1;
        let elements = stepped(emit, x, axis, [place, end, step])?;
        windows.push(emit.reshape(&elements, &[elements.shape(), &[1]].concat())?);
    }
    if windows.is_empty() {
        let mut shape = x.shape().to_vec();
        shape[axis] = count;
        shape.push(0);
        return Ok(Tensor::folded(x.dtype, Array::filled(&shape, 0.0)).into());
    }
    Ok(emit.concat(&windows, x.rank())?.into())
}
