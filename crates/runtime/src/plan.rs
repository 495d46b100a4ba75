//! Plans: a lowered program for the inputs of a run, in which every question of memory and shape is
//! answered.

use std::{any::Any, collections::HashMap, sync::Arc};

use candle_core::DType;
use eigenscape_program::Operation;

use crate::{
    error::Result,
    facts::{self, Storage, storage},
    kernel::Kernel,
    layout::Layout,
    lowered::{Lowered, LoweredStep},
    memory::{Footprint, Memories, Owner},
    prepared::Prepared,
    workspace::{Operand, workspace},
};

/// What a plan knows of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Input {
    /// Its type: a floating-point type, which steps convert where it is another than they compute
    /// in, or one of indices, which stays.
    pub dtype: DType,
    /// Whether it has one more leading axis than declared: many tangents, cotangents or samples.
    pub led: bool,
}

/// What a plan is made for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// The inputs, which lie in row-major order.
    pub inputs: Vec<Input>,
    /// The size of the leading axis of all that have one.
    pub lead: usize,
    /// The floating-point type in which steps compute.
    pub compute: DType,
    /// The one to which outputs are rounded, each as soon as no step needs it.
    pub outputs: DType,
}

impl Signature {
    /// Inputs of one type without a leading axis, in which everything is computed.
    #[must_use]
    pub fn plain(inputs: usize, dtype: DType) -> Self {
        Self { inputs: vec![Input { dtype, led: false }; inputs], lead: 1, compute: dtype, outputs: dtype }
    }
}

/// A step of a plan. Slots are numbered: the inputs first, then the result of each step.
#[derive(Debug, Clone)]
pub struct PlannedStep {
    /// What is run.
    pub kernel: Kernel,
    /// The slots of the operands.
    pub args: Vec<usize>,
    /// For a scan, the plan of one application of its body: the scan's operands, of sequences one
    /// element, to the next state. The state has the leading axis where any operand has it.
    pub body: Option<Arc<Plan>>,
    /// Whether the result is a view of the first operand, or of one number; any other result lies
    /// in row-major order.
    pub view: bool,
    /// The result's type.
    pub dtype: DType,
    /// Bytes of the result's own memory; 0 for a view.
    pub bytes: usize,
    /// The operand over which the result is written, by its place among the operands.
    pub over: Option<usize>,
    /// Slots whose last use this is.
    pub dead: Vec<usize>,
    /// Those of them with whose death memory of the plan's own becomes free.
    pub frees: Vec<usize>,
    /// Outputs that are rounded after this step, and whether the plan's memory becomes free by
    /// that.
    pub rounds: Vec<(usize, bool)>,
}

/// A value while a plan runs.
#[derive(Debug, Clone)]
struct Slot {
    layout: Layout,
    dtype: DType,
    led: bool,
}

impl Slot {
    fn bytes(&self) -> usize {
        bytes(self.layout.elements(), self.dtype)
    }

    /// Bytes that stand behind the elements: what is repeated counts once.
    fn distinct(&self) -> usize {
        let axes = self.layout.dims.iter().zip(&self.layout.strides);
        bytes(axes.filter(|(_, stride)| **stride != 0).map(|(size, _)| size).product(), self.dtype)
    }
}

fn bytes(elements: usize, dtype: DType) -> usize {
    elements.saturating_mul(dtype.size_in_bytes())
}

/// A lowered program for the inputs of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    signature: Signature,
    steps: Vec<PlannedStep>,
    /// Each slot as the steps see it.
    slots: Vec<Slot>,
    outputs: Vec<usize>,
    footprint: Footprint,
    bytes_moved: usize,
    prepared: Prepared,
}

impl Plan {
    /// The plan for inputs of this signature, one an input of the program.
    #[must_use]
    pub fn new(lowered: &Lowered, signature: Signature) -> Self {
        let mut build = Build::new(lowered, &signature);
        let uses = LastUses::new(lowered);
        let steps: Vec<PlannedStep> =
            lowered.steps.iter().enumerate().map(|(i, step)| build.step(i, step, &uses)).collect();
        let slots = (0..build.slots.len()).map(|slot| build.operand(slot)).collect();
        let (footprint, bytes_moved) = (build.memories.footprint(), build.moved);
        let (outputs, prepared) = (lowered.outputs.clone(), Prepared::default());
        Self { steps, slots, outputs, footprint, bytes_moved, signature, prepared }
    }

    /// What it is made for.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What a backend has prepared of this plan (kernels, addresses): the first of type `T` that
    /// `fits`, or what `prepare` makes now.
    ///
    /// # Errors
    /// When preparing fails.
    pub fn prepared<T: Any + Send + Sync>(
        &self,
        fits: impl Fn(&T) -> bool,
        prepare: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        self.prepared.get(fits, prepare)
    }

