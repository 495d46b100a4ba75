//! Programs: a graph cut down to what its outputs need, ready to be evaluated.

mod fuse;
mod memory;
mod owners;
mod pairs;
mod traffic;

use std::{collections::HashMap, sync::Arc};

use candle_core::{DType, Tensor};

use self::{fuse::fuse, owners::Owners, pairs::pair};
use crate::{
    Graph, Value,
    error::{Error, Result},
    kernels,
    primitive::{Operand, Place, Primitive},
};

#[derive(Debug, Clone)]
struct Step {
    primitive: Arc<dyn Primitive>,
    args: Vec<usize>,
    /// Slots whose last use this is.
    dead: Vec<usize>,
    /// Outputs that no later step uses, nor makes.
    finished: Vec<usize>,
}

impl Step {
    fn new(primitive: Arc<dyn Primitive>, args: Vec<usize>) -> Self {
        Self { primitive, args, dead: Vec::new(), finished: Vec::new() }
    }
}

/// A closed program: inputs, steps in order, outputs. Dead code is gone, and a result is dropped after its last use.
#[derive(Debug, Clone)]
pub struct Program {
    /// The declared shape of each slot: the inputs first, then one slot a step.
    shapes: Vec<Vec<usize>>,
    inputs: usize,
    steps: Vec<Step>,
    outputs: Vec<usize>,
}

impl Program {
    /// What `outputs` need, given `inputs` (any values of the graph: nothing behind them is computed).
    ///
    /// # Errors
    /// When an input of the graph is needed that is not among `inputs`, or a value is one of another graph.
    pub fn new(graph: &Graph, inputs: &[Value], outputs: &[Value]) -> Result<Self> {
        graph.check("program", &[inputs, outputs].concat())?;
        let mut slots: HashMap<Value, usize> = inputs.iter().enumerate().map(|(i, v)| (*v, i)).collect();
        let mut shapes: Vec<Vec<usize>> = inputs.iter().map(|v| graph.shape(*v).to_vec()).collect();
        let mut steps = Vec::new();
        for value in graph.ancestors(outputs, inputs) {
            if slots.contains_key(&value) {
                continue;
            }
            let node = graph.operation(value).ok_or_else(|| {
                Error::Unsupported(format!("{} is needed and not given", graph.describe(value)))
            })?;
            let args = node.args.iter().map(|arg| slots[arg]).collect();
            slots.insert(value, shapes.len());
            shapes.push(graph.shape(value).to_vec());
            steps.push(Step::new(node.primitive, args));
        }
        let outputs: Vec<usize> = outputs.iter().map(|value| slots[value]).collect();
        let mut program = fuse(pair(Self { shapes, inputs: inputs.len(), steps, outputs }));
        mark_last_uses(&mut program.steps, program.inputs, &program.outputs);
        Ok(program)
    }

    /// Partial evaluation: the program from `fixed` and `varying` inputs to `outputs` as two programs. The first computes,
    /// from the fixed inputs alone, every residual that the second needs; the second has the residuals, then the varying
    /// inputs, as its inputs. A view is made again where it is needed, and so is a derivative of max(x, 0): what is kept is what it is made from.
    ///
    /// # Errors
    /// When an input of the graph is needed that is in neither list.
    pub fn split(
        graph: &Graph,
        fixed: &[Value],
        varying: &[Value],
        outputs: &[Value],
    ) -> Result<(Self, Self)> {
        let depends = graph.dependents(varying);
        let constant = |value: &Value| !depends[value.index()];
        let mut constants: Vec<Value> = outputs.iter().copied().filter(constant).collect();
        for value in graph.ancestors(outputs, varying) {
            if depends[value.index()] {
                constants.extend(graph.args(value).iter().copied().filter(constant));
            }
        }
        let mut residuals: Vec<Value> =
            constants.into_iter().filter_map(|value| graph.kept_for(value)).collect();
        residuals.sort_unstable();
        residuals.dedup();
        let prefix = Self::new(graph, fixed, &residuals)?;
        let inputs: Vec<Value> = residuals.iter().chain(varying).copied().collect();
        Ok((prefix, Self::new(graph, &inputs, outputs)?))
    }

    /// Evaluates the program on `inputs`. An input may have one more leading axis than declared (many tangents,
    /// cotangents or samples), of the same size for all inputs that have it; every output that depends on one of them then has that
    /// axis too.
    ///
    /// # Errors
    /// When an input's shape is not the declared one, leading axes differ or are empty, or a tensor operation fails.
    pub fn evaluate(&self, place: &Place, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.evaluate_owned(place, inputs.to_vec())
    }

    /// As [`Self::evaluate`]; each input is dropped after its last use.
    pub(crate) fn evaluate_owned(&self, place: &Place, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        self.evaluate_rounded(place, inputs, place.dtype)
    }

