//! The CPU backend.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use eigenscape_program::Operation;
use eigenscape_runtime::{Backend, Buffer, Definitions, Fusion, Kernel, Plan, PlannedStep};

use crate::{
    Result,
    evaluate::{Operand, evaluate, scan},
    kernels,
};

/// Runs plans on the CPU, on all threads of the pool.
#[derive(Debug, Clone, Default)]
pub struct Cpu {
    definitions: Definitions,
}

impl Cpu {
    /// The backend, for a point: without operations of plugins.
    #[must_use]
    pub fn shared() -> Arc<dyn Backend> {
        Arc::new(Self::default())
    }

    /// A backend that also knows operations of plugins, by their definitions.
    #[must_use]
    pub fn with(definitions: Definitions) -> Self {
        Self { definitions }
    }

    /// The result of a step, given the values of the slots before it.
    fn step(&self, plan: &Plan, step: &PlannedStep, slots: &[Option<Tensor>]) -> Result<Tensor> {
        let compute = plan.signature().compute;
        let value = |&slot: &usize| Some(in_type(slots[slot].as_ref()?, compute));
        let tensors: Vec<Tensor> = step.args.iter().filter_map(value).collect::<Result<_>>()?;
        if let Some(over) = step.over {
            return kernels::add_onto(&tensors[over], &tensors[1 - over]);
        }
        if is_allocated_elsewhere(&step.kernel) {
            kernels::make_room(step.bytes);
        }
        let operands = tensors.iter().zip(&step.args);
        let operands = operands.map(|(tensor, &slot)| Operand { tensor, led: plan.is_led(slot) });
        let operands: Vec<Operand> = operands.collect();
        let result = match (&step.kernel, &step.body) {
            (Kernel::Scan(lowered), Some(body)) => scan(self, &lowered.scan, body, &operands)?,
            (kernel, _) => evaluate(kernel, compute, &self.definitions, &operands)?,
        };
        // What the plan says of later views of it rests on this.
        Ok(if step.view { result } else { result.contiguous()? })
    }
}

/// Whether Candle allocates the result, and not the pool of dead results: room is made there first.
fn is_allocated_elsewhere(kernel: &Kernel) -> bool {
    matches!(
        kernel,
        Kernel::Operation(
            Operation::Scale(_) | Operation::Concat(_) | Operation::Pad(_) | Operation::Reshape(_)
        )
    )
}

/// A tensor in a floating-point type; indices (tokens, argmaxes) stay what they are.
pub(crate) fn in_type(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    if !tensor.dtype().is_float() || tensor.dtype() == dtype {
        return Ok(tensor.clone());
    }
    kernels::make_room(tensor.elem_count() * dtype.size_in_bytes());
    Ok(tensor.to_dtype(dtype)?)
}

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn fusion(&self) -> Fusion {
        Fusion::ALL
    }

    fn run(&self, plan: &Plan, inputs: Vec<Buffer>) -> Result<Vec<Buffer>> {
        let mut slots: Vec<Option<Tensor>> = Buffer::all_to_host(inputs)?.into_iter().map(Some).collect();
        for step in plan.steps() {
            let result = self.step(plan, step, &slots)?;
            slots.push(Some(result));
            for &slot in &step.dead {
                let dead = slots[slot].take();
                if step.frees.contains(&slot)
                    && let Some(tensor) = dead
                {
                    kernels::recycle(&tensor);
                }
            }
            for &(slot, frees) in &step.rounds {
                let Some(exact) = slots[slot].take() else { continue };
                slots[slot] = Some(in_type(&exact, plan.signature().outputs)?);
                if frees {
                    kernels::recycle(&exact);
                }
            }
        }
        Ok(plan.outputs().iter().filter_map(|&slot| slots[slot].clone()).map(Buffer::from).collect())
    }

    fn join(&self, terms: &[(f64, Vec<Buffer>)], lens: &[usize], k: usize, dtype: DType) -> Result<Buffer> {
        Ok(kernels::join(&on_host(terms)?, lens, k, dtype)?.into())
    }

    fn own(&self, results: Vec<Buffer>, others: &[Buffer]) -> Result<Vec<Buffer>> {
        let others: Vec<Tensor> = others.iter().filter_map(Buffer::host).cloned().collect();
        let owned = kernels::owned(Buffer::all_to_host(results)?, &others)?;
        Ok(owned.into_iter().map(Buffer::from).collect())
    }

    fn recycle(&self, buffers: &[Buffer]) {
        buffers.iter().filter_map(Buffer::host).for_each(kernels::recycle);
    }

    fn release(&self) {
        kernels::release();
    }
}

/// The terms of a sum as tensors.
pub(crate) fn on_host(terms: &[(f64, Vec<Buffer>)]) -> Result<Vec<(f64, Vec<Tensor>)>> {
    let parts = |parts: &[Buffer]| parts.iter().map(Buffer::to_host).collect::<Result<_>>();
    terms.iter().map(|(factor, of_term)| Ok((*factor, parts(of_term)?))).collect()
}
