//! Evaluation without a leading axis, once for each element of it.

use candle_core::{DType, Device, Tensor};
use eigenscape_program::Primitive;
use eigenscape_runtime::Array;

use crate::{
    Result,
    evaluate::{Operand, behind, common_lead},
};

/// An operand's numbers, for each element of the leading axis or for all.
struct Numbers<'a> {
    numbers: Vec<f64>,
    operand: &'a Operand<'a>,
}

impl<'a> Numbers<'a> {
    fn of(operand: &'a Operand<'a>) -> Result<Self> {
        let numbers = operand.tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        Ok(Self { numbers, operand })
    }

    /// Those of one element of the leading axis.
    fn at(&self, k: usize) -> Array<'_> {
        let dims = self.operand.dims();
        let len = dims.iter().product::<usize>();
        let start = if self.operand.led { k * len } else { 0 };
        Array { dims, numbers: &self.numbers[start..start + len] }
    }
}

/// The result of an operation of which `evaluate` fills one element of the leading axis, in f64;
/// rounded to `dtype`.
pub(crate) fn each(
    operation: &dyn Primitive,
    args: &[Operand],
    dtype: DType,
    evaluate: impl Fn(&[Array], &mut [f64]) -> Result<()>,
) -> Result<Tensor> {
    let shapes: Vec<&[usize]> = args.iter().map(Operand::dims).collect();
    let shape = operation.shape(&shapes)?;
    let numbers: Vec<Numbers> = args.iter().map(Numbers::of).collect::<Result<_>>()?;
    let lead = common_lead(args);
    let size = shape.iter().product::<usize>();
    let mut results = vec![0.0; lead.unwrap_or(1) * size];
    for (k, result) in results.chunks_mut(size.max(1)).enumerate() {
        let operands: Vec<Array> = numbers.iter().map(|numbers| numbers.at(k)).collect();
        evaluate(&operands, result)?;
    }
    Ok(Tensor::from_vec(results, behind(lead, &shape), &Device::Cpu)?.to_dtype(dtype)?)
}