    /// As [`Self::evaluate_owned`]; each output that is not an input is rounded to `dtype` when no step needs it any more. Inputs of another
    /// floating-point type are converted by each step that uses them: a copy of all weights would be held all the time.
    pub(crate) fn evaluate_rounded(
        &self,
        place: &Place,
        inputs: Vec<Tensor>,
        dtype: DType,
    ) -> Result<Vec<Tensor>> {
        self.check(&inputs)?;
        let mut owners = Owners::new(&inputs);
        let mut slots: Vec<Option<Tensor>> = inputs.into_iter().map(Some).collect();
        for step in &self.steps {
            let result = {
                let operand = |&slot: &usize| {
                    let tensor = slots[slot].as_ref()?;
                    let batched = tensor.rank() > self.shapes[slot].len();
                    let once = step.args.iter().filter(|&&arg| arg == slot).count() == 1;
                    let dead = once && step.dead.contains(&slot) && owners.is_alone(slot);
                    Some(in_type(tensor, place.dtype).map(|tensor| (tensor, batched, dead)))
                };
                let tensors: Vec<_> = step.args.iter().filter_map(operand).collect::<Result<_>>()?;
                let operands = tensors.iter();
                let operands = operands.map(|&(ref tensor, batched, dead)| Operand { tensor, batched, dead });
                let operands: Vec<Operand> = operands.collect();
                step.primitive.eval(place, &operands)?
            };
            owners.push(&result, &step.args);
            slots.push(Some(result));
            for &slot in &step.dead {
                let dead = slots[slot].take();
                if let (Some(tensor), true) = (dead, owners.release(slot)) {
                    kernels::recycle(&tensor);
                }
            }
            for &slot in &step.finished {
                let Some(exact) = &slots[slot] else { continue };
                if is_other(exact, dtype) {
                    let rounded = in_type(exact, dtype)?;
                    let exact = slots[slot].replace(rounded);
                    if let (Some(exact), true) = (exact, owners.release(slot)) {
                        kernels::recycle(&exact);
                    }
                }
            }
        }
        Ok(self.outputs.iter().filter_map(|&slot| slots[slot].clone()).collect())
    }

    /// How many inputs there are.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The declared shapes of the outputs.
    pub fn output_shapes(&self) -> impl Iterator<Item = &[usize]> {
        self.outputs.iter().map(|&slot| self.shapes[slot].as_slice())
    }

    /// Floating-point operations of one evaluation with no leading axis.
    #[must_use]
    pub fn flops(&self) -> usize {
        let shape = |slot: usize| self.shapes[slot].as_slice();
        let flops = |(i, step): (usize, &Step)| {
            let args: Vec<&[usize]> = step.args.iter().map(|&slot| shape(slot)).collect();
            step.primitive.flops(&args, shape(self.inputs + i))
        };
        self.steps.iter().enumerate().map(flops).sum()
    }

    /// The names of the operations in order, for tests and profiles.
    pub fn operations(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.steps.iter().map(|step| step.primitive.name())
    }

    fn check(&self, inputs: &[Tensor]) -> Result<()> {
        if inputs.len() != self.inputs {
            let problem = format!("{} inputs instead of {}", inputs.len(), self.inputs);
            return Err(Error::shape("program", problem));
        }
        let mut lead = None;
        for (i, (input, declared)) in inputs.iter().zip(&self.shapes).enumerate() {
            let dims = input.dims();
            if dims == declared {
                continue;
            }
            let problem = match dims.split_first() {
                Some((0, rest)) if rest == declared => format!("the leading axis of input {i} is empty"),
                Some((&size, rest)) if rest == declared => match lead.replace(size) {
                    Some(other) if other != size => {
                        format!("leading axes differ: {size} of input {i}, {other} of one before it")
                    }
                    _ => continue,
                },
                _ => format!("input {i} has shape {dims:?} instead of {declared:?}"),
            };
            return Err(Error::shape("program", problem));
        }
        Ok(())
    }
}

/// Whether a tensor is of another floating-point type: indices (tokens, argmaxes) stay what they are.
fn is_other(tensor: &Tensor, dtype: DType) -> bool {
    tensor.dtype() != dtype && tensor.dtype().is_float()
}

fn in_type(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    Ok(if is_other(tensor, dtype) { tensor.to_dtype(dtype)? } else { tensor.clone() })
}

fn mark_last_uses(steps: &mut [Step], inputs: usize, outputs: &[usize]) {
    let mut needed: Vec<bool> = vec![false; inputs + steps.len()];
    let mut unfinished = needed.clone();
    outputs.iter().for_each(|&slot| needed[slot] = true);
    outputs.iter().filter(|&&slot| slot >= inputs).for_each(|&slot| unfinished[slot] = true);
    for (i, step) in steps.iter_mut().enumerate().rev() {
        let mut used = step.args.clone();
        used.push(inputs + i);
        used.sort_unstable();
        used.dedup();
        step.finished =
            used.iter().copied().filter(|&slot| std::mem::replace(&mut unfinished[slot], false)).collect();
        used.retain(|&slot| slot != inputs + i);
        step.dead = used.into_iter().filter(|&slot| !std::mem::replace(&mut needed[slot], true)).collect();
    }
}
