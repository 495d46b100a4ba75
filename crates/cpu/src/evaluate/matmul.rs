//! General products of arrays, as matrix products.

use std::ops::Range;

use candle_core::Tensor;
use eigenscape_program::{Primitive, operations::MatMul};
use eigenscape_runtime::{Layout, ProductAxes, lead_is_rows};

use super::{Operand, behind};
use crate::{
    Result,
    kernels::{self, Axis, View},
};

pub(super) fn evaluate(axes: &MatMul, lhs: &Operand, rhs: &Operand) -> Result<Tensor> {
    let led = [lhs.led, rhs.led];
    let arranged = |side: usize, operand: &Operand| {
        let ordered = ProductAxes::new(axes, side, operand.dims().len(), led);
        Arranged::new(operand.tensor, &ordered)
    };
    let (left, right) = (arranged(0, lhs)?, arranged(1, rhs)?);
    let lead = if lead_is_rows(axes, led) { None } else { lhs.lead().or(rhs.lead()) };
    let sizes: Vec<usize> = lead.into_iter().chain(axes.batch.iter().map(|[l, _]| lhs.dims()[*l])).collect();
    let product = kernels::matmul(
        &sizes,
        &left.view(lead.is_some() && !lhs.led, false),
        &right.view(lead.is_some() && !rhs.led, true),
    )?;
    let shape = axes.shape(&[lhs.dims(), rhs.dims()])?;
    Ok(product.reshape(behind(lhs.lead().or(rhs.lead()), &shape))?)
}

/// An operand with its axes in the order batch, free, contracted, the last two groups each walked
/// by one stride.
struct Arranged {
    tensor: Tensor,
    batch: Vec<usize>,
    free: Axis,
    contracted: Axis,
}

impl Arranged {
    fn new(tensor: &Tensor, axes: &ProductAxes) -> Result<Self> {
        let ProductAxes { batch, free, contracted } = axes;
        let permuted = tensor.permute([&**batch, free, contracted].concat())?;
        let (b, f) = (batch.len(), batch.len() + free.len());
        let layout = Layout {
            start: permuted.layout().start_offset(),
            dims: permuted.dims().to_vec(),
            strides: permuted.stride().to_vec(),
        };
        let (free, contracted) = (one_axis(&layout, b..f), one_axis(&layout, f..permuted.rank()));
        if let (Some(free), Some(contracted)) = (free, contracted) {
            let batch = permuted.stride()[..b].to_vec();
            return Ok(Self { tensor: permuted, batch, free, contracted });
        }
        kernels::make_room(permuted.elem_count() * permuted.dtype().size_in_bytes());
        let tensor = permuted.contiguous()?;
        let size = |range: Range<usize>| tensor.dims()[range].iter().product::<usize>();
        let contracted = Axis { size: size(f..tensor.rank()), stride: 1 };
        let free = Axis { size: size(b..f), stride: contracted.size };
        let batch = tensor.stride()[..b].to_vec();
        Ok(Self { tensor, batch, free, contracted })
    }

    fn view(&self, repeated: bool, is_rhs: bool) -> View<'_> {
        let batch = repeated.then_some(0).into_iter().chain(self.batch.iter().copied()).collect();
        let (rows, columns) =
            if is_rhs { (self.contracted, self.free) } else { (self.free, self.contracted) };
        View { tensor: &self.tensor, batch, rows, columns }
    }
}

/// The axes of a range as one axis, if a single stride walks them in order.
fn one_axis(layout: &Layout, axes: Range<usize>) -> Option<Axis> {
    layout.merged(axes).map(|(size, stride)| Axis { size, stride })
}
