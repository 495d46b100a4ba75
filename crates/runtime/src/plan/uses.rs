//! The last use of each slot.

use crate::lowered::Lowered;

/// For each step, the slots that no later step uses.
pub(super) struct LastUses {
    /// For each step, its operands that no later step uses and that are not outputs.
    pub dead: Vec<Vec<usize>>,
    /// For each step, the outputs (except inputs) among its operands and its result that no later
    /// step uses.
    pub finished: Vec<Vec<usize>>,
}

impl LastUses {
    pub fn new(lowered: &Lowered) -> Self {
        let Lowered { steps, inputs, outputs, shapes, .. } = lowered;
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
