//! Evaluation of an operation once for each element of the leading axis.

use candle_core::{DType, Device, Tensor};
use eigenscape_program::Primitive;

use crate::{definitions::Array, error::Result};

/// An operand's numbers, with or without the leading axis.
struct Numbers<'a> {
    numbers: Vec<f64>,
    dims: &'a [usize],
    led: bool,
}

impl<'a> Numbers<'a> {
    fn of(&(tensor, led): &'a (&Tensor, bool)) -> Result<Self> {
        let numbers = tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        Ok(Self { numbers, dims: &tensor.dims()[usize::from(led)..], led })
    }

    /// The operand for element k of the leading axis.
    fn at(&self, k: usize) -> Array<'_> {
        let len = self.dims.iter().product::<usize>();
        let start = if self.led { k * len } else { 0 };
        Array { dims: self.dims, numbers: &self.numbers[start..start + len] }
    }
}

/// The result of an operation, computed in f64 and rounded to `dtype`. `evaluate` fills the result
/// for one element of the leading axis. Each operand is paired with whether it has the leading
/// axis.
///
/// # Errors
/// When the operands do not fit the operation, or an evaluation fails.
pub fn each(
    operation: &dyn Primitive,
    args: &[(&Tensor, bool)],
    dtype: DType,
    evaluate: impl Fn(&[Array], &mut [f64]) -> Result<()>,
) -> Result<Tensor> {
    let numbers: Vec<Numbers> = args.iter().map(Numbers::of).collect::<Result<_>>()?;
    let shapes: Vec<&[usize]> = numbers.iter().map(|numbers| numbers.dims).collect();
    let shape = operation.shape(&shapes)?;
    let lead = args.iter().find(|(_, led)| *led).map(|(tensor, _)| tensor.dims()[0]);
    let size = shape.iter().product::<usize>();
    let mut results = vec![0.0; lead.unwrap_or(1) * size];
    for (k, result) in results.chunks_mut(size.max(1)).enumerate() {
        let operands: Vec<Array> = numbers.iter().map(|numbers| numbers.at(k)).collect();
        evaluate(&operands, result)?;
    }
    let dims: Vec<usize> = lead.into_iter().chain(shape).collect();
    Ok(Tensor::from_vec(results, dims, &Device::Cpu)?.to_dtype(dtype)?)
}
