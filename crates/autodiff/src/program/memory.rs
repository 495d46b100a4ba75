//! How much memory an evaluation takes, known from shapes alone.

use super::{Program, Step};
use crate::primitive::Storage;

/// Numbers (or bytes) held during an evaluation, beside the inputs (which the caller holds anyway).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Footprint {
    /// The most that are held at any time, the outputs included.
    pub peak: usize,
    /// What is held at the end: the outputs.
    pub outputs: usize,
}

impl Program {
    /// The memory of one [evaluation](Self::evaluate) in which the inputs with `batched` have a leading axis of size `lead`. Views
    /// count for what they view, a result counts until its last use. The kernels' scratch memory, a few MiB a thread, is not counted.
    pub(crate) fn footprint(&self, batched: &[bool], lead: usize) -> Footprint {
        self.footprint_rounded(batched, lead, [1, 1])
    }

    /// The same in bytes where numbers have `sizes[0]` of them, and inputs and [rounded](Self::evaluate_rounded) outputs `sizes[1]`: a step
    /// holds its inputs in both.
    pub(crate) fn footprint_rounded(&self, batched: &[bool], lead: usize, sizes: [usize; 2]) -> Footprint {
        let [exact, rounded] = sizes;
        let batched = self.batched(batched);
        let converts = exact != rounded;
        let mut held = Held::new(self.inputs, converts);
        let (mut footprint, mut outputs) = (Footprint::default(), 0_usize);
        for (i, step) in self.steps.iter().enumerate() {
            let numbers = |slot: usize| {
                let lead = if batched[slot] { lead } else { 1 };
                lead.saturating_mul(self.shapes[slot].iter().product())
            };
            let slot = self.inputs + i;
            held.push(step, numbers(slot));
            let mut count = |numbers: usize, outputs: usize| {
                footprint.peak = footprint.peak.max(exact.saturating_mul(numbers).saturating_add(outputs));
            };
            let inputs = step.args.iter().filter(|&&arg| arg < self.inputs && converts);
            let converted = inputs.fold(0_usize, |sum, &input| sum.saturating_add(numbers(input)));
            count(held.total.saturating_add(converted), outputs);
            step.dead.iter().for_each(|&slot| held.release(slot));
            for &slot in step.finished.iter().filter(|_| converts) {
                outputs = outputs.saturating_add(rounded.saturating_mul(numbers(slot)));
                count(held.total, outputs);
                held.release(slot);
            }
        }
        footprint.outputs = exact.saturating_mul(held.total).saturating_add(outputs);
        footprint
    }

    /// Which outputs have a leading axis when the inputs with `batched` have one.
    pub(crate) fn batched_outputs(&self, batched: &[bool]) -> Vec<bool> {
        let slots = self.batched(batched);
        self.outputs.iter().map(|&slot| slots[slot]).collect()
    }

    /// The same for every slot.
    fn batched(&self, inputs: &[bool]) -> Vec<bool> {
        let mut slots = inputs.to_vec();
        for step in &self.steps {
            slots.push(step.args.iter().any(|&arg| slots[arg]));
        }
        slots
    }
}

/// Which memory each slot's elements lie in, and how much is held.
struct Held {
    /// The slot that owns a slot's memory; the program's inputs own none that counts.
    owner: Vec<usize>,
    /// Whether a slot's elements are stored in order.
    ordered: Vec<bool>,
    /// How many numbers a slot owns, and how many living slots share them.
    owned: Vec<(usize, usize)>,
    total: usize,
    /// How many inputs are converted where they are used, so that a view of one owns its memory.
    converted: usize,
}

impl Held {
    fn new(inputs: usize, converts: bool) -> Self {
        let owned = vec![(0, 1); inputs];
        Self {
            owner: (0..inputs).collect(),
            ordered: vec![true; inputs],
            owned,
            total: 0,
            converted: if converts { inputs } else { 0 },
        }
    }