    /// The steps in order.
    #[must_use]
    pub fn steps(&self) -> &[PlannedStep] {
        &self.steps
    }

    /// Whether a slot has the leading axis.
    #[must_use]
    pub fn is_led(&self, slot: usize) -> bool {
        self.slots[slot].led
    }

    /// Where the elements of a slot lie in its memory, as the steps see it: an output's before it
    /// is rounded, which puts it in order in memory of its own. An input's memory begins with its
    /// first element.
    #[must_use]
    pub fn layout(&self, slot: usize) -> &Layout {
        &self.slots[slot].layout
    }

    /// The type of a slot, as the steps see it: an output's before it is rounded, and that to which
    /// an input is converted. The type in which an input is given is in the
    /// [signature](Self::signature).
    #[must_use]
    pub fn dtype(&self, slot: usize) -> DType {
        self.slots[slot].dtype
    }

    /// The slots of the outputs.
    #[must_use]
    pub fn outputs(&self) -> &[usize] {
        &self.outputs
    }

    /// The memory of one run. Scratch memory of each thread, a few MiB, is not counted.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        self.footprint
    }

    /// Bytes that the steps of one run read and write: each step reads every operand once and
    /// writes its result; views move nothing, and what is repeated by a view is read once. What
    /// really passes through memory is less where a result is still in a cache, and more where a
    /// step reads an operand again.
    #[must_use]
    pub fn bytes_moved(&self) -> usize {
        self.bytes_moved
    }
}

/// Where slots are used last.
struct LastUses {
    /// For each step the slots that no later step uses, and that are no output.
    dead: Vec<Vec<usize>>,
    /// For each step the outputs of steps that no later step uses, nor makes.
    finished: Vec<Vec<usize>>,
}

impl LastUses {
    fn new(lowered: &Lowered) -> Self {
        let Lowered { steps, inputs, outputs, shapes } = lowered;
        let mut needed = vec![false; shapes.len()];
        let mut unfinished = needed.clone();
        outputs.iter().for_each(|&slot| needed[slot] = true);
        outputs.iter().filter(|&&slot| slot >= *inputs).for_each(|&slot| unfinished[slot] = true);
        let mut uses = Self { dead: vec![Vec::new(); steps.len()], finished: vec![Vec::new(); steps.len()] };
        for (i, step) in steps.iter().enumerate().rev() {
            let mut used = step.args.clone();
            used.push(inputs + i);
            used.sort_unstable();
            used.dedup();
            let last = |slot: &usize| std::mem::replace(&mut unfinished[*slot], false);
            uses.finished[i] = used.iter().copied().filter(last).collect();
            used.retain(|&slot| slot != inputs + i);
            uses.dead[i] =
                used.into_iter().filter(|&slot| !std::mem::replace(&mut needed[slot], true)).collect();
        }
        uses
    }
}

/// A plan under construction.
struct Build<'a> {
    lowered: &'a Lowered,
    signature: &'a Signature,
    slots: Vec<Slot>,
    memories: Memories,
    moved: usize,
}

impl<'a> Build<'a> {
    fn new(lowered: &'a Lowered, signature: &'a Signature) -> Self {
        let mut build =
            Self { lowered, signature, slots: Vec::new(), memories: Memories::default(), moved: 0 };
        for (input, shape) in signature.inputs.iter().zip(&lowered.shapes) {
            let layout = Layout::in_order(&build.dims(shape, input.led));
            build.slots.push(Slot { layout, dtype: input.dtype, led: input.led });
            build.memories.add(0, Owner::Caller);
        }
        build
    }

    fn dims(&self, shape: &[usize], led: bool) -> Vec<usize> {
        led.then_some(self.signature.lead).into_iter().chain(shape.iter().copied()).collect()
    }

    /// Whether steps convert a slot: an input of another floating-point type.
    fn converts(&self, slot: usize) -> bool {
        let dtype = self.slots[slot].dtype;
        slot < self.lowered.inputs && dtype.is_float() && dtype != self.signature.compute
    }

    /// An operand as a step sees it.
    fn operand(&self, slot: usize) -> Slot {
        let operand = self.slots[slot].clone();
        if self.converts(slot) { Slot { dtype: self.signature.compute, ..operand } } else { operand }
    }

