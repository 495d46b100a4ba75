//! Fusion: chains of element-wise steps, and the sum at their end, become one step that passes over memory once.

use std::sync::Arc;

use candle_core::Tensor;

use super::{Program, Step};
use crate::{
    error::Result,
    kernels::{self, Instruction},
    primitive::{ElementWise, Linearity, Operand, Place, Primitive},
};

/// Operands of a chain, at most: their blocks share a core's first cache.
const MOST_OPERANDS: usize = 12;

/// A chain as an operation of the operands at its ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Fused {
    code: Vec<Instruction>,
    /// The shape of the chain's result.
    shape: Vec<usize>,
    /// The axes that are summed at last.
    sum: Option<Vec<usize>>,
    flops: usize,
}

impl Primitive for Fused {
    fn name(&self) -> &'static str {
        "fused"
    }

    fn shape(&self, _: &[&[usize]]) -> Result<Vec<usize>> {
        let kept = |axis: usize| !self.sum.as_ref().is_some_and(|axes| axes.contains(&axis));
        Ok(self.shape.iter().enumerate().map(|(axis, &size)| if kept(axis) { size } else { 1 }).collect())
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let lead = args.iter().find_map(Operand::batch);
        let dims: Vec<usize> = lead.into_iter().chain(self.shape.iter().copied()).collect();
        let operands: Vec<&Tensor> = args.iter().map(|arg| arg.tensor).collect();
        match &self.sum {
            None => kernels::fused(&self.code, &operands, &dims),
            Some(axes) => {
                let axes: Vec<usize> = axes.iter().map(|axis| axis + usize::from(lead.is_some())).collect();
                kernels::fused_sum(&self.code, &operands, &dims, &axes)
            }
        }
    }

    fn linearity(&self) -> Linearity {
        Linearity::Nonlinear
    }

    fn flops(&self, _: &[&[usize]], _: &[usize]) -> usize {
        self.flops
    }
}

/// The same program with each element-wise step joined to the step that uses it, where only one does and that one is element-wise or a
/// sum.
pub(super) fn fuse(program: Program) -> Program {
    let absorbed = absorbed(&program);
    let Program { shapes, inputs, ref steps, ref outputs } = program;
    let mut fused =
        Program { shapes: shapes[..inputs].to_vec(), inputs, steps: Vec::new(), outputs: Vec::new() };
    let mut places: Vec<usize> = (0..inputs).collect();
    for (i, step) in steps.iter().enumerate() {
        let slot = inputs + i;
        places.push(fused.shapes.len());
        if absorbed[slot] {
            continue;
        }
        let (primitive, args) = if step.args.iter().any(|&arg| absorbed[arg]) {
            chain(slot, steps, inputs, &shapes, &absorbed)
        } else {
            (step.primitive.clone(), step.args.clone())
        };
        let args = args.into_iter().map(|arg| places[arg]).collect();
        fused.steps.push(Step::new(primitive, args));
        fused.shapes.push(shapes[slot].clone());
    }
    fused.outputs = outputs.iter().map(|&slot| places[slot]).collect();
    fused
}

/// Which slots become part of the only step that uses them, or of all, where they are better made again.
fn absorbed(program: &Program) -> Vec<bool> {
    let mut uses = vec![0; program.shapes.len()];
    let args = program.steps.iter().flat_map(|step| &step.args);
    args.chain(&program.outputs).for_each(|&slot| uses[slot] += 1);
    let joins =
        |step: &Step| step.primitive.element_wise().is_some() || step.primitive.summed_axes().is_some();
    // Slots that are an output, or that a step uses which is no part of a chain.
    let mut needed = vec![false; program.shapes.len()];
    let args = program.steps.iter().filter(|step| !joins(step)).flat_map(|step| &step.args);
    args.chain(&program.outputs).for_each(|&slot| needed[slot] = true);
    let mut absorbed = vec![false; program.shapes.len()];
    // Operands of the chain that ends in a slot.
    let mut operands = vec![1; program.shapes.len()];
    for (i, step) in program.steps.iter().enumerate() {
        if !joins(step) {
            continue;
        }
        let mut count = step.args.len();
        for &arg in &step.args {
            let element_wise =
                arg.checked_sub(program.inputs).and_then(|i| program.steps[i].primitive.element_wise());
            let more = operands[arg] - 1;
            let again = element_wise.is_some_and(ElementWise::is_made_again) && !needed[arg] && more == 0;
            if element_wise.is_some() && (uses[arg] == 1 || again) && count + more <= MOST_OPERANDS {
                absorbed[arg] = true;
                count += more;
            }
        }
        operands[program.inputs + i] = count;
    }
    absorbed
}

