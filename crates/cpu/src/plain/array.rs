//! Numbers in row-major order.

use candle_core::{DType, Tensor};
use eigenscape_program::Operation;
use eigenscape_runtime::Array;

use crate::Result;

/// An operand's numbers, for each element of the leading axis or for all.
pub(super) struct Numbers {
    numbers: Vec<f64>,
    /// The declared shape.
    pub dims: Vec<usize>,
    pub led: bool,
}

impl Numbers {
    pub fn of(tensor: &Tensor, led: bool) -> Result<Self> {
        let numbers = tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        Ok(Self { numbers, dims: tensor.dims()[usize::from(led)..].to_vec(), led })
    }

    /// Those of one element of the leading axis.
    pub fn at(&self, k: usize) -> Array<'_> {
        let len = self.dims.iter().product::<usize>();
        let start = if self.led { k * len } else { 0 };
        Array { dims: &self.dims, numbers: &self.numbers[start..start + len] }
    }
}

/// The type of a result: indices stay indices.
pub(super) fn dtype(operation: &Operation, args: &[usize], slots: &[Tensor], float: DType) -> DType {
    let first = args.first().map(|&slot| slots[slot].dtype());
    match operation {
        Operation::Argmax(_) | Operation::ArgmaxPool(_) => DType::U32,
        Operation::Reshape(_)
        | Operation::Permute(_)
        | Operation::Broadcast(_)
        | Operation::Slice(_)
        | Operation::Detach(_) => first.filter(|dtype| !dtype.is_float()).unwrap_or(float),
        _ => float,
    }
}

/// All positions of an array of these sizes, in row-major order.
pub(super) fn positions(dims: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let dims = dims.to_vec();
    (0..dims.iter().product::<usize>()).map(move |index| position(index, &dims))
}

fn position(mut index: usize, dims: &[usize]) -> Vec<usize> {
    let mut position = vec![0; dims.len()];
    for (place, size) in position.iter_mut().zip(dims).rev() {
        *place = index % size;
        index /= size;
    }
    position
}

/// Where an element stands in row-major order.
pub(super) fn index(position: &[usize], dims: &[usize]) -> usize {
    position.iter().zip(dims).fold(0, |index, (place, size)| index * size + place)
}
