//! Compiles a plan within a step of another plan, such as the body of a recurrence.

use eigenscape_runtime::Plan;

use super::{Compiler, results};
use crate::{
    Result,
    buffer::stored_as,
    builder::{Home, View},
    command::Place,
    emit,
};

impl<'a> Compiler<'a> {
    /// Runs `emit`, then frees the scratch memory that it took for the current step.
    pub fn scoped(&mut self, emit: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let free = self.builder.free.clone();
        let emitted = emit(self);
        self.builder.free = free;
        emitted
    }

    /// Emits the steps of another plan, which has one output, within a step of this one. `inputs`
    /// are the places of its inputs in row-major order, `arena` is the place of its arena, and the
    /// output is written to `to`.
    pub fn within(&mut self, plan: &'a Plan, inputs: &[Place], arena: Place, to: &View) -> Result<()> {
        let output = plan.outputs()[0];
        let (led, dtype) = (plan.is_led(output), stored_as(plan.result_dtype(output)));
        let view = |at: Place| View { led, ..View::in_order(at, &plan.layout(output).dims, dtype) };
        if let Some(&given) = inputs.get(output) {
            return emit::copy(&mut self.builder, &view(given), to);
        }
        if let Home::At(at) = to.home
            && to.layout.is_in_order()
            && (to.led, to.dtype) == (led, dtype)
        {
            return self.steps_of(plan, inputs, arena, at.plus(to.layout.start * dtype.size_in_bytes()));
        }
        let at = self.builder.scratch(plan.layout(output).elements(), dtype);
        self.steps_of(plan, inputs, arena, at)?;
        emit::copy(&mut self.builder, &view(at), to)
    }

    /// Emits the steps of another plan, with its result at `result`.
    fn steps_of(&mut self, plan: &'a Plan, inputs: &[Place], arena: Place, result: Place) -> Result<()> {
        let inputs = inputs.iter().map(|&input| Home::At(input)).collect();
        let mut made = results(plan);
        made.iter_mut().for_each(|made| made.at = result);
        let outer = (
            std::mem::replace(&mut self.plan, plan),
            std::mem::replace(&mut self.homes, inputs),
            std::mem::replace(&mut self.results, made),
            std::mem::replace(&mut self.origin, arena.offset),
            // Scratch memory that the current step took behind all arenas stays reserved.
            std::mem::replace(&mut self.behind, self.builder.free[1].start),
        );
        self.builder.compute_for(plan.signature());
        let emitted = self.scoped(|compiler| plan.steps().iter().try_for_each(|step| compiler.step(step)));
        (self.plan, self.homes, self.results, self.origin, self.behind) = outer;
        self.builder.compute_for(self.plan.signature());
        emitted
    }
}
