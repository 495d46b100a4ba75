//! The same elements under another shape, in another order of axes, or of another type.

use eigenscape_formats::pt2::ScalarType;
use eigenscape_program::Result;

use super::{logic, rounding};
use crate::exported::{
    arguments::Arguments,
    array::common_shape,
    emitter::Emitter,
    tensor::{Item, Tensor},
};

pub fn reshape(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let wanted = match arguments.optional_ints("size")? {
        Some(sizes) => sizes,
        None => arguments.ints("shape")?,
    };
    let shape = emit
        .reshaped(x.shape(), &wanted)
        .ok_or_else(|| arguments.error(format!("{:?} cannot be read as {wanted:?}", x.shape())))?;
    Ok(emit.reshape(x, &shape)?.into())
}

pub fn reshape_as(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(emit.reshape(arguments.first()?, arguments.tensor("other")?.shape())?.into())
}

pub fn flatten(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    if x.rank() == 0 {
        return Ok(emit.reshape(x, &[1])?.into());
    }
    let start = arguments.axis(arguments.int_or("start_dim", 0)?, x.rank())?;
    let end = arguments.axis(arguments.int_or("end_dim", -1)?, x.rank())?;
    if start > end {
        return Err(arguments.error(format!("joins the axes from {start} to {end}")));
    }
    let (before, rest) = x.shape().split_at(start);
    let (joined, after) = rest.split_at(end + 1 - start);
    Ok(emit.reshape(x, &[before, &[joined.iter().product()], after].concat())?.into())
}

pub fn unflatten(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank())?;
    let sizes = arguments.ints("sizes")?;
    let parts = emit
        .reshaped(&x.shape()[axis..=axis], &sizes)
        .ok_or_else(|| arguments.error(format!("{} elements are not {sizes:?}", x.shape()[axis])))?;
    Ok(emit.reshape(x, &[&x.shape()[..axis], &parts, &x.shape()[axis + 1..]].concat())?.into())
}

pub fn permute(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axes = arguments.axes("dims", x.rank())?;
    ordered(arguments, emit, x, &axes)
}

fn ordered(arguments: &Arguments, emit: &mut Emitter, x: &Tensor, axes: &[usize]) -> Result<Item> {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..x.rank()) {
        return Err(arguments.error(format!("{axes:?} are not the axes of {:?}", x.shape())));
    }
    Ok(emit.permute(x, axes)?.into())
}

fn exchanged(emit: &mut Emitter, x: &Tensor, [a, b]: [usize; 2]) -> Result<Item> {
    let mut axes: Vec<usize> = (0..x.rank()).collect();
    if a.max(b) < axes.len() {
        axes.swap(a, b);
    }
    Ok(emit.permute(x, &axes)?.into())
}

pub fn transpose(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = |new: &str, old: &str| {
        let dim = arguments.optional_int(new)?.map_or_else(|| arguments.int(old), Ok)?;
        arguments.axis(dim, x.rank())
    };
    let axes = [axis("dim0", "axis0")?, axis("dim1", "axis1")?];
    exchanged(emit, x, axes)
}

/// A matrix with rows and columns exchanged.
pub fn t(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    if x.rank() < 2 {
        return Ok(x.clone().into());
    }
    exchanged(emit, x, [x.rank() - 2, x.rank() - 1])
}

/// All axes in the opposite order.
pub fn numpy_t(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axes: Vec<usize> = (0..x.rank()).rev().collect();
    Ok(emit.permute(x, &axes)?.into())
}

pub fn movedim(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let (from, to) = (arguments.axes("source", x.rank())?, arguments.axes("destination", x.rank())?);
    if from.len() != to.len() {
        return Err(arguments.error("moves axes to another number of places"));
    }
    let mut axes: Vec<Option<usize>> = vec![None; x.rank()];
    from.iter().zip(&to).for_each(|(from, to)| axes[*to] = Some(*from));
    let mut rest = (0..x.rank()).filter(|axis| !from.contains(axis));
    let axes: Vec<usize> = axes.into_iter().filter_map(|axis| axis.or_else(|| rest.next())).collect();
    ordered(arguments, emit, x, &axes)
}

pub fn squeeze(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axes = match arguments.optional_ints("dim")? {
        Some(dims) => dims.into_iter().map(|dim| arguments.axis(dim, x.rank())).collect::<Result<_>>()?,
        None => (0..x.rank()).collect::<Vec<_>>(),
    };
    // The axis of samples stays where nobody names it: N may be 1 here and not where the graph was
    // exported.
    let named = arguments.get("dim").is_some();
    let kept = |&(axis, size): &(usize, &usize)| !(*size == 1 && axes.contains(&axis) && (named || axis > 0));
    let shape: Vec<usize> = x.shape().iter().enumerate().filter(kept).map(|(_, size)| *size).collect();
    Ok(emit.reshape(x, &shape)?.into())
}

