//! The specification: evaluates every operation by its definition, element by element.

mod array;
mod operations;
mod scan;

use candle_core::{DType, Device, Tensor};
use eigenscape_runtime::{
    Backend, Buffer, Definitions, Error, Fusion, Kernel, Plan, PlannedStep, Planning, Workspace, each,
};

use crate::{Result, backend::on_host};

/// What plans for [`Plain`] depend on: each step allocates what it needs.
const PLANNING: Planning = Planning::of_host(Fusion::NONE, Workspace::new("plain", |_, _, _, _| 0));

/// The reference backend: scalar loops in f64 on one thread, without fusion, and separate memory
/// for each result. Other backends are compared with it.
#[derive(Debug, Clone, Default)]
pub struct Plain {
    definitions: Definitions,
}

impl Plain {
    /// A backend that also evaluates plugin operations, by their definitions.
    #[must_use]
    pub fn with(definitions: Definitions) -> Self {
        Self { definitions }
    }

    /// Evaluates one step, rounded to the step's type.
    fn step(&self, plan: &Plan, step: &PlannedStep, slots: &[Tensor]) -> Result<Tensor> {
        let operand = |&slot: &usize| (&slots[slot], plan.is_led(slot));
        let operands: Vec<(&Tensor, bool)> = step.args.iter().map(operand).collect();
        match &step.kernel {
            Kernel::Operation(operation) => each(operation.rules(), &operands, step.dtype, |args, result| {
                operations::evaluate(operation, &self.definitions, args, result)
            }),
            Kernel::Scan(lowered) => each(&lowered.scan, &operands, step.dtype, |args, result| {
                scan::evaluate(&lowered.scan, &self.definitions, args, result)
            }),
            fused => Err(Error::unsupported(format!("{}: nothing is fused here", fused.name()))),
        }
    }
}

/// Converts a floating-point tensor to `dtype`; indices (tokens, argmaxes) keep their type.
fn in_type(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    Ok(if tensor.dtype().is_float() { tensor.to_dtype(dtype)? } else { tensor.clone() })
}

impl Backend for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn planning(&self) -> Planning {
        PLANNING
    }

    fn run(&self, plan: &Plan, inputs: Vec<Buffer>) -> Result<Vec<Buffer>> {
        let inputs = Buffer::all_to_host(inputs)?;
        let signature = plan.signature();
        let mut slots = inputs.clone();
        for input in &mut slots {
            *input = in_type(input, signature.compute)?;
        }
        for step in plan.steps() {
            let result = self.step(plan, step, &slots)?;
            slots.push(result);
        }
        // An output that is an input is returned unconverted.
        let output = |&slot: &usize| match inputs.get(slot) {
            Some(input) => Ok(input.clone().into()),
            None => Ok(in_type(&slots[slot], signature.outputs)?.into()),
        };
        plan.outputs().iter().map(output).collect()
    }

    fn join(&self, terms: &[(f64, Vec<Buffer>)], lens: &[usize], k: usize, dtype: DType) -> Result<Buffer> {
        let mut sum = vec![0.0; k * lens.iter().sum::<usize>()];
        let total = lens.iter().sum::<usize>();
        for (factor, parts) in on_host(terms)? {
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
        Ok(Tensor::from_vec(sum, (k, total), &Device::Cpu)?.to_dtype(dtype)?.into())
    }

    fn own(&self, results: Vec<Buffer>, _: &[Buffer]) -> Result<Vec<Buffer>> {
        Ok(results)
    }

    fn recycle(&self, _: &[Buffer]) {}

    fn release(&self) {}
}
