//! Elements and rows by index.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::Result;

use super::places::Places;
use crate::exported::{
    arguments::Arguments,
    array::Array,
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
    let places = by_axis(arguments)?;
    if places.is_empty() {
        return Ok(x.clone().into());
    }
    Ok(picked(arguments, emit, x, &places)?.into())
}

/// The indices of the argument `indices`, each with its axis.
pub(super) fn by_axis(arguments: &Arguments) -> Result<Vec<(usize, Tensor)>> {
    let mut places = Vec::new();
    let mut axis = 0;
    for index in arguments.optional_tensors("indices")? {
        match index {
            Some(index) if matches!(index.dtype, ScalarType::Bool) => {
                let found = where_true(arguments, index)?;
                places.extend(found.into_iter().enumerate().map(|(i, index)| (axis + i, index)));
                axis += index.rank();
            }
            Some(index) => {
                places.push((axis, index.clone()));
                axis += 1;
            }
            None => axis += 1,
        }
    }
    Ok(places)
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

/// x at `places`, an index for each of some axes.
fn picked(
    arguments: &Arguments,
    emit: &mut Emitter,
    x: &Tensor,
    places: &[(usize, Tensor)],
) -> Result<Tensor> {
    Places::new(arguments, emit, x.shape(), places)?.take(emit, x)
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
    Ok(Places::along(arguments, emit, x.shape(), axis, index)?.take(emit, x)?.into())
}

/// In the opposite order along some axes.
pub fn flip(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let mut x = arguments.tensor("self")?.clone();
    for axis in arguments.axes("dims", x.rank())? {
        let size = x.shape()[axis];
        let backward = emit.array(&[size], |at| (size - 1 - at[0]) as f64)?;
        x = picked(arguments, emit, &x, &[(axis, Tensor::folded(ScalarType::LONG, backward))])?;
    }
    Ok(x.into())
}

/// The unit vectors of integers.
pub fn one_hot(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let index = arguments.first()?;
    let size = arguments.sizes(&[arguments.int("num_classes")?])?[0];
    let hot = match index.array() {
        Some(array) => {
            let shape = [index.shape(), &[size]].concat();
            let last = index.rank();
            let is_own = |at: &[usize]| f64::from(u8::from(array.at(&at[..last]) == at[last] as f64));
            Tensor::folded(ScalarType::LONG, emit.array(&shape, is_own)?)
        }
        None => emit.layer(index, |scope, index| scope.graph().one_hot(index, size))?,
    };
    Ok(hot.of_type(ScalarType::LONG).into())
}
