//! Construction of a plan, step by step.

use std::sync::Arc;

use candle_core::DType;
use eigenscape_program::Operation;

use super::{Conversion, LastUses, Plan, PlannedStep, Signature, Slot, bytes};
use crate::{
    facts::{self, Storage, storage},
    kernel::Kernel,
    layout::Layout,
    lowered::{Lowered, LoweredStep},
    memory::{Home, Pieces},
    placement::aligned,
    workspace::Operand,
};

/// The parts of a plan.
pub(super) struct Built {
    pub steps: Vec<PlannedStep>,
    pub slots: Vec<Slot>,
    pub homes: Vec<Home>,
    /// Bytes of the arena.
    pub arena: usize,
    /// Bytes that steps read and write.
    pub moved: usize,
}

/// A plan under construction.
pub(super) struct Build<'a> {
    lowered: &'a Lowered,
    signature: &'a Signature,
    /// The outputs that are not inputs.
    results: &'a [usize],
    slots: Vec<Slot>,
    pieces: Pieces,
    moved: usize,
}

impl<'a> Build<'a> {
    /// Builds the whole plan of a program; `results` are its outputs that are not inputs.
    pub fn run(lowered: &'a Lowered, signature: &'a Signature, results: &'a [usize]) -> Built {
        let (slots, pieces) = (Vec::new(), Pieces::default());
        let mut build = Self { lowered, signature, results, slots, pieces, moved: 0 };
        build.inputs();
        let uses = LastUses::new(lowered);
        let steps = lowered.steps.iter().enumerate();
        let mut steps: Vec<PlannedStep> = steps.map(|(i, step)| build.step(i, step, &uses)).collect();
        let alone: Vec<usize> = steps.iter().map(|step| step.own.len()).collect();
        let (homes, starts, arena) = build.pieces.placed(&alone);
        for (step, start) in steps.iter_mut().zip(starts) {
            step.own = start..start + step.own.len();
        }
        Built { steps, slots: build.slots, homes, arena, moved: build.moved }
    }

    fn inputs(&mut self) {
        let inputs = self.signature.inputs.iter().zip(&self.lowered.shapes);
        for (i, (input, shape)) in inputs.enumerate() {
            let dtype = if input.dtype.is_float() { self.signature.compute } else { input.dtype };
            let layout = Layout::in_order(&self.dims(shape, input.led));
            self.slots.push(Slot { layout, dtype, led: input.led });
            self.pieces.input(i);
        }
    }

    fn dims(&self, shape: &[usize], led: bool) -> Vec<usize> {
        led.then_some(self.signature.lead).into_iter().chain(shape.iter().copied()).collect()
    }

    fn step(&mut self, index: usize, step: &LoweredStep, uses: &LastUses) -> PlannedStep {
        let slot = self.slots.len();
        let led = step.args.iter().any(|&arg| self.slots[arg].led);
        let types: Vec<DType> = step.args.iter().map(|&arg| self.slots[arg].dtype).collect();
        let dtype = facts::dtype(&step.kernel, &types, self.signature.compute);
        let dims = self.dims(&self.lowered.shapes[self.lowered.inputs + index], led);
        let body = self.body(step);
        let (mut over, mut converts, mut own) = (None, Vec::new(), 0);
        let view = self.view(step, &dims);
        let is_view = view.is_some();
        if let Some(layout) = view {
            match step.args.first() {
                Some(&viewed) => self.pieces.share(viewed),
                None => self.pieces.new_slot(bytes(1, dtype), index, false),
            }
            self.slots.push(Slot { layout, dtype, led });
        } else {
            (converts, own) = self.conversions(step);
            let mut result = Slot { layout: Layout::in_order(&dims), dtype, led };
            let read = |&arg: &usize| self.slots[arg].distinct();
            self.moved += step.args.iter().map(read).sum::<usize>() + result.bytes();
            over = self.over(step, &uses.dead[index], &result);
            match over.map(|operand| step.args[operand]) {
                Some(operand) => {
                    // The operand may be a slice.
                    result.layout = self.slots[operand].layout.reshape(&dims);
                    self.pieces.share(operand);
                }
                None => self.pieces.new_slot(result.bytes(), index, true),
            }
            self.slots.push(result);
            own = own.saturating_add(self.workspace(step, body.as_deref()));
        }
        self.hand_over(slot);
        let settles = self.settled(&uses.finished[index]);
        let done = uses.dead[index].iter().chain(&settles);
        let frees = done.filter_map(|&slot| self.pieces.release(slot, index)).collect();
        let (kernel, args) = (step.kernel.clone(), step.args.clone());
        PlannedStep { kernel, args, body, view: is_view, dtype, over, converts, own: 0..own, settles, frees }
    }

