//! Sorting. Positions are piecewise constant; the elements are gathered by them, so that
//! derivatives are those of the chosen elements.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::{ElementwiseFunction as Function, Result, Value, operations::Gather};

use super::reduction;
use crate::exported::{
    arguments::Arguments,
    array::Array,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// The largest allowed length of a computed row that is sorted: all pairs of its elements are
/// compared.
const MOST_SORTED: usize = 1 << 12;

/// Up to so many elements are found one after the other, each as the largest of the rest.
const FEW: usize = 16;

/// The operand with the axis `dim` as the last one, and the axis' place.
pub(super) fn rows(arguments: &Arguments, emit: &mut Emitter) -> Result<(Tensor, usize)> {
    let x = arguments.tensor("self")?;
    // A scalar counts as a vector of one element.
    let x = if x.rank() == 0 { emit.reshape(x, &[1])? } else { x.clone() };
    let axis = arguments.axis(arguments.int_or("dim", -1)?, x.rank())?;
    let mut axes: Vec<usize> = (0..x.rank()).filter(|own| *own != axis).collect();
    axes.push(axis);
    Ok((emit.permute(&x, &axes)?, axis))
}

/// A result with the last axis back at its place.
pub(super) fn back(arguments: &Arguments, emit: &mut Emitter, x: &Tensor, axis: usize) -> Result<Tensor> {
    if arguments.tensor("self")?.rank() == 0 {
        return emit.reshape(x, &[]);
    }
    let mut axes: Vec<usize> = (0..x.rank() - 1).collect();
    axes.insert(axis, x.rank() - 1);
    emit.permute(x, &axes)
}

/// Values and positions of the first `count` elements of each row, in order.
fn ordered(
    arguments: &Arguments,
    emit: &mut Emitter,
    rows: &Tensor,
    count: usize,
    descending: bool,
) -> Result<[Tensor; 2]> {
    let size = rows.shape().last().copied().unwrap_or(1);
    if count > size {
        return Err(arguments.error(format!("asks for {count} of {size} elements")));
    }
    let signed = emit.scale(rows, if descending { 1.0 } else { -1.0 })?;
    let places = match signed.array() {
        Some(array) => Tensor::folded(ScalarType::LONG, sorted(array)?),
        None if count <= FEW => largest(emit, &signed, count)?,
        None if size <= MOST_SORTED => by_ranks(emit, &signed)?,
        None => {
            let problem = format!("sorts rows of {size} computed numbers, more than {MOST_SORTED}");
            return Err(arguments.error(problem));
        }
    };
    let places = emit.slice(&places, rows.rank() - 1, 0, count)?;
    Ok([gathered(emit, rows, &places)?, places])
}

/// For each row of constants the positions of its elements from the largest to the smallest, in the
/// order of positions where they are equal.
fn sorted(rows: &Array) -> Result<Array> {
    let size = rows.shape().last().copied().unwrap_or(1);
    let numbers = rows.elements()?;
    let mut places = Vec::with_capacity(numbers.len());
    for row in numbers.chunks(size.max(1)) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        // PyTorch takes NaN for the largest number.
        let number = |place: usize| if row[place].is_nan() { f64::INFINITY } else { row[place] };
        order.sort_by(|&a, &b| number(b).total_cmp(&number(a)));
        places.extend(order.into_iter().map(|place| place as f64));
    }
    Ok(Array::new(rows.shape(), places))
}

/// The positions of the `count` largest elements of each row, one after the other.
fn largest(emit: &mut Emitter, rows: &Tensor, count: usize) -> Result<Tensor> {
    let shape = rows.shape().to_vec();
    let (size, each) = (shape[shape.len() - 1], [&shape[..shape.len() - 1], &[1]].concat());
    let mut left = emit.value(rows)?;
    let mut places = Vec::new();
    for _ in 0..count {
        let graph = emit.graph();
        let place = graph.argmax(left, 0.0)?;
        let hot = graph.one_hot(place, size)?;
        // −∞ for the one that was found.
        let others = graph.one_minus(hot)?;
        let others = graph.function(Function::Log, others)?;
        left = graph.add(left, others)?;
        let place = counted(emit, place, size)?;
        places.push(emit.reshape(&place, &each)?);
    }
    if places.is_empty() {
        let none = [&shape[..shape.len() - 1], &[0]].concat();
        return Ok(Tensor::folded(ScalarType::LONG, Array::filled(&none, 0.0)));
    }
    emit.concat(&places, shape.len() - 1)
}

