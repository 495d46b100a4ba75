//! Padding around images.

use eigenscape_program::Result;

use crate::exported::{
    arguments::Arguments,
    array::{Array, check_size},
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// The values beyond the image's border.
#[derive(Clone, Copy)]
enum Border {
    Number(f64),
    Reflected,
    Repeated,
    Circular,
}

pub fn pad(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let border = match arguments.text_or("mode", "constant")? {
        "reflect" => Border::Reflected,
        "replicate" => Border::Repeated,
        "circular" => Border::Circular,
        _ => Border::Number(arguments.float_or("value", 0.0)?),
    };
    padded(arguments, emit, "pad", border)
}

pub fn constant_pad(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let value = arguments.float_or("value", 0.0)?;
    padded(arguments, emit, "pad", Border::Number(value))
}

pub fn reflection_pad(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    padded(arguments, emit, "padding", Border::Reflected)
}

pub fn replication_pad(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    padded(arguments, emit, "padding", Border::Repeated)
}

/// Pairs of numbers of elements before and after, from the last axis on; negative ones cut off.
fn padded(arguments: &Arguments, emit: &mut Emitter, name: &str, border: Border) -> Result<Item> {
    let mut x = arguments.first()?.clone();
    let around = arguments.ints(name)?;
    if around.len() / 2 > x.rank() {
        return Err(arguments.error(format!("pads {around:?} around {:?}", x.shape())));
    }
    for (place, pair) in around.chunks_exact(2).enumerate() {
        let axis = x.rank() - 1 - place;
        x = along(arguments, emit, &x, axis, [pair[0], pair[1]], border)?;
    }
    Ok(x.into())
}

fn along(
    arguments: &Arguments,
    emit: &mut Emitter,
    x: &Tensor,
    axis: usize,
    [before, after]: [i64; 2],
    border: Border,
) -> Result<Tensor> {
    let size = x.shape()[axis] as i64;
    let (cut, end) = (before.saturating_neg().max(0), size.saturating_sub(after.saturating_neg().max(0)));
    if end < cut {
        return Err(arguments.error("cuts off more than there is"));
    }
    let inner = emit.slice(x, axis, cut as usize, (end - cut) as usize)?;
    let (before, after) = (before.max(0) as usize, after.max(0) as usize);
    let size = inner.shape()[axis];
    let mut parts = vec![inner.clone()];
    match border {
        Border::Number(number) => {
            let filled = |len| -> Result<Tensor> {
                let mut shape = inner.shape().to_vec();
                shape[axis] = len;
                check_size(&shape)?;
                Ok(Tensor::folded(x.dtype, Array::filled(&shape, number)))
            };
            if number == 0.0 && inner.array().is_none() {
                return emit.layer(&inner, |scope, x| scope.graph().pad(x, axis, before, after));
            }
            parts.extend((after > 0).then(|| filled(after)).transpose()?);
            parts.splice(0..0, (before > 0).then(|| filled(before)).transpose()?);
        }
        Border::Reflected | Border::Repeated | Border::Circular => {
            let reach = if matches!(border, Border::Reflected) { size.saturating_sub(1) } else { size };
            if size == 0 || (before.max(after) > reach && !matches!(border, Border::Repeated)) {
                return Err(arguments.error("pads more than the image has"));
            }
            let from = |place: usize, is_before: bool| match (border, is_before) {
                (Border::Reflected, true) => before - place,
                (Border::Reflected, false) => size - 2 - place,
                (Border::Circular, true) => size - before + place,
                (Border::Circular, false) => place,
                (_, true) => 0,
                (_, false) => size - 1,
            };
            let mut ends = [Vec::new(), Vec::new()];
            for (end, (count, is_before)) in [(before, true), (after, false)].into_iter().enumerate() {
                for place in 0..arguments.few(count)? {
                    ends[end].push(emit.slice(&inner, axis, from(place, is_before), 1)?);
                }
            }
            let [front, back] = ends;
            parts.splice(0..0, front);
            parts.extend(back);
        }
    }
    emit.concat(&parts, axis)
}
