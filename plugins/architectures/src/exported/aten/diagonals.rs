//! Diagonals of matrices.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::Result;

use super::places::Places;
use crate::exported::{
    arguments::Arguments,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// Rows and columns of a diagonal of a matrix \[R, C\]; `offset` diagonals above the main one.
fn indices(emit: &Emitter, rows: usize, columns: usize, offset: i64) -> Result<[Tensor; 2]> {
    let above = usize::try_from(offset).unwrap_or(0);
    let below = usize::try_from(offset.saturating_neg()).unwrap_or(0);
    let len = rows.saturating_sub(below).min(columns.saturating_sub(above));
    let along = |first: usize| -> Result<Tensor> {
        Ok(Tensor::folded(ScalarType::LONG, emit.array(&[len], |at| (first + at[0]) as f64)?))
    };
    Ok([along(below)?, along(above)?])
}

fn taken(
    arguments: &Arguments,
    emit: &mut Emitter,
    x: &Tensor,
    axes: [usize; 2],
    offset: i64,
) -> Result<Tensor> {
    let [rows, columns] = indices(emit, x.shape()[axes[0]], x.shape()[axes[1]], offset)?;
    // The diagonal is the last axis.
    let mut order: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let first = order.len();
    order.extend(axes);
    let x = emit.permute(x, &order)?;
    let places = [(first, rows), (first + 1, columns)];
    Places::new(arguments, emit, x.shape(), &places)?.take(emit, &x)
}

pub fn diagonal(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = |name, default| arguments.axis(arguments.int_or(name, default)?, x.rank());
    let axes = [axis("dim1", 0)?, axis("dim2", 1)?];
    if axes[0] == axes[1] {
        return Err(arguments.error("needs two axes"));
    }
    Ok(taken(arguments, emit, x, axes, arguments.int_or("offset", 0)?)?.into())
}

/// The sum of the main diagonal.
pub fn trace(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    if x.rank() != 2 {
        return Err(arguments.error("needs a matrix"));
    }
    let diagonal = taken(arguments, emit, x, [0, 1], 0)?;
    let sum = emit.sum(&diagonal, &[0])?;
    Ok(emit.reshape(&sum, &[])?.into())
}

/// The diagonal of a matrix, or a matrix with this diagonal.
pub fn diag(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let offset = arguments.int_or("diagonal", 0)?;
    match x.rank() {
        1 => Ok(embedded(arguments, emit, x, offset)?.into()),
        2 => Ok(taken(arguments, emit, x, [0, 1], offset)?.into()),
        _ => Err(arguments.error("needs a vector or a matrix")),
    }
}

/// Matrices \[.., n, n\] with the diagonals x \[.., d\].
pub fn diag_embed(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    if (arguments.int_or("dim1", -2)?, arguments.int_or("dim2", -1)?) != (-2, -1) || x.rank() == 0 {
        return Err(arguments.error("puts matrices along axes that are not the last two"));
    }
    Ok(embedded(arguments, emit, x, arguments.int_or("offset", 0)?)?.into())
}

fn embedded(arguments: &Arguments, emit: &mut Emitter, x: &Tensor, offset: i64) -> Result<Tensor> {
    let last = x.rank() - 1;
    let shift = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    let side = x.shape()[last].saturating_add(shift);
    let [rows, columns] = indices(emit, side, side, offset)?;
    let shape = [&x.shape()[..last], &[side, side]].concat();
    Places::new(arguments, emit, &shape, &[(last, rows), (last + 1, columns)])?.put(emit, x)
}
