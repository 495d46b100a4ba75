//! Operations of plugins, by their definitions.

use candle_core::{DType, Device, Tensor};
use eigenscape_program::Primitive;
use eigenscape_runtime::{Array, Definitions};

use super::{Operand, behind, common_lead};
use crate::Result;

/// Once for each element of the leading axis, in f64.
pub(super) fn evaluate(
    operation: &dyn Primitive,
    dtype: DType,
    definitions: &Definitions,
    args: &[Operand],
) -> Result<Tensor> {
    let shapes: Vec<&[usize]> = args.iter().map(Operand::dims).collect();
    let shape = operation.shape(&shapes)?;
    let numbers = args.iter().map(|arg| arg.tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>());
    let numbers: Vec<Vec<f64>> = numbers.collect::<candle_core::Result<_>>()?;
    let lead = common_lead(args);
    let size = shape.iter().product::<usize>();
    let mut result = vec![0.0; lead.unwrap_or(1) * size];
    for (k, result) in result.chunks_mut(size.max(1)).enumerate() {
        let operands = args.iter().zip(&numbers).map(|(arg, numbers)| {
            let len = arg.dims().iter().product::<usize>();
            let start = if arg.led { k * len } else { 0 };
            Array { dims: arg.dims(), numbers: &numbers[start..start + len] }
        });
        definitions.evaluate(operation, &operands.collect::<Vec<_>>(), result)?;
    }
    Ok(Tensor::from_vec(result, behind(lead, &shape), &Device::Cpu)?.to_dtype(dtype)?)
}
