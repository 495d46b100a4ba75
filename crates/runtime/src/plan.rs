//! Plans: lowered programs for the inputs of a run, with all memory and shapes decided.

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

/// The properties of an input that a plan depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Input {
    /// Its type. Floating-point inputs of another type than the steps compute in are converted by
    /// each step that uses them; indices keep their type.
    pub dtype: DType,
    /// Whether it has one more leading axis than declared: many tangents, cotangents or samples.
    pub led: bool,
}

/// The inputs and types for which a plan is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// The inputs, which lie in row-major order.
    pub inputs: Vec<Input>,
    /// The size of the leading axis, common to all inputs that have one.
    pub lead: usize,
    /// The floating-point type in which steps compute.
    pub compute: DType,
    /// The floating-point type to which each output is rounded after its last use.
    pub outputs: DType,
}

impl Signature {
    /// The signature of inputs without a leading axis, with `dtype` as the type of inputs, steps
    /// and outputs.
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
    /// For a scan, the plan of one application of its body: from the scan's operands, with one
    /// element of each sequence, to the next state. The state has the leading axis if any operand
    /// has it.
    pub body: Option<Arc<Plan>>,
    /// Whether the result is a view of the first operand, or one repeated number; any other result
    /// lies in row-major order.
    pub view: bool,
    /// The result's type.
    pub dtype: DType,
    /// The position in `args` of the operand over which the result is written, if there is one.
    pub over: Option<usize>,
    /// Operands that the step converts before it begins.
    pub converts: Vec<Conversion>,
    /// The bytes of the arena that only this step uses: its converted operands, then its workspace.
    pub own: Range<usize>,
    /// Outputs that no later step uses and that do not lie in their own memory yet. After this step
    /// they are copied there, in row-major order and rounded to the output type.
    pub settles: Vec<usize>,
    /// Inputs whose memory is not needed after this step and its `settles`.
    pub frees: Vec<usize>,
}

/// The conversion of an operand that lies in an input of another floating-point type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// The operand's position in [`PlannedStep::args`].
    pub operand: usize,
    /// The range of numbers of the input that is converted: all that the operand's
    /// [layout](Plan::layout) reaches.
    pub numbers: Range<usize>,
    /// The offset of the converted numbers in the step's [own](PlannedStep::own) memory, in bytes.
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

    /// Bytes of the distinct elements: elements repeated by stride 0 count once.
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
    /// Each slot as the steps read it.
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
    /// The plan for inputs of this signature, which has one entry for each input of the program.
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

    /// The signature for which the plan is made.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// An object that a backend has prepared for this plan (kernels, addresses): the first of type
    /// `T` that `fits`; if there is none, the result of `prepare`, which is stored.
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

    /// The layout of a slot in its memory, as the steps read it: an output's before it is copied to
    /// its own memory. An input's memory begins with its first element.
    #[must_use]
    pub fn layout(&self, slot: usize) -> &Layout {
        &self.slots[slot].layout
    }

    /// The type of a slot, as the steps read it: an output's before rounding, an input's after
    /// conversion. The type of an input before conversion is in the [signature](Self::signature).
    #[must_use]
    pub fn dtype(&self, slot: usize) -> DType {
        self.slots[slot].dtype
    }

    /// The type in which a slot's numbers are stored: the input's type if they lie in an input.
    #[must_use]
    pub fn stored(&self, slot: usize) -> DType {
        match self.homes[slot] {
            Home::Input(input) => self.signature.inputs[input].dtype,
            _ => self.dtype(slot),
        }
    }

    /// The memory in which the numbers of a slot lie. Slots that are needed at the same time do not
    /// overlap, unless one is a view of the other or is written over it.
    #[must_use]
    pub fn home(&self, slot: usize) -> Home {
        self.homes[slot]
    }

    /// The slots of the outputs.
    #[must_use]
    pub fn outputs(&self) -> &[usize] {
        &self.outputs
    }

    /// The slots of the outputs that a run computes (all that are not inputs), each once. Each has
    /// its own memory, in which it lies in row-major order.
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

    /// Bytes of the arena: one allocation for everything except inputs and outputs.
    #[must_use]
    pub fn arena(&self) -> usize {
        self.footprint.arena
    }

    /// Bytes that the steps of one run read and write: each step reads every operand once and
    /// writes its result; views move nothing, and elements repeated by a view are read once. The
    /// actual memory traffic is less where a result is still in a cache, and more where a step
    /// reads an operand several times.
    #[must_use]
    pub fn bytes_moved(&self) -> usize {
        self.bytes_moved
    }
}

/// The outputs that are not inputs, each once.
fn results(lowered: &Lowered) -> Vec<usize> {
    let mut results = Vec::new();
    for &slot in lowered.outputs.iter().filter(|&&slot| slot >= lowered.inputs) {
        if !results.contains(&slot) {
            results.push(slot);
        }
    }
    results
}

/// Plans by signature.
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