    fn step(&mut self, index: usize, step: &LoweredStep, uses: &LastUses) -> PlannedStep {
        let dead = uses.dead[index].clone();
        let led = step.args.iter().any(|&arg| self.slots[arg].led);
        let types: Vec<DType> = step.args.iter().map(|&arg| self.operand(arg).dtype).collect();
        let dtype = facts::dtype(&step.kernel, &types, self.signature.compute);
        let dims = self.dims(&self.lowered.shapes[self.lowered.inputs + index], led);
        let mut converted: usize = self.conversions(step);
        let mut over = None;
        let view = self.view(step, &dims);
        let views = view.is_some();
        if let Some(layout) = view {
            match step.args.first() {
                Some(&viewed) if self.converts(viewed) => {
                    // The view holds what the operand was converted to.
                    let own = self.operand(viewed).bytes();
                    converted -= own;
                    self.memories.add(own, Owner::Plan);
                }
                Some(&viewed) => self.memories.share(viewed),
                None => self.memories.add(0, Owner::Result),
            }
            self.slots.push(Slot { layout, dtype, led });
        } else {
            let mut slot = Slot { layout: Layout::in_order(&dims), dtype, led };
            let read = |&arg: &usize| self.operand(arg).distinct();
            self.moved += step.args.iter().map(read).sum::<usize>() + slot.bytes();
            over = self.over(step, &dead, &slot);
            match over {
                Some(operand) => {
                    // The operand may be a slice.
                    slot.layout = self.slots[step.args[operand]].layout.reshape(&dims);
                    self.memories.share(step.args[operand]);
                }
                None => self.memories.add(slot.bytes(), owner(step, dtype)),
            }
            self.slots.push(slot);
        }
        let body = self.body(step);
        let own = if views { 0 } else { self.workspace(step, body.as_deref()) };
        self.memories.count(converted.saturating_add(own));
        let frees = dead.iter().copied().filter(|&slot| self.memories.release(slot)).collect();
        let rounds = self.rounds(&uses.finished[index]);
        PlannedStep {
            kernel: step.kernel.clone(),
            args: step.args.clone(),
            body,
            view: views,
            dtype,
            bytes: if views { 0 } else { self.slots.last().map_or(0, Slot::bytes) },
            over,
            dead,
            frees,
            rounds,
        }
    }

    /// The plan of the body of a scan, whose applications it counts.
    fn body(&mut self, step: &LoweredStep) -> Option<Arc<Plan>> {
        let Kernel::Scan(scan) = &step.kernel else { return None };
        let operand = |&slot: &usize| (self.operand(slot).dtype, self.slots[slot].led);
        let args: Vec<(DType, bool)> = step.args.iter().map(operand).collect();
        let body = scan.plan(&args, self.signature.lead, self.signature.compute);
        self.moved = self.moved.saturating_add(scan.bytes_moved(&body));
        Some(Arc::new(body))
    }

    /// Bytes that the step takes for itself. Its result is the last slot.
    fn workspace(&self, step: &LoweredStep, body: Option<&Plan>) -> usize {
        let operand = |&slot: &usize| Operand { layout: &self.slots[slot].layout, led: self.slots[slot].led };
        let args: Vec<Operand> = step.args.iter().map(operand).collect();
        if let (Kernel::Scan(scan), Some(body)) = (&step.kernel, body) {
            return scan.workspace(body, &args);
        }
        let numbers = self.slots.last().map_or(0, |result| workspace(&step.kernel, &args, &result.layout));
        bytes(numbers, self.signature.compute)
    }

    /// Bytes of the operands that this step converts.
    fn conversions(&mut self, step: &LoweredStep) -> usize {
        let (mut total, mut read) = (0_usize, 0);
        for &arg in step.args.iter().filter(|&&arg| self.converts(arg)) {
            total = total.saturating_add(self.operand(arg).bytes());
            read += self.slots[arg].bytes();
        }
        self.moved += read + total;
        total
    }

    /// The layout of the result in the memory of the first operand, or in none; `None` where it has
    /// memory of its own.
    fn view(&self, step: &LoweredStep, dims: &[usize]) -> Option<Layout> {
        let Kernel::Operation(operation) = &step.kernel else { return None };
        if storage(operation) == Storage::Nowhere {
            return Some(Layout::repeated(dims));
        }
        let operand = &self.slots[*step.args.first()?];
        let (layout, lead) = (&operand.layout, usize::from(operand.led));
        match operation {
            Operation::Detach(_) => Some(layout.clone()),
            Operation::Reshape(_) => layout.is_in_order().then(|| layout.reshape(dims)),
            Operation::Broadcast(_) => Some(layout.broadcast(dims)),
            Operation::Slice(slice) => Some(layout.narrow(slice.axis + lead, slice.start, slice.len)),
            Operation::Permute(permute) => {
                let axes: Vec<usize> = (0..lead).chain(permute.axes.iter().map(|a| a + lead)).collect();
                Some(layout.permute(&axes))
            }
            _ => None,
        }
    }

