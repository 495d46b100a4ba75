//! The largest or smallest element so far along an axis.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::Result;

use super::sorting::{back, gathered, rows};
use crate::exported::{
    arguments::Arguments,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

pub fn cummax(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    extremes(arguments, emit, 1.0)
}

pub fn cummin(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    extremes(arguments, emit, -1.0)
}

/// The elements and their positions. As for sorting, the positions are piecewise constant and the
/// elements are gathered by them.
fn extremes(arguments: &Arguments, emit: &mut Emitter, sign: f64) -> Result<Item> {
    let (rows, axis) = rows(arguments, emit)?;
    let signed = emit.scale(&rows, sign)?;
    let places = largest_so_far(emit, &signed)?;
    let values = gathered(emit, &rows, &places)?;
    let both = [values, places].map(|result| back(arguments, emit, &result, axis));
    Ok(Item::Tensors(both.into_iter().collect::<Result<_>>()?))
}

/// For each element of the rows \[.., n\] the position of the largest one up to it; of equal ones
/// the last, as in PyTorch. After a step, each position is that of the largest of the last `span`
/// elements, and `span` is doubled.
fn largest_so_far(emit: &mut Emitter, rows: &Tensor) -> Result<Tensor> {
    let (last, size) = (rows.rank() - 1, rows.shape()[rows.rank() - 1]);
    let own = emit.array(&[size], |at| at[0] as f64)?;
    let mut places = emit.broadcast(&Tensor::folded(ScalarType::LONG, own), rows.shape())?;
    let mut values = rows.clone();
    let mut span = 1;
    while span < size {
        let kept = size - span;
        let (before, here) = (emit.slice(&values, last, 0, kept)?, emit.slice(&values, last, span, kept)?);
        let difference = emit.sub(&before, &here)?;
        let is_larger = emit.is_positive(&difference)?;
        let (before, here) = (emit.slice(&places, last, 0, kept)?, emit.slice(&places, last, span, kept)?);
        let chosen = emit.choose(&is_larger, &before, &here)?;
        let first = emit.slice(&places, last, 0, span)?;
        places = emit.concat(&[first, chosen], last)?;
        // Chosen by a product with 0 or 1 instead, infinite elements would become NaN.
        values = gathered(emit, rows, &places)?;
        span *= 2;
    }
    Ok(places.of_type(ScalarType::LONG))
}