/// Positions below `size` that an argmax has found, as numbers to compute with: a program's indices
/// are of a type of their own.
pub(super) fn counted(emit: &mut Emitter, index: Value, size: usize) -> Result<Tensor> {
    let shape = emit.graph().shape(index).to_vec();
    let table = emit.array(&[size, 1], |at| at[0] as f64)?;
    let table = emit.value(&Tensor::folded(ScalarType::LONG, table))?;
    let numbers = emit.graph().take(table, index)?;
    let numbers = emit.graph().reshape(numbers, &shape)?;
    Ok(emit.tensor(ScalarType::LONG, numbers))
}

/// The positions of the elements of each row \[.., n\] from the largest to the smallest.
///
/// An element's rank is the number of elements that come before it: those that are larger, and
/// equal ones at earlier positions.
fn by_ranks(emit: &mut Emitter, rows: &Tensor) -> Result<Tensor> {
    let shape = rows.shape().to_vec();
    let (outer, size) = (&shape[..shape.len() - 1], shape[shape.len() - 1]);
    let pairs = [outer, &[size, size]].concat();
    let own = emit.reshape(rows, &[outer, &[size, 1]].concat())?;
    let other = emit.reshape(rows, &[outer, &[1, size]].concat())?;
    let difference = emit.sub(&other, &own)?;
    let larger = emit.is_positive(&difference)?;
    // An earlier one comes before this one unless this one is larger.
    let mut swapped: Vec<usize> = (0..pairs.len()).collect();
    swapped.swap(pairs.len() - 2, pairs.len() - 1);
    let smaller = emit.permute(&larger, &swapped)?;
    let not_smaller = emit.one_minus(&smaller)?;
    let earlier = emit.array(&[size, size], |at| f64::from(u8::from(at[1] < at[0])))?;
    let earlier = Tensor::folded(ScalarType::Bool, earlier);
    let before = emit.choose(&earlier, &not_smaller, &larger)?;
    let ranks = emit.sum(&before, &[pairs.len() - 1])?;
    let ranks = emit.value(&ranks)?;
    let graph = emit.graph();
    let ranks = graph.reshape(ranks, &shape)?;
    // 1 at [i, r] where element i has the rank r: the place of that rank is Σ i over those.
    let hot = graph.one_hot(ranks, size)?;
    let hot = emit.tensor(ScalarType::LONG, hot);
    let own = emit.array(&[size, 1], |at| at[0] as f64)?;
    let own = emit.mul(&hot, &Tensor::folded(ScalarType::LONG, own))?;
    let places = emit.sum(&own, &[pairs.len() - 2])?;
    emit.reshape(&places, &shape)
}

/// The elements of each row at the positions in the row of `places`.
pub(super) fn gathered(emit: &mut Emitter, rows: &Tensor, places: &Tensor) -> Result<Tensor> {
    let last = rows.rank() - 1;
    if let (Some(array), Some(places)) = (rows.array(), places.array()) {
        let taken = emit.array(places.shape(), |at| {
            let mut position = at.to_vec();
            position[last] = places.at(at) as usize;
            array.at(&position)
        })?;
        return Ok(Tensor::folded(rows.dtype, taken));
    }
    let count: usize = rows.shape()[..last].iter().product();
    let flat_rows = emit.reshape(rows, &[count, rows.shape()[last]])?;
    let flat_places = emit.reshape(places, &[count, places.shape()[last]])?;
    let (values, index) = (emit.value(&flat_rows)?, emit.value(&flat_places)?);
    let taken = emit.graph().emit(Gather, &[values, index])?;
    let taken = emit.tensor(rows.dtype, taken);
    emit.reshape(&taken, places.shape())
}

