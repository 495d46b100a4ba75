//! General products of arrays, as matrix products.

use std::ops::Range;

use candle_core::Tensor;
use eigenscape_program::{Primitive, operations::Dot};
use eigenscape_runtime::Layout;

use super::{Operand, behind};
use crate::{
    Result,
    kernels::{self, Axis, View},
};

pub(super) fn evaluate(dot: &Dot, lhs: &Operand, rhs: &Operand) -> Result<Tensor> {
    let pairs = |pairs: &[[usize; 2]], side: usize, shift: usize| -> Vec<usize> {
        pairs.iter().map(|pair| pair[side] + shift).collect()
    };
    let operand = |operand: &Operand, side: usize, lead_is_free: bool| {
        let shift = operand.shift();
        let mut free: Vec<usize> =
            dot.free(side, operand.dims().len()).into_iter().map(|axis| axis + shift).collect();
        if operand.led && lead_is_free {
            free.insert(0, 0);
        }
        let mut batch = pairs(&dot.batch, side, shift);
        if operand.led && !lead_is_free {
            batch.insert(0, 0);
        }
        Arranged::new(operand.tensor, &batch, &free, &pairs(&dot.contract, side, shift))
    };
    // A leading axis of lhs alone is more rows of one product; elsewhere it is a batch of products.
    let lead_is_free = lhs.led && !rhs.led && dot.batch.is_empty();
    let (left, right) = (operand(lhs, 0, lead_is_free)?, operand(rhs, 1, false)?);
    let lead = if lead_is_free { None } else { lhs.lead().or(rhs.lead()) };
    let sizes: Vec<usize> = lead.into_iter().chain(dot.batch.iter().map(|[l, _]| lhs.dims()[*l])).collect();
    let product = kernels::matmul(
        &sizes,
        &left.view(lead.is_some() && !lhs.led, false),
        &right.view(lead.is_some() && !rhs.led, true),
    )?;
    let shape = dot.shape(&[lhs.dims(), rhs.dims()])?;
    Ok(product.reshape(behind(lhs.lead().or(rhs.lead()), &shape))?)
}

/// An operand with its axes in the order batch, free, contracted, the last two groups each walked by one stride.
struct Arranged {
    tensor: Tensor,
    batch: Vec<usize>,
    free: Axis,
    contracted: Axis,
}

impl Arranged {
    fn new(tensor: &Tensor, batch: &[usize], free: &[usize], contract: &[usize]) -> Result<Self> {
        let order: Vec<usize> = batch.iter().chain(free).chain(contract).copied().collect();
        let permuted = tensor.permute(order)?;
        let (b, f) = (batch.len(), batch.len() + free.len());
        let layout = Layout { dims: permuted.dims().to_vec(), strides: permuted.stride().to_vec() };
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