    /// The plan of the body of a scan, whose applications it counts.
    fn body(&mut self, step: &LoweredStep) -> Option<Arc<Plan>> {
        let Kernel::Scan(scan) = &step.kernel else { return None };
        let operand = |&slot: &usize| (self.slots[slot].dtype, self.slots[slot].led);
        let args: Vec<(DType, bool)> = step.args.iter().map(operand).collect();
        let body = scan.plan(&args, self.signature.lead, self.signature.compute);
        self.moved = self.moved.saturating_add(scan.bytes_moved(&body));
        Some(Arc::new(body))
    }

    /// Bytes of the step's workspace. Its result is the last slot.
    fn workspace(&self, step: &LoweredStep, body: Option<&Plan>) -> usize {
        let operand = |&slot: &usize| {
            let Slot { layout, dtype, led } = &self.slots[slot];
            Operand { layout, dtype: *dtype, led: *led }
        };
        let args: Vec<Operand> = step.args.iter().map(operand).collect();
        let result = operand(&(self.slots.len() - 1));
        match (&step.kernel, body) {
            (Kernel::Scan(scan), Some(body)) => scan.workspace(body, &args, result.layout),
            (kernel, _) => self.lowered.workspace.bytes(kernel, &args, result, self.signature.compute),
        }
    }

    /// The operands that this step converts, and the bytes that they take.
    fn conversions(&mut self, step: &LoweredStep) -> (Vec<Conversion>, usize) {
        let (mut converts, mut offset) = (Vec::new(), 0_usize);
        for (operand, &arg) in step.args.iter().enumerate() {
            let Slot { layout, dtype, .. } = &self.slots[arg];
            let stored = self.pieces.in_input(arg).map_or(*dtype, |input| self.signature.inputs[input].dtype);
            if stored != *dtype {
                let numbers = layout.reach();
                let (read, written) = (bytes(numbers.len(), stored), bytes(numbers.len(), *dtype));
                self.moved += read + written;
                converts.push(Conversion { operand, numbers, offset });
                offset = offset.saturating_add(aligned(written));
            }
        }
        (converts, offset)
    }

    /// Gives the slot's memory to an output, if the slot is that output without copying or
    /// rounding.
    fn hand_over(&mut self, slot: usize) {
        let Some(result) = self.results.iter().position(|&result| result == slot) else { return };
        let Slot { layout, dtype, .. } = &self.slots[slot];
        if layout.is_in_order() && self.is_exact(*dtype) {
            self.pieces.hand_over(slot, self.slots[slot].bytes(), result);
        }
    }

    /// Whether outputs of this type are not rounded.
    fn is_exact(&self, dtype: DType) -> bool {
        !dtype.is_float() || dtype == self.signature.outputs
    }

    /// The layout of a result that is a view of the first operand or one repeated number; `None`
    /// for a result in new memory.
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

    /// The operand of a sum over which the result is written: its last use is here, and nothing
    /// else needs its memory.
    fn over(&self, step: &LoweredStep, dead: &[usize], result: &Slot) -> Option<usize> {
        if !matches!(step.kernel, Kernel::Operation(Operation::Add(_))) {
            return None;
        }
        let fits = |&place: &usize| {
            let slot = step.args[place];
            let once = step.args.iter().filter(|&&arg| arg == slot).count() == 1;
            let layout = &self.slots[slot].layout;
            once && dead.contains(&slot)
                && self.pieces.is_alone(slot)
                && step.args.iter().all(|&arg| self.slots[arg].layout.dims == result.layout.dims)
                && layout.is_in_order()
        };
        (0..step.args.len()).find(fits)
    }

    /// The finished outputs that do not lie in their own memory yet.
    fn settled(&self, finished: &[usize]) -> Vec<usize> {
        let is_placed =
            |&slot: &usize| self.pieces.in_result(slot).is_some_and(|result| self.results[result] == slot);
        finished.iter().copied().filter(|slot| !is_placed(slot)).collect()
    }
}
