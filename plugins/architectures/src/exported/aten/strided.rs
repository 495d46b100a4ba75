//! Views by strides.

use eigenscape_formats::pt2::{ScalarType, TensorMeta};
use eigenscape_program::Result;

use super::places::Places;
use crate::exported::{
    arguments::Arguments,
    array::{Array, row_major},
    emitter::Emitter,
    tensor::{Item, Tensor},
};

/// The elements of a contiguous tensor at an offset plus multiples of strides.
struct View {
    sizes: Vec<usize>,
    strides: Vec<usize>,
    /// The place of the first element in the tensor.
    offset: usize,
}

/// Elements are gathered by a constant index. As far as the view's first axes are the tensor's own,
/// as that of the samples usually is, the same elements are gathered from each row of the rest.
pub fn as_strided(arguments: &Arguments, emit: &mut Emitter) -> Result<Item> {
    let x = arguments.tensor("self")?;
    let view = View::of(arguments, emit, x)?;
    if view.sizes.contains(&0) {
        return Ok(Tensor::folded(x.dtype, Array::filled(&view.sizes, 0.0)).into());
    }
    let most = x.rank().min(view.sizes.len().saturating_sub(1));
    let own = (0..=most).rev().find(|own| view.has_first(x.shape(), *own));
    let own = own.ok_or_else(|| arguments.error("reaches beyond the elements of its operand"))?;
    let row = x.shape()[own..].iter().product();
    let rows = emit.reshape(x, &[&x.shape()[..own], &[row]].concat())?;
    let index = emit.array(&view.sizes[own..], |at| {
        let steps = at.iter().zip(&view.strides[own..]).map(|(place, stride)| place * stride);
        (view.offset + steps.sum::<usize>()) as f64
    })?;
    let index = Tensor::folded(ScalarType::LONG, index);
    Ok(Places::new(arguments, emit, rows.shape(), &[(own, index)])?.take(emit, &rows)?.into())
}

impl View {
    fn of(arguments: &Arguments, emit: &Emitter, x: &Tensor) -> Result<Self> {
        let mut sizes = arguments.ints("size")?;
        let strides = arguments.sizes(&arguments.ints("stride")?)?;
        if sizes.len() != strides.len() {
            return Err(arguments.error(format!("{} strides for {} axes", strides.len(), sizes.len())));
        }
        let start = arguments.layout.and_then(|layout| start(layout, x.shape())).ok_or_else(|| {
            arguments.error(
                "is of a tensor that is not contiguous: write x.contiguous().as_strided(...), or what it does by \
                 permute, unfold and slices",
            )
        })?;
        let exported = arguments.layout.and_then(|layout| layout.sizes.first()?.known());
        if emit.fixed.is_some() && emit.fixed == exported && x.shape().first() == Some(&emit.samples) {
            sizes = emit.batched(&sizes);
        }
        let offset = arguments.optional_int("storage_offset")?;
        let offset = offset.map_or(Some(start), |offset| usize::try_from(offset).ok());
        let offset = offset.and_then(|offset| offset.checked_sub(start));
        let offset = offset.ok_or_else(|| arguments.error("begins before the elements of its operand"))?;
        Ok(Self { sizes: arguments.sizes(&sizes)?, strides, offset })
    }

    /// Whether the first `count` axes are those of a contiguous tensor of this shape, and the
    /// others stay within each of its rows.
    fn has_first(&self, shape: &[usize], count: usize) -> bool {
        let (sizes, rest) = self.sizes.split_at(count);
        let (strides, steps) = self.strides.split_at(count);
        let farthest = rest.iter().zip(steps).try_fold(self.offset, |place, (size, stride)| {
            (size - 1).checked_mul(*stride).and_then(|steps| place.checked_add(steps))
        });
        let row: usize = shape[count..].iter().product();
        sizes == &shape[..count]
            && strides == &row_major(shape)[..count]
            && farthest.is_some_and(|farthest| farthest < row)
    }
}

/// The place of a tensor's first element in its storage, if its elements lie there one after the
/// other.
fn start(layout: &TensorMeta, shape: &[usize]) -> Option<usize> {
    let expected = row_major(shape);
    let is_contiguous = layout.strides.len() == shape.len()
        && (0..shape.len())
            .all(|axis| shape[axis] == 1 || layout.strides[axis].known() == Some(expected[axis]));
    layout.storage_offset.known().filter(|_| is_contiguous)
}
