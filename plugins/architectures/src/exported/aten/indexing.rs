//! Elements and rows by index.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::Result;

use crate::exported::{
    arguments::Arguments,
    array::{Array, common_shape},
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// Rows of a table. The row `padding_idx` takes no part in derivatives, as in PyTorch.
pub fn embedding(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (table, index) = (arguments.tensor("weight")?, arguments.tensor("indices")?);
    let &[rows, _] = table.shape() else { return Err(arguments.error("its table is no matrix")) };
    let table = match usize::try_from(arguments.int_or("padding_idx", -1)?) {
        Ok(row) if row < rows && table.array().is_none() => fixed_row(emit, table, row)?,
        _ => table.clone(),
    };
    Ok(emit.take(&table, index)?.into())
}

/// A table of which one row counts as constant.
fn fixed_row(emit: &mut Emitter, table: &Tensor, row: usize) -> Result<Tensor> {
    let rows = table.shape()[0];
    let fixed = emit.slice(table, 0, row, 1)?;
    let fixed = emit.layer(&fixed, |scope, fixed| scope.graph().detach(fixed))?;
    let mut parts = vec![fixed];
    if row > 0 {
        parts.insert(0, emit.slice(table, 0, 0, row)?);
    }
    if row + 1 < rows {
        parts.push(emit.slice(table, 0, row + 1, rows - row - 1)?);
    }
    emit.concat(&parts, 0)
}

/// The elements at given places along some axes; the places may be known or computed.
pub fn index(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("self")?;
    let mut places = Vec::new();
    for (axis, index) in arguments.optional_tensors("indices")?.iter().enumerate() {
        match index {
            Some(index) if matches!(index.dtype, ScalarType::Bool) => {
                let found = where_true(arguments, index)?;
                let first = places.len();
                places.extend(found.into_iter().enumerate().map(|(i, index)| (axis + i, index)));
                if index.rank() > 1 && first + index.rank() < places.len() {
                    return Err(arguments.error("mixes truth values of several axes with other indices"));
                }
            }
            Some(index) => places.push((axis, index.clone())),
            None => {}
        }
    }
    if places.is_empty() {
        return Ok(x.clone().into());
    }
    Ok(picked(arguments, emit, x, &places)?.into())
}

/// The places, along each axis, at which known truth values are 1.
fn where_true(arguments: &Arguments, mask: &Tensor) -> Result<Vec<Tensor>> {
    let problem = "picks elements by truth values that depend on inputs: their number is not known";
    let mask = mask.array().ok_or_else(|| arguments.error(problem))?;
    let shape = mask.shape().to_vec();
    let mut places = vec![Vec::new(); shape.len()];
    for (number, value) in mask.elements()?.into_iter().enumerate() {
        if value != 0.0 {
            let mut rest = number;
            for axis in (0..shape.len()).rev() {
                places[axis].push((rest % shape[axis]) as f64);
                rest /= shape[axis];
            }
        }
    }
    let index = |places: Vec<f64>| Tensor::folded(ScalarType::LONG, Array::new(&[places.len()], places));
    Ok(places.into_iter().map(index).collect())
}

/// Numbers in f32 tell no more places from each other.
const MOST_PLACES: usize = 1 << 24;

/// x at `places`, an index for each of some axes, whose shapes are repeated up to a common one.
fn picked(
    arguments: &Arguments,
    emit: &mut Emitter,
    x: &Tensor,
    places: &[(usize, Tensor)],
) -> Result<Tensor> {
    let axes: Vec<usize> = places.iter().map(|(axis, _)| *axis).collect();
    if axes.iter().any(|axis| *axis >= x.rank()) {
        return Err(arguments.error(format!("there are more indices than axes of {:?}", x.shape())));
    }
    let mut common = Vec::new();
    for (_, index) in places {
        common = common_shape(&common, index.shape())?;
    }
    let rest: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let sizes = |axes: &[usize]| axes.iter().map(|&axis| x.shape()[axis]).collect::<Vec<_>>();
    let (own, others) = (sizes(&axes), sizes(&rest));
    let rows = own.iter().try_fold(1_usize, |rows, size| rows.checked_mul(*size));
    if rows.is_none_or(|rows| rows > MOST_PLACES) {
        return Err(arguments.error(format!("picks among more than 2^24 places, of shape {own:?}")));
    }
    let number = numbers(arguments, emit, places, &own)?;
    let number = emit.broadcast(&number, &common)?;
    let order: Vec<usize> = axes.iter().chain(&rest).copied().collect();
    let table = emit.permute(x, &order)?;
    let table = emit.reshape(&table, &[own.iter().product(), others.iter().product()])?;
    let taken = emit.take(&table, &number)?;
    let taken = emit.reshape(&taken, &[common.as_slice(), &others].concat())?;
    // Where the axes are next to each other the result has those of the index in their place.
    let adjacent = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let before = if adjacent { axes[0] } else { 0 };
    let back: Vec<usize> = (common.len()..common.len() + before)
        .chain(0..common.len())
        .chain(common.len() + before..common.len() + others.len())
        .collect();
    emit.permute(&taken, &back)
}

/// The number of the row that indices along axes of these sizes name together.
fn numbers(
    arguments: &Arguments,
    emit: &mut Emitter,
    places: &[(usize, Tensor)],
    sizes: &[usize],
) -> Result<Tensor> {
    let mut total: Option<Tensor> = None;
    for ((_, index), &size) in places.iter().zip(sizes) {
        let from_start = non_negative(arguments, index, size)?;
        total = Some(match total {
            None => from_start,
            Some(total) => {
                let total = emit.scale(&total, size as f64)?;
                emit.add(&total, &from_start)?
            }
        });
    }
    total.ok_or_else(|| arguments.error("has no index"))
}

/// Known places counted from the start; computed ones have to be.
fn non_negative(arguments: &Arguments, index: &Tensor, size: usize) -> Result<Tensor> {
    let Some(array) = index.array() else { return Ok(index.clone()) };
    let array = array.map(|place| if place < 0.0 { place + size as f64 } else { place })?;
    let lowest = array.compact().elements()?.into_iter().fold(0.0_f64, f64::min);
    let highest = array.compact().elements()?.into_iter().fold(0.0_f64, f64::max);
    if lowest < 0.0 || (highest >= size as f64 && !array.shape().contains(&0)) {
        return Err(arguments.error(format!("an index is not one of {size} places")));
    }
    Ok(Tensor::folded(index.dtype, array))
}

pub fn index_select(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("self")?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    Ok(picked(arguments, emit, x, &[(axis, arguments.tensor("index")?.clone())])?.into())
}

/// x\[.., index\[.., j, ..\], ..\] along one axis, the others' places kept.
pub fn gather(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let (x, index) = (arguments.tensor("self")?, arguments.tensor("index").or(arguments.tensor("indices"))?);
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    if index.rank() != x.rank() {
        return Err(arguments.error(format!("an index {:?} into {:?}", index.shape(), x.shape())));
    }
    let mut places = Vec::with_capacity(x.rank());
    for own in 0..x.rank() {
        if own == axis {
            places.push((own, index.clone()));
        } else {
            let mut shape = vec![1; x.rank()];
            shape[own] = index.shape()[own];
            let counted = Array::by(&shape, |at| at[own] as f64)?;
            places.push((own, Tensor::folded(ScalarType::LONG, counted)));
        }
    }
    Ok(picked(arguments, emit, x, &places)?.into())
}

/// In the opposite order along some axes.
pub fn flip(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let mut x = arguments.tensor("self")?.clone();
    for axis in arguments.axes("dims", x.rank())? {
        let size = x.shape()[axis];
        let backward = Array::by(&[size], |at| (size - 1 - at[0]) as f64)?;
        x = picked(arguments, emit, &x, &[(axis, Tensor::folded(ScalarType::LONG, backward))])?;
    }
    Ok(x.into())
}

/// The unit vectors of integers.
pub fn one_hot(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let index = arguments.first()?;
    let size = arguments.sizes(&[arguments.int("num_classes")?])?[0];
    let identity = Array::by(&[size, size], |at| f64::from(u8::from(at[0] == at[1])))?;
    let table = Tensor::folded(ScalarType::LONG, identity);
    Ok(emit.take(&table, index)?.into())
}
