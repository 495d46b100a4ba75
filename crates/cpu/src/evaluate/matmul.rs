//! Tensor contractions, as batched matrix products.

use std::ops::Range;

use eigenscape_program::operations::MatMul;
use eigenscape_runtime::{Layout, ProductAxes, lead_is_rows};

use super::Operand;
use crate::{
    Result,
    kernels::{self, Axis, Batch, Element, InOrder, View, Workspace},
};

pub(super) fn evaluate<'s, T: Element>(
    axes: &MatMul,
    lhs: &Operand<'s>,
    rhs: &Operand<'s>,
    out: &mut [T],
    work: &mut Workspace<'s>,
) -> Result<()> {
    let led = [lhs.led, rhs.led];
    let mut arranged = |side: usize, operand: &Operand<'s>| {
        let ordered = ProductAxes::new(axes, side, operand.dims().len(), led);
        Arranged::new(operand, &ordered, work)
    };
    let (left, right) = (arranged(0, lhs)?, arranged(1, rhs)?);
    let lead = if lead_is_rows(axes, led) { None } else { lhs.lead().or(rhs.lead()) };
    let sizes: Vec<usize> = lead.into_iter().chain(axes.batch.iter().map(|[l, _]| lhs.dims()[*l])).collect();
    let left = left.batch(lead.is_some() && !lhs.led, false);
    let right = right.batch(lead.is_some() && !rhs.led, true);
    kernels::matmul(&sizes, &left, &right, out, work);
    Ok(())
}

/// An operand with its axes in the order batch, free, contracted. The free axes are merged into one
/// axis, and so are the contracted axes.
struct Arranged<'w, T> {
    numbers: InOrder<'w, T>,
    batch: Vec<usize>,
    free: Axis,
    contracted: Axis,
}

impl<'w, T: Element> Arranged<'w, T> {
    fn new<'s: 'w>(operand: &Operand<'s>, axes: &ProductAxes, work: &mut Workspace<'w>) -> Result<Self> {
        let ProductAxes { batch, free, contracted } = axes;
        let layout = operand.numbers.layout.permute(&[&**batch, free, contracted].concat());
        let (b, f, end) = (batch.len(), batch.len() + free.len(), layout.dims.len());
        let data = operand.view::<T>()?.data;
        if let (Some(free), Some(contracted)) = (one_axis(&layout, b..f), one_axis(&layout, f..end)) {
            let batch = layout.strides[..b].to_vec();
            return Ok(Self { numbers: InOrder::Stored(data), batch, free, contracted });
        }
        let mut copy = work.take(layout.elements());
        View { data, dims: &layout.dims, strides: &layout.strides }.copy_to(&mut copy);
        let ordered = Layout::in_order(&layout.dims);
        let size = |range: Range<usize>| ordered.dims[range].iter().product::<usize>();
        let contracted = Axis { size: size(f..end), stride: 1 };
        let free = Axis { size: size(b..f), stride: contracted.size };
        let batch = ordered.strides[..b].to_vec();
        Ok(Self { numbers: InOrder::Copied(copy), batch, free, contracted })
    }

    fn batch(&self, repeated: bool, is_rhs: bool) -> Batch<'_, T> {
        let strides = repeated.then_some(0).into_iter().chain(self.batch.iter().copied()).collect();
        let (rows, columns) =
            if is_rhs { (self.contracted, self.free) } else { (self.free, self.contracted) };
        Batch { data: &self.numbers, strides, rows, columns }
    }
}

/// The axes of a range merged into one; `None` if no single stride covers them.
fn one_axis(layout: &Layout, axes: Range<usize>) -> Option<Axis> {
    layout.merged(axes).map(|(size, stride)| Axis { size, stride })
}
