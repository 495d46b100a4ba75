//! Fuses f(a) + f(b) into one step, for convolutions and matrix products.
//!
//! The product rule gives such a sum for every bilinear operation: W ∗ ẋ + Ẇ ∗ x.

use eigenscape_program::Operation;

use crate::{
    backend::Fusion,
    kernel::Kernel,
    lowered::{Lowered, LoweredStep},
};

/// Fuses every sum of two results of the same operation into one step where `fusion` allows it and
/// nothing else uses the two.
pub(crate) fn pair(program: Lowered, fusion: Fusion) -> Lowered {
    if !fusion.convolutions && !fusion.products {
        return program;
    }
    let Lowered { shapes, inputs, steps, outputs, workspace } = program;
    let mut uses = vec![0_usize; shapes.len()];
    steps.iter().flat_map(|step| &step.args).chain(&outputs).for_each(|&slot| uses[slot] += 1);
    let mut joint: Vec<Option<LoweredStep>> = vec![None; shapes.len()];
    let mut absorbed = vec![false; shapes.len()];
    for (i, step) in steps.iter().enumerate() {
        let used_once = || step.args.iter().all(|&arg| uses[arg] == 1);
        let summed = summed_pair(step, &steps, inputs, fusion);
        if let Some((pair, kernel)) = summed.filter(|_| used_once()) {
            let args = pair.iter().flat_map(|step| step.args.iter().copied()).collect();
            joint[inputs + i] = Some(LoweredStep { kernel, args });
            step.args.iter().for_each(|&arg| absorbed[arg] = true);
        }
    }
    let mut paired = Lowered {
        shapes: shapes[..inputs].to_vec(),
        inputs,
        steps: Vec::new(),
        outputs: Vec::new(),
        workspace,
    };
    let mut places: Vec<usize> = (0..inputs).collect();
    for (i, step) in steps.into_iter().enumerate() {
        let slot = inputs + i;
        places.push(paired.shapes.len());
        if !absorbed[slot] {
            let mut step = joint[slot].take().unwrap_or(step);
            step.args.iter_mut().for_each(|arg| *arg = places[*arg]);
            paired.steps.push(step);
            paired.shapes.push(shapes[slot].clone());
        }
    }
    paired.outputs = outputs.iter().map(|&slot| places[slot]).collect();
    paired
}

/// The two steps that `sum` adds, if both are the same operation, and the kernel of their sum.
fn summed_pair<'a>(
    sum: &LoweredStep,
    steps: &'a [LoweredStep],
    inputs: usize,
    fusion: Fusion,
) -> Option<([&'a LoweredStep; 2], Kernel)> {
    if !matches!(sum.kernel, Kernel::Operation(Operation::Add(_))) {
        return None;
    }
    let &[left, right] = sum.args.as_slice() else { return None };
    let pair = [&steps[left.checked_sub(inputs)?], &steps[right.checked_sub(inputs)?]];
    if left == right || pair[0].kernel != pair[1].kernel {
        return None;
    }
    match &pair[0].kernel {
        Kernel::Operation(Operation::Conv2d(convolution)) if fusion.convolutions => {
            Some((pair, Kernel::TwoConvolutions(convolution.clone())))
        }
        Kernel::Operation(Operation::MatMul(product)) if fusion.products => {
            Some((pair, Kernel::TwoProducts(product.clone())))
        }
        _ => None,
    }
}