pub fn unsqueeze(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let axis = arguments.axis(arguments.int("dim")?, x.rank() + 1)?;
    let mut shape = x.shape().to_vec();
    shape.insert(axis, 1);
    Ok(emit.reshape(x, &shape)?.into())
}

/// Repeated along axes of size 1; −1 leaves an axis as it is.
pub fn expand(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let wanted = emit.batched(&arguments.ints("size")?);
    let new = wanted.len().checked_sub(x.rank());
    let new = new.ok_or_else(|| arguments.error(format!("{:?} up to {wanted:?}", x.shape())))?;
    let size = |(axis, wanted): (usize, &i64)| match axis.checked_sub(new) {
        Some(own) if *wanted < 0 => Ok(x.shape()[own]),
        _ => Ok(arguments.sizes(&[*wanted])?[0]),
    };
    let shape = wanted.iter().enumerate().map(size).collect::<Result<Vec<_>>>()?;
    Ok(emit.broadcast(x, &shape)?.into())
}

pub fn expand_as(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    Ok(emit.broadcast(arguments.first()?, arguments.tensor("other")?.shape())?.into())
}

/// The operand itself: what only says where or how its elements are stored.
pub fn same(arguments: &Arguments, _: &mut Emitter) -> Result<Item> {
    Ok(arguments.first()?.clone().into())
}

/// All operands in their common shape.
pub fn broadcast_tensors(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let tensors = arguments.tensors("tensors")?;
    let mut shape = Vec::new();
    for tensor in &tensors {
        shape = common_shape(&shape, tensor.shape())?;
    }
    let all = tensors.iter().map(|tensor| emit.broadcast(tensor, &shape));
    Ok(Item::Tensors(all.collect::<Result<_>>()?))
}

/// The operand, which counts as constant.
pub fn detach(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    Ok(emit.map(x, |x| x, |graph, value| graph.detach(value))?.into())
}

/// The operand in another type.
pub fn to(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let like = || arguments.tensor("other").ok().map(|other| other.dtype);
    Ok(match arguments.dtype("dtype").or_else(like) {
        Some(dtype) => converted(emit, x, dtype)?.into(),
        None => x.clone().into(),
    })
}

fn converted(emit: &mut Emitter, x: &Tensor, dtype: ScalarType) -> Result<Tensor> {
    let converted = match dtype {
        ScalarType::Bool => logic::to_truth(emit, x)?,
        ScalarType::Integer { .. } if x.dtype.is_float() => rounding::towards_zero(emit, x)?,
        _ => x.clone(),
    };
    Ok(converted.of_type(dtype))
}

/// Blocks of r·r channels as squares of pixels.
pub fn pixel_shuffle(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let r = arguments.sizes(&[arguments.int("upscale_factor")?])?[0];
    let &[n, c, h, w] = x.shape() else { return Err(arguments.error("needs an image [N, C, H, W]")) };
    if r == 0 || c % (r * r) != 0 {
        return Err(arguments.error(format!("{c} channels are no squares of side {r}")));
    }
    let split = emit.reshape(x, &[n, c / (r * r), r, r, h, w])?;
    let turned = emit.permute(&split, &[0, 1, 4, 2, 5, 3])?;
    Ok(emit.reshape(&turned, &[n, c / (r * r), h * r, w * r])?.into())
}

/// Squares of pixels as blocks of r·r channels.
pub fn pixel_unshuffle(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let r = arguments.sizes(&[arguments.int("downscale_factor")?])?[0];
    let &[n, c, h, w] = x.shape() else { return Err(arguments.error("needs an image [N, C, H, W]")) };
    if r == 0 || h % r != 0 || w % r != 0 {
        return Err(arguments.error(format!("squares of side {r} do not divide {h}x{w}")));
    }
    let split = emit.reshape(x, &[n, c, h / r, r, w / r, r])?;
    let turned = emit.permute(&split, &[0, 1, 3, 5, 2, 4])?;
    Ok(emit.reshape(&turned, &[n, c * r * r, h / r, w / r])?.into())
}

/// Channels of groups taken in turn.
pub fn channel_shuffle(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.first()?;
    let groups = arguments.sizes(&[arguments.int("groups")?])?[0];
    let [n, c, sides @ ..] = x.shape() else { return Err(arguments.error("needs an input [N, C, ...]")) };
    if groups == 0 || c % groups != 0 {
        return Err(arguments.error(format!("{groups} groups do not divide {c} channels")));
    }
    let split = emit.reshape(x, &[&[*n, groups, c / groups], sides].concat())?;
    let axes: Vec<usize> = [0, 2, 1].into_iter().chain(3..split.rank()).collect();
    let turned = emit.permute(&split, &axes)?;
    Ok(emit.reshape(&turned, x.shape())?.into())
}
