//! Plans: a lowered program for the inputs of a run, in which every question of memory and shape is
//! answered.

mod build;
#[cfg(test)]
mod tests;
mod uses;

use std::{any::Any, collections::HashMap, ops::Range, sync::Arc};

use candle_core::DType;

use self::{
    build::{Build, Built},
    uses::LastUses,
};
use crate::{
    error::Result,
    kernel::Kernel,
    layout::Layout,
    lowered::Lowered,
    memory::{Footprint, Home},
    prepared::Prepared,
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
    /// The operand over which the result is written, by its place among the operands.
    pub over: Option<usize>,
    /// Operands that the step converts before it begins.
    pub converts: Vec<Conversion>,
    /// Bytes of the arena that are this step's alone: its converted operands, then whatever else it
    /// holds for a moment.
    pub own: Range<usize>,
    /// Outputs that no later step uses, and that do not lie in their own memory yet: they are
    /// written there after this step, in row-major order, rounded where their type is another.
    pub settles: Vec<usize>,
    /// Inputs whose memory nothing needs after that.
    pub frees: Vec<usize>,
}

/// An operand in the memory of an input of another floating-point type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// Its place among the operands.
    pub operand: usize,
    /// Which numbers of the input are converted: all that the operand's [layout](Plan::layout)
    /// reaches.
    pub numbers: Range<usize>,
    /// Where they go: so many bytes into the step's own.
    pub offset: usize,
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
    /// Where each slot lies.
    homes: Vec<Home>,
    outputs: Vec<usize>,
    results: Vec<usize>,
    footprint: Footprint,
    bytes_moved: usize,
    prepared: Prepared,
}

impl Plan {
    /// The plan for inputs of this signature, one an input of the program.
    #[must_use]
    pub fn new(lowered: &Lowered, signature: Signature) -> Self {
        let results = results(lowered);
        let Built { steps, slots, homes, arena, moved } = Build::run(lowered, &signature, &results);
        let bytes = |&slot: &usize| {
            let Slot { layout, dtype, .. } = &slots[slot];
            bytes(layout.elements(), if dtype.is_float() { signature.outputs } else { *dtype })
        };
        let footprint = Footprint { arena, outputs: results.iter().map(bytes).sum() };
        let (outputs, prepared) = (lowered.outputs.clone(), Prepared::default());
        Self { signature, steps, slots, homes, outputs, results, footprint, bytes_moved: moved, prepared }
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
    /// is written to memory of its own. An input's memory begins with its first element.
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

    /// The type in which a slot's numbers are stored: that of the input, where they lie in one.
    #[must_use]
    pub fn stored(&self, slot: usize) -> DType {
        match self.homes[slot] {
            Home::Input(input) => self.signature.inputs[input].dtype,
            _ => self.dtype(slot),
        }
    }

    /// Where the numbers of a slot lie. Those of no two slots that are needed at the same time
    /// overlap, but where one is a view of the other, or written over it.
    #[must_use]
    pub fn home(&self, slot: usize) -> Home {
        self.homes[slot]
    }

    /// The slots of the outputs.
    #[must_use]
    pub fn outputs(&self) -> &[usize] {
        &self.outputs
    }

    /// The slots of the outputs that a run makes, each once: those that are no inputs. Each gets
    /// memory of its own, in which it lies in row-major order.
    #[must_use]
    pub fn results(&self) -> &[usize] {
        &self.results
    }

    /// The type of a result in its own memory.
    #[must_use]
    pub fn result_dtype(&self, slot: usize) -> DType {
        let dtype = self.dtype(slot);
        if dtype.is_float() { self.signature.outputs } else { dtype }
    }

    /// The memory of one run. Scratch memory of each thread, a few MiB, is not counted.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        self.footprint
    }

    /// Bytes of the arena: the one piece of memory in which all lies that is no input and no
    /// output.
    #[must_use]
    pub fn arena(&self) -> usize {
        self.footprint.arena
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

/// The outputs that are no inputs, each once.
fn results(lowered: &Lowered) -> Vec<usize> {
    let mut results = Vec::new();
    for &slot in lowered.outputs.iter().filter(|&&slot| slot >= lowered.inputs) {
        if !results.contains(&slot) {
            results.push(slot);
        }
    }
    results
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
