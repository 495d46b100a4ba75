//! The specification: every operation by its definition, element by element.

mod array;
mod operations;

use candle_core::{DType, Device, Tensor};
use eigenscape_runtime::{Array, Backend, Definitions, Error, Fusion, Kernel, Plan, PlannedStep};

use self::array::Numbers;
use crate::{Result, run::in_type};

/// A backend of loops, in f64 on one thread: no vectors, no fusion, and memory of its own for each
/// result. Other backends are compared with it.
#[derive(Debug, Clone, Default)]
pub struct Plain {
    definitions: Definitions,
}

impl Plain {
    /// A backend that also knows operations of plugins, by their definitions.
    #[must_use]
    pub fn with(definitions: Definitions) -> Self {
        Self { definitions }
    }

    /// One step, once for each element of the leading axis, rounded to the type in which the plan
    /// computes.
    fn step(&self, plan: &Plan, step: &PlannedStep, slots: &[Tensor]) -> Result<Tensor> {
        let Kernel::Operation(operation) = &step.kernel else {
            return Err(Error::unsupported(format!("{}: nothing is fused here", step.kernel.name())));
        };
        let signature = plan.signature();
        let operands = step.args.iter().map(|&slot| Numbers::of(&slots[slot], plan.is_led(slot)));
        let operands: Vec<Numbers> = operands.collect::<Result<_>>()?;
        let led = operands.iter().any(|operand| operand.led);
        let count = if led { signature.lead } else { 1 };
        let shapes: Vec<&[usize]> = operands.iter().map(|operand| operand.dims.as_slice()).collect();
        let shape = operation.rules().shape(&shapes)?;
        let size = shape.iter().product::<usize>();
        let mut results = vec![0.0; count * size];
        for (k, result) in results.chunks_mut(size.max(1)).enumerate() {
            let args: Vec<Array> = operands.iter().map(|operand| operand.at(k)).collect();
            operations::evaluate(operation, &self.definitions, &args, result)?;
        }
        let dims: Vec<usize> = led.then_some(count).into_iter().chain(shape.iter().copied()).collect();
        let dtype = array::dtype(operation, &step.args, slots, signature.compute);
        Ok(Tensor::from_vec(results, dims, &Device::Cpu)?.to_dtype(dtype)?)
    }
}

impl Backend for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn fusion(&self) -> Fusion {
        Fusion::NONE
    }

    fn run(&self, plan: &Plan, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let signature = plan.signature();
        let mut slots = inputs.clone();
        for input in &mut slots {
            *input = in_type(input, signature.compute)?;
        }
        for step in plan.steps() {
            let result = self.step(plan, step, &slots)?;
            slots.push(result);
        }
        // An input among the outputs is what it was.
        let output = |&slot: &usize| match inputs.get(slot) {
            Some(input) => Ok(input.clone()),
            None => in_type(&slots[slot], signature.outputs),
        };
        plan.outputs().iter().map(output).collect()
    }

    fn join(&self, terms: &[(f64, Vec<Tensor>)], lens: &[usize], k: usize, dtype: DType) -> Result<Tensor> {
        let mut sum = vec![0.0; k * lens.iter().sum::<usize>()];
        let total = lens.iter().sum::<usize>();
        for (factor, parts) in terms {
            let mut start = 0;
            for (part, &len) in parts.iter().zip(lens) {
                let part = part.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
                for row in 0..k {
                    let from = if part.len() == len { 0 } else { row * len };
                    for i in 0..len {
                        sum[row * total + start + i] += factor * part[from + i];
                    }
                }
                start += len;
            }
        }
        Ok(Tensor::from_vec(sum, (k, total), &Device::Cpu)?.to_dtype(dtype)?)
    }

    fn own(&self, results: Vec<Tensor>, _: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(results)
    }

    fn recycle(&self, _: &[Tensor]) {}

    fn release(&self) {}
}