    fn push(&mut self, step: &Step, numbers: usize) {
        let (slot, storage) = (self.owner.len(), step.primitive.storage());
        let first = step.args.first().copied();
        let shared = match storage {
            Storage::New => None,
            Storage::Same => first.filter(|&arg| self.ordered[arg]),
            Storage::Strided => first,
        };
        let shared = shared.filter(|&arg| self.owner[arg] >= self.converted);
        let nowhere = storage == Storage::Strided && first.is_none();
        self.ordered.push(storage != Storage::Strided);
        self.owned.push((0, 0));
        let owner = shared.map_or(slot, |arg| self.owner[arg]);
        self.owner.push(owner);
        self.owned[owner].1 += 1;
        if owner == slot && !nowhere {
            self.owned[slot].0 = numbers;
            self.total = self.total.saturating_add(numbers);
        }
    }

    fn release(&mut self, slot: usize) {
        let (numbers, living) = &mut self.owned[self.owner[slot]];
        *living -= 1;
        if *living == 0 {
            self.total = self.total.saturating_sub(*numbers);
            *numbers = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ElementwiseFunction, Graph, Result};

    #[test]
    fn outputs_that_are_rounded_take_less_as_soon_as_they_are_finished() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[10]);
        let mut chain = vec![x];
        for i in 0..4 {
            chain.push(graph.function(ElementwiseFunction::Exp, chain[i])?);
        }
        let program = Program::new(&graph, &[x], &chain[1..])?;
        // All four at the end; or, when the last is finished, it in both types and three rounded.
        assert_eq!(program.footprint(&[false], 1), Footprint { peak: 40, outputs: 40 });
        let rounded = program.footprint_rounded(&[false], 1, [8, 4]);
        // The third and the fourth in f64 and the third rounded, beside two that are rounded.
        assert_eq!(rounded, Footprint { peak: 10 * (2 * 8 + 3 * 4), outputs: 160 });
        Ok(())
    }

    #[test]
    fn inputs_that_are_converted_are_held_while_a_step_or_a_view_has_them() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[10, 2]);
        let rows = graph.permute(x, &[1, 0])?;
        let exp = graph.function(ElementwiseFunction::Exp, rows)?;
        let sum = graph.sum_all(exp)?;
        let program = Program::new(&graph, &[x], &[sum])?;
        assert_eq!(program.footprint(&[false], 1).peak, 21);
        // x in f64, which the view shares: counted for both.
        assert_eq!(program.footprint_rounded(&[false], 1, [8, 4]).peak, 40 * 8);
        Ok(())
    }

    #[test]
    fn counts_each_memory_once_and_frees_it_with_its_last_view() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[10]);
        let exp = graph.function(ElementwiseFunction::Exp, x)?; // 10 numbers
        let view = graph.reshape(exp, &[2, 5])?; // none
        let wide = graph.broadcast(view, &[2, 5])?; // the same value
        let rows = graph.permute(wide, &[1, 0])?; // none
        let copy = graph.reshape(rows, &[10])?; // 10: a view out of order cannot be reshaped in place
        let both = graph.mul(copy, copy)?; // none: summed as it is computed
        let sum = graph.sum_all(both)?; // 1
        let program = Program::new(&graph, &[x], &[sum])?;
        // exp and its copy, then the copy and the sum.
        assert_eq!(program.footprint(&[false], 1), Footprint { peak: 20, outputs: 1 });
        // A leading axis of 3 on the input is one of everything that depends on it.
        assert_eq!(program.footprint(&[true], 3), Footprint { peak: 60, outputs: 3 });
        let stored = [exp, view, rows, copy].map(|value| graph.stored_in(value));
        assert_eq!(stored, [exp, exp, exp, copy].map(Some));
        let kept = Program::new(&graph, &[x], &[rows, sum])?;
        assert_eq!(kept.footprint(&[false], 1), Footprint { peak: 21, outputs: 11 });
        Ok(())
    }
}