/// The chain that ends in `slot`, and its operands.
fn chain(
    end: usize,
    steps: &[Step],
    inputs: usize,
    shapes: &[Vec<usize>],
    absorbed: &[bool],
) -> (Arc<dyn Primitive>, Vec<usize>) {
    let last = &steps[end - inputs];
    let sum = last.primitive.summed_axes().map(<[usize]>::to_vec);
    let shape = if sum.is_some() { &shapes[last.args[0]] } else { &shapes[end] };
    let mut fused = Fused { code: Vec::new(), shape: shape.clone(), sum, flops: 0 };
    let mut operands = Vec::new();
    // A step is met twice: before its operands, and when they are on the stack.
    let mut pending = vec![(end, false)];
    while let Some((slot, operands_done)) = pending.pop() {
        let Some(step) =
            slot.checked_sub(inputs).map(|i| &steps[i]).filter(|_| slot == end || absorbed[slot])
        else {
            let known = operands.iter().position(|&operand| operand == slot);
            fused.code.push(Instruction::Operand(known.unwrap_or(operands.len())));
            if known.is_none() {
                operands.push(slot);
            }
            continue;
        };
        if operands_done {
            let args: Vec<&[usize]> = step.args.iter().map(|&arg| shapes[arg].as_slice()).collect();
            fused.flops += step.primitive.flops(&args, &shapes[slot]);
            fused.code.extend(step.primitive.element_wise().map(Instruction::Apply));
        } else {
            pending.push((slot, true));
            pending.extend(step.args.iter().rev().map(|&arg| (arg, false)));
        }
    }
    (Arc::new(fused), operands)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::{ElementwiseFunction, Graph, Real};

    /// The mask of a ReLU is neither kept nor written: both chains read the ReLU's result.
    #[test]
    fn steps_are_made_again_in_every_chain_that_uses_them() -> Result<()> {
        let mut graph = Graph::default();
        let (x, v) = (graph.input("x", &[3, 4]), graph.input("v", &[3, 4]));
        let y = graph.function(ElementwiseFunction::Relu, x)?;
        let mask = graph.function(ElementwiseFunction::Step { slope: Real(0.0) }, y)?;
        let masked = graph.mul(v, mask)?;
        let half = graph.scale(masked, 0.5)?;
        let sum = graph.sum(half, &[0])?;
        let twice = graph.mul(v, v)?;
        let other = graph.mul(twice, mask)?;
        let (prefix, linear) = Program::split(&graph, &[x], &[v], &[sum, other])?;
        assert_eq!(prefix.operations().collect::<Vec<_>>(), ["relu"]);
        assert_eq!(linear.operations().collect::<Vec<_>>(), ["fused", "fused"]);
        // Where something else needs it, too, it is written once.
        let kept = Program::new(&graph, &[y, v], &[sum, other, mask])?;
        assert_eq!(kept.operations().collect::<Vec<_>>(), ["step", "fused", "fused"]);
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        let [x, v] = [0, 1].map(|_| Tensor::randn(0.0_f64, 1.0, (3, 4), &Device::Cpu));
        let (x, v) = (x?, v?);
        let residuals = prefix.evaluate(&place, std::slice::from_ref(&x))?;
        let found = linear.evaluate(&place, &[residuals[0].clone(), v.clone()])?;
        let mask = x.gt(0.0)?.to_dtype(DType::F64)?;
        let expected = [((&v * &mask)? * 0.5)?.sum_keepdim(0)?, (v.sqr()? * &mask)?];
        for (found, expected) in found.iter().zip(&expected) {
            let error = (found - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(error < 1e-15, "{error}");
        }
        Ok(())
    }

    #[test]
    fn chains_and_the_sums_behind_them_become_one_step() -> Result<()> {
        let mut graph = Graph::default();
        let (x, y) = (graph.input("x", &[4, 3]), graph.input("y", &[3]));
        let wide = graph.broadcast_along(y, 1, &[4, 3])?;
        let product = graph.mul(x, wide)?;
        let half = graph.scale(product, 0.5)?;
        let twice = graph.add(half, x)?; // used twice: stays
        let square = graph.mul(twice, twice)?;
        let sum = graph.sum(square, &[0])?;
        let program = Program::new(&graph, &[x, y], &[twice, sum])?;
        assert_eq!(program.operations().collect::<Vec<_>>(), ["reshape", "broadcast", "fused", "fused"]);
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        for lead in [None, Some(2)] {
            let dims: Vec<usize> = lead.into_iter().chain([4, 3]).collect();
            let x = Tensor::randn(0.0_f64, 1.0, dims, &Device::Cpu)?;
            let y = Tensor::randn(0.0_f64, 1.0, 3, &Device::Cpu)?;
            let found = program.evaluate(&place, &[x.clone(), y.clone()])?;
            let twice = ((x.broadcast_mul(&y)? * 0.5)? + &x)?;
            let sum = twice.sqr()?.sum_keepdim(lead.map_or(0, |_| 1))?;
            for (found, expected) in found.iter().zip([twice, sum]) {
                let error = (found - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
                assert!(error < 1e-14, "{error}");
            }
        }
        Ok(())
    }
}
