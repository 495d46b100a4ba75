//! Recurrences: runs the plan of the body once for each element of the sequences, in the memory of
//! the step.

use eigenscape_runtime::{Definitions, Layout, LoweredScan, Plan};

use super::{Operand, Target};
use crate::{
    Error, Result,
    arena::carve,
    kernels::{Taken, Workspace},
    numbers::Stored,
    outside::Given,
    run::run_within,
};

/// A recurrence with the plan of its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recurrence<'a> {
    pub scan: &'a LoweredScan,
    pub body: &'a Plan,
    pub definitions: &'a Definitions,
}

impl Recurrence<'_> {
    /// Writes all states to `target`.
    pub fn evaluate<'s>(
        &self,
        args: &[Operand<'s>],
        target: &mut Target,
        work: &mut Workspace<'s>,
    ) -> Result<()> {
        let result = Layout::in_order(target.dims);
        let mut states = States::new(self, &args[0], &result, work)?;
        let sources = args.iter().enumerate().skip(1);
        let mut sources: Vec<Source> = sources.map(|(i, arg)| Source::new(self, i, arg, work)).collect();
        let mut arena = work.take(self.body.arena());
        for position in self.scan.scan.positions() {
            let others = sources.iter_mut().map(|source| source.read(self, position));
            let others: Vec<Given> = others.collect::<Result<_>>()?;
            states.advance(self, position, target.bytes, |state, next| {
                self.apply(state, others, next, &mut arena)
            })?;
        }
        Ok(())
    }

    /// Writes the state that follows `state`.
    fn apply(&self, state: Given, others: Vec<Given>, next: &mut [u8], arena: &mut [u8]) -> Result<()> {
        let output = self.body.outputs()[0];
        let (dtype, len) = (self.body.result_dtype(output), self.body.layout(output).elements());
        let own = len * dtype.size_in_bytes();
        let one = next.get_mut(..own).filter(|_| dtype == self.body.dtype(0));
        let one = one.ok_or_else(|| Error::unsupported("a recurrence whose states are indices"))?;
        let inputs = std::iter::once(state).chain(others).collect();
        run_within(self.body, self.definitions, inputs, one, arena)?;
        // A state without the leading axis is repeated along it.
        for start in (own..next.len()).step_by(own.max(1)) {
            next.copy_within(..own, start);
        }
        Ok(())
    }
}

/// An operand of the scan that the applications of the body read, whole or one element at a time.
struct Source<'s> {
    index: usize,
    numbers: Stored<'s>,
    /// A row-major copy of what the body reads; `None` if the operand is in row-major order itself.
    copy: Option<Taken<'s, u8>>,
    /// The offset in the operand, in numbers, of what `copy` contains.
    copied: Option<usize>,
}

impl<'s> Source<'s> {
    fn new(recurrence: &Recurrence, index: usize, arg: &Operand<'s>, work: &mut Workspace<'s>) -> Self {
        let numbers = arg.numbers;
        let layout = recurrence.scan.operand(recurrence.body, index, numbers.layout, 0);
        let bytes = layout.elements() * numbers.dtype.size_in_bytes();
        let copy = (!layout.is_in_order()).then(|| work.take(bytes));
        Self { index, numbers, copy, copied: None }
    }

    /// The numbers that the body reads at a position along the sequences.
    fn read(&mut self, recurrence: &Recurrence, position: usize) -> Result<Given<'_>> {
        let Stored { bytes, dtype, layout: whole } = self.numbers;
        let layout = &recurrence.scan.operand(recurrence.body, self.index, whole, position);
        let (from, size) = (layout.start - whole.start, dtype.size_in_bytes());
        let reach = layout.reach().len() * size;
        let bytes: &[u8] = if reach == 0 { &[] } else { &bytes[from * size..][..reach] };
        let Some(copy) = &mut self.copy else { return Ok(Given::Lent(bytes, dtype)) };
        if self.copied != Some(from) {
            Stored { bytes, dtype, layout }.copy_to(copy, dtype)?;
            self.copied = Some(from);
        }
        Ok(Given::Lent(copy, dtype))
    }
}

/// Where the body reads the last state and writes the next one.
enum States<'s> {
    /// In the result. `last` is the position of the last state; `None` before the first
    /// application, which reads `start`.
    InResult { start: Source<'s>, last: Option<usize> },
    /// In separate buffers, because the states in the result are not in row-major order.
    Apart { last: Taken<'s, u8>, next: Taken<'s, u8> },
}

impl<'s> States<'s> {
    fn new(
        recurrence: &Recurrence,
        start: &Operand<'s>,
        result: &Layout,
        work: &mut Workspace<'s>,
    ) -> Result<Self> {
        let Recurrence { scan, body, .. } = recurrence;
        if scan.state(body, result, 0).is_in_order() {
            return Ok(Self::InResult { start: Source::new(recurrence, 0, start, work), last: None });
        }
        let Stored { bytes, dtype, layout } = start.numbers;
        let layout = &scan.operand(body, 0, layout, 0);
        let size = layout.elements() * dtype.size_in_bytes();
        let mut last = work.take(size);
        Stored { bytes, dtype, layout }.copy_to(&mut last, dtype)?;
        Ok(Self::Apart { last, next: work.take(size) })
    }

    /// Calls `apply` to write the state at `position`, which becomes the last one. `out` contains
    /// all states.
    fn advance(
        &mut self,
        recurrence: &Recurrence,
        position: usize,
        out: &mut [u8],
        apply: impl FnOnce(Given, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let Recurrence { scan, body, .. } = recurrence;
        match self {
            Self::InResult { start, last } => {
                let size = body.layout(0).elements() * body.dtype(0).size_in_bytes();
                let range = |position: usize| position * size..(position + 1) * size;
                let mut carved = carve(out, [range(position), 0..0]).ok_or_else(misplaced)?;
                let [next, _] = std::mem::take(&mut carved.written);
                let state = match *last {
                    None => start.read(recurrence, position)?,
                    Some(last) => Given::Lent(carved.read(range(last)).ok_or_else(misplaced)?, body.dtype(0)),
                };
                apply(state, next)?;
                *last = Some(position);
            }
            Self::Apart { last, next } => {
                apply(Given::Lent(last, body.dtype(0)), next)?;
                // In `out`, the leading axis comes before the axis of positions.
                let size = next.len() / body.signature().lead;
                let sequences = out.chunks_exact_mut(size * scan.scan.length);
                for (sequence, state) in sequences.zip(next.chunks_exact(size)) {
                    sequence[position * size..][..size].copy_from_slice(state);
                }
                std::mem::swap(last, next);
            }
        }
        Ok(())
    }
}

fn misplaced() -> Error {
    Error::unsupported("states that are misplaced in memory")
}
