//! The memory of a plan: its pieces, and the steps during which each is needed.

use crate::placement::{Placement, Request, place};

/// Bytes held while a plan runs, without its inputs, which the caller holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footprint {
    /// The arena, free after the run and reusable by the next run of any plan.
    pub arena: usize,
    /// The outputs, each in its own memory.
    pub outputs: usize,
}

impl Footprint {
    /// All bytes held while the plan runs.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.arena.saturating_add(self.outputs)
    }
}

/// The memory in which the numbers of a slot lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// In the memory of an input, in the type in which it is given.
    Input(usize),
    /// In the plan's arena, at this offset in bytes.
    Arena(usize),
    /// In the memory of an output, by its index in [`Plan::results`](crate::Plan::results).
    Result(usize),
}

/// The owner of a piece of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Input(usize),
    Arena,
    Result(usize),
}

/// A piece of memory.
#[derive(Debug)]
struct Piece {
    owner: Owner,
    bytes: usize,
    /// The step that writes it first.
    first: usize,
    /// The last step that needs it; `None` while a live slot lies in it.
    last: Option<usize>,
    /// The number of live slots in it.
    living: usize,
    /// Whether a step may write its result over its contents.
    reusable: bool,
}

/// All memory that a plan has assigned so far.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    all: Vec<Piece>,
    /// The index of each slot's piece.
    of_slot: Vec<usize>,
}

impl Pieces {
    /// Adds a slot in the memory of an input.
    pub fn input(&mut self, input: usize) {
        self.add(Owner::Input(input), 0, 0, false);
    }

    /// Adds a slot in new memory of the arena, written by `step`. `reusable`: whether a later step
    /// may write over it.
    pub fn new_slot(&mut self, bytes: usize, step: usize, reusable: bool) {
        self.add(Owner::Arena, bytes, step, reusable);
    }

    fn add(&mut self, owner: Owner, bytes: usize, first: usize, reusable: bool) {
        self.of_slot.push(self.all.len());
        self.all.push(Piece { owner, bytes, first, last: None, living: 1, reusable });
    }

    /// Adds a slot in the memory of `slot`.
    pub fn share(&mut self, slot: usize) {
        let piece = self.of_slot[slot];
        self.all[piece].living += 1;
        self.of_slot.push(piece);
    }

    /// Whether a result may be written over the slot: its memory is reusable and holds no other
    /// live slot.
    pub fn is_alone(&self, slot: usize) -> bool {
        let piece = &self.all[self.of_slot[slot]];
        piece.reusable && piece.living == 1
    }

    /// The input in whose memory a slot lies, if it lies in one.
    pub fn in_input(&self, slot: usize) -> Option<usize> {
        match self.all[self.of_slot[slot]].owner {
            Owner::Input(input) => Some(input),
            _ => None,
        }
    }

    /// The output in whose memory a slot lies, if it lies in one.
    pub fn in_result(&self, slot: usize) -> Option<usize> {
        match self.all[self.of_slot[slot]].owner {
            Owner::Result(result) => Some(result),
            _ => None,
        }
    }

    /// Gives the slot's memory to an output, if the memory is reusable memory of the arena of
    /// exactly `bytes` bytes.
    pub fn hand_over(&mut self, slot: usize, bytes: usize, result: usize) {
        let piece = &mut self.all[self.of_slot[slot]];
        let fits = piece.owner == Owner::Arena && piece.reusable && piece.bytes == bytes;
        if fits {
            piece.owner = Owner::Result(result);
        }
    }

    /// Releases a slot that is not needed after `step`. Returns the input in whose memory it lay,
    /// if no live slot lies there.
    pub fn release(&mut self, slot: usize, step: usize) -> Option<usize> {
        let piece = &mut self.all[self.of_slot[slot]];
        piece.living -= 1;
        piece.last = (piece.living == 0).then_some(step);
        match piece.owner {
            Owner::Input(input) if piece.living == 0 => Some(input),
            _ => None,
        }
    }

    /// The home of each slot, the offset of each step's own memory (of `alone[i]` bytes for step
    /// i), and the size of the arena.
    pub fn placed(&self, alone: &[usize]) -> (Vec<Home>, Vec<usize>, usize) {
        let end = alone.len().saturating_sub(1);
        let pieces = self.all.iter().map(|piece| Request {
            bytes: if piece.owner == Owner::Arena { piece.bytes } else { 0 },
            steps: piece.first..=piece.last.unwrap_or(end),
        });
        let steps = alone.iter().enumerate().map(|(i, &bytes)| Request { bytes, steps: i..=i });
        let Placement { mut offsets, size } = place(&pieces.chain(steps).collect::<Vec<_>>());
        let alone = offsets.split_off(self.all.len());
        let home = |&piece: &usize| match self.all[piece].owner {
            Owner::Input(input) => Home::Input(input),
            Owner::Arena => Home::Arena(offsets[piece]),
            Owner::Result(result) => Home::Result(result),
        };
        (self.of_slot.iter().map(home).collect(), alone, size)
    }
}