    /// The operand of a sum that dies here, in memory that nothing else needs.
    fn over(&self, step: &LoweredStep, dead: &[usize], result: &Slot) -> Option<usize> {
        if !matches!(step.kernel, Kernel::Operation(Operation::Add(_))) {
            return None;
        }
        let fits = |&place: &usize| {
            let slot = step.args[place];
            let once = step.args.iter().filter(|&&arg| arg == slot).count() == 1;
            let layout = &self.slots[slot].layout;
            once && dead.contains(&slot)
                && self.memories.is_alone(slot)
                && step.args.iter().all(|&arg| self.slots[arg].layout.dims == result.layout.dims)
                && layout.is_in_order()
        };
        (0..step.args.len()).find(fits)
    }

    fn rounds(&mut self, finished: &[usize]) -> Vec<(usize, bool)> {
        let to = self.signature.outputs;
        let mut rounds = Vec::new();
        for &slot in finished {
            let Slot { dtype, layout, .. } = &self.slots[slot];
            if dtype.is_float() && *dtype != to {
                let bytes = bytes(layout.elements(), to);
                rounds.push((slot, self.memories.replace(slot, bytes)));
            }
        }
        rounds
    }
}

/// Whose the memory of a result is. What is made of nothing a step may keep for itself, and indices
/// are not kept for later results.
fn owner(step: &LoweredStep, dtype: DType) -> Owner {
    if step.args.is_empty() || !dtype.is_float() { Owner::Result } else { Owner::Plan }
}

/// Plans by what they are made for.
#[derive(Debug, Default)]
pub(crate) struct Plans(HashMap<Signature, Arc<Plan>>);

impl Plans {
    /// The plan for a signature, made once.
    pub fn get(&mut self, lowered: &Lowered, signature: &Signature) -> Arc<Plan> {
        if let Some(plan) = self.0.get(signature) {
            return plan.clone();
        }
        let plan = Arc::new(Plan::new(lowered, signature.clone()));
        self.0.insert(signature.clone(), plan.clone());
        plan
    }
}

#[cfg(test)]
mod tests {
    use eigenscape_program::{ElementwiseFunction, Graph, Program, Value};

    use super::*;
    use crate::backend::Fusion;

    /// The plan for one input, which may have a leading axis.
    fn plan(graph: &Graph, input: Value, outputs: &[Value], change: impl Fn(&mut Signature)) -> Result<Plan> {
        let program = Program::new(graph, &[input], outputs)?;
        let mut signature = Signature::plain(1, DType::F32);
        change(&mut signature);
        Ok(Plan::new(&Lowered::new(&program, Fusion::ALL), signature))
    }

    fn in_f64(signature: &mut Signature) {
        signature.compute = DType::F64;
    }

