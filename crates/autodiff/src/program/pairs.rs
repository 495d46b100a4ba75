//! Sums of two alike: f(a) + f(b) as one step, where a primitive has one for it.
//!
//! The product rule makes such sums of every bilinear operation: W ∗ ẋ + Ẇ ∗ x.

use std::sync::Arc;

use super::{Program, Step};
use crate::primitive::{ElementWise, Primitive};

/// The same program with every sum of two steps of one operation, which nothing else uses, as one step.
pub(super) fn pair(program: Program) -> Program {
    let Program { shapes, inputs, steps, outputs } = program;
    let mut uses = vec![0_usize; shapes.len()];
    steps.iter().flat_map(|step| &step.args).chain(&outputs).for_each(|&slot| uses[slot] += 1);
    let mut joint: Vec<Option<Step>> = vec![None; shapes.len()];
    let mut absorbed = vec![false; shapes.len()];
    for (i, step) in steps.iter().enumerate() {
        if let Some((pair, of_two)) =
            summed_pair(step, &steps, inputs).filter(|_| step.args.iter().all(|&arg| uses[arg] == 1))
        {
            let args = pair.iter().flat_map(|step| step.args.iter().copied()).collect();
            joint[inputs + i] = Some(Step::new(of_two, args));
            step.args.iter().for_each(|&arg| absorbed[arg] = true);
        }
    }
    let mut paired =
        Program { shapes: shapes[..inputs].to_vec(), inputs, steps: Vec::new(), outputs: Vec::new() };
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

/// The two steps that a step adds up, and what computes both at once, if they are alike.
fn summed_pair<'a>(
    sum: &Step,
    steps: &'a [Step],
    inputs: usize,
) -> Option<([&'a Step; 2], Arc<dyn Primitive>)> {
    if !matches!(sum.primitive.element_wise(), Some(ElementWise::Add)) {
        return None;
    }
    let &[left, right] = sum.args.as_slice() else { return None };
    let pair = [&steps[left.checked_sub(inputs)?], &steps[right.checked_sub(inputs)?]];
    let of_two = pair[0].primitive.of_two_summed()?;
    let alike = left != right && *pair[0].primitive == *pair[1].primitive;
    alike.then_some((pair, of_two))
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use crate::{ConvSettings, Graph, Place, Program, Result};

    /// 3x3 with many channels, and 5x5 with few; the sum of both terms and its parts by themselves.
    #[test]
    fn two_convolutions_and_their_sum_are_one_step() -> Result<()> {
        for (channels, kernel, samples) in [(16, 3, 5), (3, 5, 20), (3, 5, 2)] {
            let (image, weight) = ([samples, channels, 8, 8], [13, channels, kernel, kernel]);
            let mut graph = Graph::default();
            let inputs = [
                graph.input("x", &image),
                graph.input("w", &weight),
                graph.input("a", &image),
                graph.input("b", &weight),
            ];
            let settings = ConvSettings { padding: 1, ..ConvSettings::default() };
            let first = graph.conv2d(inputs[0], inputs[1], settings)?;
            let second = graph.conv2d(inputs[2], inputs[3], settings)?;
            let sum = graph.add(first, second)?;
            let joint = Program::new(&graph, &inputs, &[sum])?;
            assert_eq!(joint.operations().collect::<Vec<_>>(), ["two conv2d"]);
            let apart = Program::new(&graph, &inputs, &[first, second, sum])?;
            assert_eq!(apart.operations().filter(|name| *name == "conv2d").count(), 2);
            let place = Place { dtype: DType::F64, device: Device::Cpu };
            for lead in [None, Some(2)] {
                let dims = |shape: [usize; 4], lead: Option<usize>| {
                    lead.into_iter().chain(shape).collect::<Vec<_>>()
                };
                let random = |shape, lead| Tensor::randn(0.0_f64, 1.0, dims(shape, lead), &Device::Cpu);
                let values = [
                    random(image, lead)?,
                    random(weight, None)?,
                    random(image, None)?,
                    random(weight, lead)?,
                ];
                let found = joint.evaluate(&place, &values)?.remove(0);
                let expected = apart.evaluate(&place, &values)?.remove(2);
                assert_eq!(found.dims(), expected.dims());
                let error = (found - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
                assert!(error < 1e-11, "{kernel}: {error}");
            }
        }
        Ok(())
    }
}