fn all_sorted(arguments: &Arguments, emit: &mut Emitter) -> Result<[Tensor; 2]> {
    let (rows, axis) = rows(arguments, emit)?;
    let size = rows.shape().last().copied().unwrap_or(1);
    let [values, places] = ordered(arguments, emit, &rows, size, arguments.bool_or("descending", false)?)?;
    Ok([back(arguments, emit, &values, axis)?, back(arguments, emit, &places, axis)?])
}

pub fn sort(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(Item::Tensors(all_sorted(arguments, emit)?.into()))
}

pub fn argsort(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let [_, places] = all_sorted(arguments, emit)?;
    Ok(places.into())
}

pub fn topk(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (rows, axis) = rows(arguments, emit)?;
    let count = arguments.sizes(&[arguments.int("k")?])?[0];
    let [values, places] = ordered(arguments, emit, &rows, count, arguments.bool_or("largest", true)?)?;
    Ok(Item::Tensors(vec![back(arguments, emit, &values, axis)?, back(arguments, emit, &places, axis)?]))
}

/// The k-th smallest element along an axis, counted from 1, with its position.
pub fn kthvalue(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let place = arguments.sizes(&[arguments.int("k")?])?[0];
    let (rows, axis) = rows(arguments, emit)?;
    element(arguments, emit, &rows, axis, place.saturating_sub(1))
}

/// The median along an axis with its position; of an even number of elements the lower of two.
/// Without an axis, the median of all elements.
pub fn median(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    if arguments.get("dim").is_some() {
        let (rows, axis) = rows(arguments, emit)?;
        let size = rows.shape().last().copied().unwrap_or(1);
        return element(arguments, emit, &rows, axis, size.saturating_sub(1) / 2);
    }
    let x = arguments.tensor("self")?;
    let size = x.shape().iter().product();
    let flat = emit.reshape(x, &[size])?;
    let [values, _] = ordered(arguments, emit, &flat, size, false)?;
    let middle = emit.slice(&values, 0, size.saturating_sub(1) / 2, 1)?;
    Ok(emit.reshape(&middle, &[])?.into())
}

fn element(
    arguments: &Arguments,
    emit: &mut Emitter,
    rows: &Tensor,
    axis: usize,
    place: usize,
) -> Result<Item> {
    let both = ordered(arguments, emit, rows, place.saturating_add(1), false)?;
    let keep = arguments.bool_or("keepdim", false)?;
    let mut results = Vec::new();
    for all in both {
        let one = emit.slice(&all, all.rank() - 1, place, 1)?;
        let one = back(arguments, emit, &one, axis)?;
        let axes: &[usize] = if one.rank() == 0 { &[] } else { &[axis] };
        results.push(reduction::without(emit, &one, axes, keep)?);
    }
    Ok(Item::Tensors(results))
}

/// For each element the number of boundaries below it, or, with `right`, not above it.
pub fn bucketize(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    below(arguments, emit, &arguments.operand("self")?, arguments.tensor("boundaries")?)
}

/// As [`bucketize`], for one row of boundaries.
pub fn searchsorted(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    below(arguments, emit, &arguments.operand("self")?, arguments.tensor("sorted_sequence")?)
}

fn below(arguments: &Arguments, emit: &mut Emitter, x: &Tensor, boundaries: &Tensor) -> Result<Item> {
    if boundaries.rank() != 1 {
        return Err(arguments.error("is given several rows of boundaries"));
    }
    let right = arguments.bool_or("right", false)? || arguments.text_or("side", "left")? == "right";
    let alone = emit.reshape(x, &[x.shape(), &[1]].concat())?;
    let found = if let (Some(a), Some(b)) = (alone.array(), boundaries.array()) {
        let below = move |x: f64, boundary: f64| {
            f64::from(u8::from(if right { boundary <= x } else { boundary < x }))
        };
        Tensor::folded(ScalarType::LONG, a.zip(b, below)?)
    } else if right {
        let under = emit.sub(boundaries, &alone)?;
        let above = emit.is_positive(&under)?;
        emit.one_minus(&above)?
    } else {
        let over = emit.sub(&alone, boundaries)?;
        emit.is_positive(&over)?
    };
    let count = emit.sum(&found, &[x.rank()])?;
    Ok(emit.reshape(&count, x.shape())?.of_type(ScalarType::LONG).into())
}
