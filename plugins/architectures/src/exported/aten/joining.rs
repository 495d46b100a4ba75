//! Tensors joined to one.

use eigenscape_program::Result;

use crate::exported::{
    arguments::Arguments,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

pub fn cat(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    // PyTorch leaves out vectors of no elements, whatever the others' shape is.
    let tensors = arguments.tensors("tensors")?.into_iter().filter(|tensor| tensor.shape() != [0]);
    let tensors: Vec<Tensor> = tensors.collect();
    let rank = tensors.first().map_or(0, Tensor::rank);
    let axis = arguments.axis(arguments.int_or("dim", 0)?, rank)?;
    Ok(emit.concat(&tensors, axis)?.into())
}

pub fn stack(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let tensors = arguments.tensors("tensors")?;
    let rank = tensors.first().map_or(0, Tensor::rank) + 1;
    let axis = arguments.axis(arguments.int_or("dim", 0)?, rank)?;
    let mut parts = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let mut shape = tensor.shape().to_vec();
        if axis > shape.len() {
            return Err(arguments.error("its operands have different shapes"));
        }
        shape.insert(axis, 1);
        parts.push(emit.reshape(&tensor, &shape)?);
    }
    Ok(emit.concat(&parts, axis)?.into())
}

/// Tensors joined along the second axis, vectors along their only one.
pub fn hstack(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let tensors = at_least(emit, &arguments.tensors("tensors")?, 1)?;
    let axis = usize::from(tensors.first().map_or(0, Tensor::rank) > 1);
    Ok(emit.concat(&tensors, axis)?.into())
}

/// Tensors joined along the first axis, vectors as rows.
pub fn vstack(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let tensors = at_least(emit, &arguments.tensors("tensors")?, 2)?;
    Ok(emit.concat(&tensors, 0)?.into())
}

/// Tensors joined along the second axis, vectors as columns.
pub fn column_stack(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let mut columns = Vec::new();
    for tensor in arguments.tensors("tensors")? {
        let elements = tensor.shape().iter().product();
        columns.push(if tensor.rank() < 2 { emit.reshape(&tensor, &[elements, 1])? } else { tensor });
    }
    Ok(emit.concat(&columns, 1)?.into())
}

/// The tensors with so many axes at least: new ones come first.
fn at_least(emit: &mut Emitter, tensors: &[Tensor], rank: usize) -> Result<Vec<Tensor>> {
    let aligned = tensors.iter().map(|tensor| {
        let new = rank.saturating_sub(tensor.rank());
        emit.reshape(tensor, &[vec![1; new], tensor.shape().to_vec()].concat())
    });
    aligned.collect()
}

/// All combinations of the elements of vectors: the i-th result varies along the i-th axis.
pub fn meshgrid(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let vectors = arguments.tensors("tensors")?;
    let sizes: Vec<usize> = vectors.iter().map(|vector| vector.shape().iter().product()).collect();
    let swapped = arguments.text_or("indexing", "ij")? == "xy" && vectors.len() > 1;
    let mut grids = Vec::with_capacity(vectors.len());
    for (place, vector) in vectors.iter().enumerate() {
        let mut shape = vec![1; sizes.len()];
        shape[place] = sizes[place];
        let aligned = emit.reshape(vector, &shape)?;
        let mut grid = emit.broadcast(&aligned, &sizes)?;
        if swapped {
            let axes: Vec<usize> = [1, 0].into_iter().chain(2..sizes.len()).collect();
            grid = emit.permute(&grid, &axes)?;
        }
        grids.push(grid);
    }
    Ok(Item::Tensors(grids))
}
