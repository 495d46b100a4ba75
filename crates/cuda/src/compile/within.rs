//! A plan whose commands stand within those of another: the body of a recurrence.

use eigenscape_runtime::Plan;

use super::{Builder, Home, Made, Piece, View};
use crate::{Result, buffer::stored_as, command::Place, emit};

/// What belongs to a plan while another one is emitted within a step of it.
struct Outer<'a> {
    plan: &'a Plan,
    results: Vec<Made>,
    pieces: Vec<Piece>,
    of_slot: Vec<usize>,
}

impl<'a> Builder<'a> {
    /// Emits the steps of another plan, of one output, within a step of this one: from inputs in
    /// row-major order at these places, to `result`.
    pub fn within(&mut self, plan: &'a Plan, inputs: &[Place], result: &View) -> Result<()> {
        let outer = Outer {
            plan: std::mem::replace(&mut self.plan, plan),
            results: std::mem::take(&mut self.results),
            pieces: std::mem::take(&mut self.pieces),
            of_slot: std::mem::take(&mut self.of_slot),
        };
        let emitted = self.scoped(|builder| builder.body(inputs, result));
        let Outer { plan, results, pieces, of_slot } = outer;
        (self.plan, self.results, self.pieces, self.of_slot) = (plan, results, pieces, of_slot);
        emitted
    }

    /// The steps of the plan at hand, as [`Self::within`] has them.
    fn body(&mut self, inputs: &[Place], result: &View) -> Result<()> {
        let plan = self.plan;
        for (i, &place) in inputs.iter().enumerate() {
            // Whoever gave the inputs frees them: they outlive their slots.
            let living = 2;
            let given = Some(stored_as(plan.dtype(i)));
            self.put(Piece { living, given, ..Piece::new(Home::At(place), 0) });
        }
        for step in plan.steps() {
            self.step(self.of_slot.len(), step, &[])?;
        }
        let output = plan.outputs()[0];
        let mut view = self.view(output);
        if let (false, Some(lead)) = (view.led, result.lead()) {
            view = emit::repeated(&view, lead);
        }
        emit::copy(self, &view, result)?;
        self.release(output);
        Ok(())
    }
}
