//! Which memory is held while a plan runs, and when it becomes free.

/// Bytes held while a plan runs, beside its inputs, which the caller holds anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footprint {
    /// The most that are held at any time, the outputs included.
    pub peak: usize,
    /// What is held at the end: the outputs.
    pub outputs: usize,
}

/// A piece of memory.
#[derive(Debug, Clone, Copy)]
struct Memory {
    bytes: usize,
    /// How many living slots lie in it.
    living: usize,
    owner: Owner,
}

/// Whose memory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The caller's: an input.
    Caller,
    /// The plan's: free for other results once nothing lies in it.
    Plan,
    /// A result's own: it goes with the result, and no other result is put there.
    Result,
}

/// All memory that a plan has dealt out so far.
#[derive(Debug, Default)]
pub(crate) struct Memories {
    all: Vec<Memory>,
    /// The index of each slot's memory.
    of_slot: Vec<usize>,
    held: usize,
    footprint: Footprint,
}

impl Memories {
    /// A slot in memory of so many bytes.
    pub fn add(&mut self, bytes: usize, owner: Owner) {
        self.of_slot.push(self.all.len());
        self.all.push(Memory { bytes, living: 1, owner });
        if owner != Owner::Caller {
            self.held = self.held.saturating_add(bytes);
        }
    }

    /// A slot in the memory of another.
    pub fn share(&mut self, slot: usize) {
        let memory = self.of_slot[slot];
        self.all[memory].living += 1;
        self.of_slot.push(memory);
    }

    /// Whether a slot lies in the plan's memory, and no other living one does.
    pub fn is_alone(&self, slot: usize) -> bool {
        let memory = self.all[self.of_slot[slot]];
        memory.owner == Owner::Plan && memory.living == 1
    }

    /// Records what is held now, and `more` bytes for a moment.
    pub fn count(&mut self, more: usize) {
        self.footprint.peak = self.footprint.peak.max(self.held.saturating_add(more));
    }

    /// A slot is dead; whether the plan's memory becomes free by that.
    pub fn release(&mut self, slot: usize) -> bool {
        let memory = &mut self.all[self.of_slot[slot]];
        memory.living -= 1;
        if memory.living > 0 || memory.owner == Owner::Caller {
            return false;
        }
        self.held = self.held.saturating_sub(memory.bytes);
        memory.owner == Owner::Plan
    }

    /// A slot moves to memory of its own, of so many bytes; whether the plan's memory becomes free
    /// by that. Both are held for a moment.
    pub fn replace(&mut self, slot: usize, bytes: usize) -> bool {
        self.held = self.held.saturating_add(bytes);
        self.count(0);
        let freed = self.release(slot);
        self.of_slot[slot] = self.all.len();
        self.all.push(Memory { bytes, living: 1, owner: Owner::Result });
        freed
    }

    /// The account of all.
    pub fn footprint(&self) -> Footprint {
        Footprint { outputs: self.held, ..self.footprint }
    }
}
