//! Fusion: chains of element-wise steps, and the sum at their end, become one step that passes over
//! memory once.

use crate::{
    facts::{element_wise, summed_axes},
    kernel::{Chain, ElementWise, Instruction, Kernel},
    lowered::{Lowered, LoweredStep},
};

/// The most operands of a chain: one block of each must fit in a core's L1 cache.
const MOST_OPERANDS: usize = 12;

fn of_element(step: &LoweredStep) -> Option<ElementWise> {
    match &step.kernel {
        Kernel::Operation(operation) => element_wise(operation),
        _ => None,
    }
}

fn of_axes(step: &LoweredStep) -> Option<&[usize]> {
    match &step.kernel {
        Kernel::Operation(operation) => summed_axes(operation),
        _ => None,
    }
}

/// Joins each element-wise step to the only step that uses it, if that step is element-wise or a
/// sum.
pub(crate) fn fuse(program: Lowered) -> Lowered {
    let absorbed = absorbed(&program);
    let Lowered { shapes, inputs, ref steps, ref outputs, workspace } = program;
    let mut fused = Lowered {
        shapes: shapes[..inputs].to_vec(),
        inputs,
        steps: Vec::new(),
        outputs: Vec::new(),
        workspace,
    };
    let mut places: Vec<usize> = (0..inputs).collect();
    for (i, step) in steps.iter().enumerate() {
        let slot = inputs + i;
        places.push(fused.shapes.len());
        if absorbed[slot] {
            continue;
        }
        let (kernel, args) = if step.args.iter().any(|&arg| absorbed[arg]) {
            chain(slot, steps, inputs, &shapes, &absorbed)
        } else {
            (step.kernel.clone(), step.args.clone())
        };
        let args = args.into_iter().map(|arg| places[arg]).collect();
        fused.steps.push(LoweredStep { kernel, args });
        fused.shapes.push(shapes[slot].clone());
    }
    fused.outputs = outputs.iter().map(|&slot| places[slot]).collect();
    fused
}

/// The slots that become part of the only step that uses them or, if rematerialised, of every step
/// that uses them.
fn absorbed(program: &Lowered) -> Vec<bool> {
    let mut uses = vec![0; program.shapes.len()];
    let args = program.steps.iter().flat_map(|step| &step.args);
    args.chain(&program.outputs).for_each(|&slot| uses[slot] += 1);
    let joins = |step: &LoweredStep| of_element(step).is_some() || of_axes(step).is_some();
    // Slots that are an output, or that are used by a step outside chains.
    let mut needed = vec![false; program.shapes.len()];
    let args = program.steps.iter().filter(|step| !joins(step)).flat_map(|step| &step.args);
    args.chain(&program.outputs).for_each(|&slot| needed[slot] = true);
    let mut absorbed = vec![false; program.shapes.len()];
    // The number of operands of the chain that ends in each slot.
    let mut operands = vec![1; program.shapes.len()];
    for (i, step) in program.steps.iter().enumerate() {
        if !joins(step) {
            continue;
        }
        let mut count = step.args.len();
        for &arg in &step.args {
            let element_wise = arg.checked_sub(program.inputs).and_then(|i| of_element(&program.steps[i]));
            let more = operands[arg] - 1;
            let again = element_wise.is_some_and(ElementWise::is_rematerialised) && !needed[arg] && more == 0;
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
    steps: &[LoweredStep],
    inputs: usize,
    shapes: &[Vec<usize>],
    absorbed: &[bool],
) -> (Kernel, Vec<usize>) {
    let last = &steps[end - inputs];
    let sum = of_axes(last).map(<[usize]>::to_vec);
    let shape = if sum.is_some() { &shapes[last.args[0]] } else { &shapes[end] };
    let mut chain = Chain { code: Vec::new(), shape: shape.clone(), sum };
    let mut operands = Vec::new();
    // Each step is visited twice: before its operands, and after them.
    let mut pending = vec![(end, false)];
    while let Some((slot, operands_done)) = pending.pop() {
        let Some(step) =
            slot.checked_sub(inputs).map(|i| &steps[i]).filter(|_| slot == end || absorbed[slot])
        else {
            let known = operands.iter().position(|&operand| operand == slot);
            chain.code.push(Instruction::Operand(known.unwrap_or(operands.len())));
            if known.is_none() {
                operands.push(slot);
            }
            continue;
        };
        if operands_done {
            chain.code.extend(of_element(step).map(Instruction::Apply));
        } else {
            pending.push((slot, true));
            pending.extend(step.args.iter().rev().map(|&arg| (arg, false)));
        }
    }
    (Kernel::Chain(chain), operands)
}