    #[test]
    fn outputs_that_are_rounded_take_less_as_soon_as_they_are_finished() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[10]);
        let mut chain = vec![x];
        for i in 0..4 {
            chain.push(graph.function(ElementwiseFunction::Exp, chain[i])?);
        }
        let whole = plan(&graph, x, &chain[1..], |_| ())?;
        assert_eq!(whole.footprint(), Footprint { peak: 4 * 40, outputs: 4 * 40 });
        let rounded = plan(&graph, x, &chain[1..], in_f64)?;
        // The third and the fourth in f64 and the third rounded, beside two that are rounded.
        assert_eq!(rounded.footprint(), Footprint { peak: 10 * (2 * 8 + 3 * 4), outputs: 160 });
        Ok(())
    }

    #[test]
    fn inputs_that_are_converted_are_held_while_a_step_or_a_view_has_them() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[10, 2]);
        let rows = graph.permute(x, &[1, 0])?;
        let exp = graph.function(ElementwiseFunction::Exp, rows)?;
        let sum = graph.sum_all(exp)?;
        // The exponentials, and x in their order.
        assert_eq!(plan(&graph, x, &[sum], |_| ())?.footprint().peak, 40 * 4);
        // The same beside x in f64, of which the permutation is a view.
        assert_eq!(plan(&graph, x, &[sum], in_f64)?.footprint().peak, 60 * 8);
        Ok(())
    }

    #[test]
    fn counts_each_memory_once_and_frees_it_with_its_last_view() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[10]);
        let exp = graph.function(ElementwiseFunction::Exp, x)?; // 10 numbers
        let view = graph.reshape(exp, &[2, 5])?; // none
        let rows = graph.permute(view, &[1, 0])?; // none
        let copy = graph.reshape(rows, &[10])?; // 10: a view out of order cannot be reshaped in place
        let both = graph.mul(copy, copy)?; // none: summed as it is computed
        let sum = graph.sum_all(both)?; // 1
        // exp and its copy, then the copy and the sum.
        assert_eq!(plan(&graph, x, &[sum], |_| ())?.footprint(), Footprint { peak: 80, outputs: 4 });
        // A leading axis of 3 on the input is one of everything that depends on it.
        let led = |signature: &mut Signature| (signature.lead, signature.inputs[0].led) = (3, true);
        assert_eq!(plan(&graph, x, &[sum], led)?.footprint(), Footprint { peak: 240, outputs: 12 });
        let kept = plan(&graph, x, &[rows, sum], |_| ())?;
        assert_eq!(kept.footprint(), Footprint { peak: 84, outputs: 44 });
        Ok(())
    }

    #[test]
    fn says_where_slots_lie_before_outputs_are_rounded() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[4, 6]);
        let exp = graph.function(ElementwiseFunction::Exp, x)?;
        let below = graph.slice(exp, 0, 2, 2)?;
        let turned = graph.permute(below, &[1, 0])?;
        let flat = graph.reshape(below, &[12])?;
        let tanh = graph.function(ElementwiseFunction::Tanh, flat)?;
        let change = |signature: &mut Signature| {
            in_f64(signature);
            (signature.lead, signature.inputs[0].led) = (3, true);
        };
        let planned = plan(&graph, x, &[turned, tanh], change)?;
        let at = |start: usize, dims: &[usize], strides: &[usize]| Layout {
            start,
            dims: dims.to_vec(),
            strides: strides.to_vec(),
        };
        let expected = [
            at(0, &[3, 4, 6], &[24, 6, 1]),
            at(0, &[3, 4, 6], &[24, 6, 1]),
            at(12, &[3, 2, 6], &[24, 6, 1]),
            at(12, &[3, 6, 2], &[24, 1, 6]),
            // Gaps between the rows of the leading axis: a copy.
            at(0, &[3, 12], &[12, 1]),
            at(0, &[3, 12], &[12, 1]),
        ];
        for (slot, expected) in expected.iter().enumerate() {
            assert_eq!((planned.layout(slot), planned.dtype(slot)), (expected, DType::F64), "{slot}");
        }
        let rounded: Vec<usize> =
            planned.steps().iter().flat_map(|step| &step.rounds).map(|(slot, _)| *slot).collect();
        assert_eq!(rounded, [3, 5]);
        Ok(())
    }

    #[test]
    fn a_sum_over_a_slice_lies_where_the_slice_does() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[4, 4]);
        let square = graph.linear(x, x)?;
        let below = graph.slice(square, 0, 2, 2)?;
        let above = graph.slice(x, 0, 0, 2)?;
        let sum = graph.add(below, above)?;
        let last = graph.linear(sum, x)?;
        let planned = plan(&graph, x, &[last], |_| ())?;
        let added = planned.steps().iter().position(|step| step.over.is_some());
        let added = added.map(|step| planned.layout(step + 1));
        assert_eq!(added, Some(&Layout { start: 8, ..Layout::in_order(&[2, 4]) }));
        Ok(())
    }

    #[test]
    fn a_sum_takes_the_memory_of_an_operand_that_dies_in_it() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[10, 10]);
        let square = graph.linear(x, x)?;
        let cube = graph.linear(square, x)?;
        let sum = graph.add(square, cube)?;
        let last = graph.linear(sum, x)?;
        let planned = plan(&graph, x, &[last], |_| ())?;
        assert_eq!(planned.steps()[2].over, Some(0));
        // The square and the cube, then the sum and its product.
        assert_eq!(planned.footprint().peak, 800);
        // Not where another step needs it.
        let beside = graph.linear(square, sum)?;
        assert_eq!(plan(&graph, x, &[last, beside], |_| ())?.steps()[2].over, Some(1));
        Ok(())
    }

    #[test]
    fn bytes_are_those_of_operands_and_results_and_not_of_views() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[4, 5]);
        let turned = graph.permute(x, &[1, 0])?;
        let exp = graph.function(ElementwiseFunction::Exp, turned)?; // 20 + 20
        let row = graph.slice(exp, 0, 0, 1)?;
        let wide = graph.broadcast(row, &[6, 4])?;
        let tanh = graph.function(ElementwiseFunction::Tanh, wide)?; // 4 + 24
        assert_eq!(plan(&graph, x, &[tanh], |_| ())?.bytes_moved(), 4 * 68);
        Ok(())
    }
}
