//! Recurrences that are linear in their states, such as the derivatives of a recurrence.

use std::{iter, sync::Arc};

use super::{
    Direction, Scan,
    body::{for_all, kept_for},
};
use crate::{Batched, Graph, Value, error::Result, program::Program};

/// s_t = g(s_{t−1}, u_t) with a map g that is linear in both arguments. The coefficients of g are
/// the values of the body that depend on neither argument; they are computed for all t before the
/// recurrence starts.
pub(super) struct LinearRecurrence<'a> {
    /// The graph of g.
    pub body: &'a Graph,
    /// Known values of the body, each with its value for all t.
    pub known: &'a [(Value, Batched)],
    /// The input s of the body, and the initial state.
    pub state: (Value, Value),
    /// The input u of the body, and the sequence u_t; `None` if g does not depend on u.
    pub driven_by: Option<(Value, Value)>,
    /// g(s, u).
    pub next: Value,
    /// T, the number of states.
    pub length: usize,
    pub direction: Direction,
}

impl LinearRecurrence<'_> {
    /// Emits all states \[T, ...\] as a scan. Coefficients that depend on t become sequences, the
    /// others constants.
    pub fn emit(self, graph: &mut Graph) -> Result<Value> {
        let (body, driven_by) = (self.body, self.driven_by);
        let coefficients = self.coefficients();
        let values = for_all(graph, body, self.known, &coefficients)?;
        let (by_t, fixed): (Vec<_>, Vec<_>) =
            coefficients.into_iter().zip(values).partition(|(_, value)| value.led);
        let operand = |(own, value): (Value, Batched)| (own, value.value);
        let sequences: Vec<(Value, Value)> = by_t.into_iter().map(operand).chain(driven_by).collect();
        let fixed = fixed.into_iter().map(operand);
        let count = sequences.len();
        let (inputs, operands): (Vec<Value>, Vec<Value>) =
            iter::once(self.state).chain(sequences).chain(fixed).unzip();
        let body = Arc::new(Program::new(body, &inputs, &[self.next])?);
        let scan = Scan { body, sequences: count, length: self.length, direction: self.direction };
        graph.emit(scan, &operands)
    }

    /// The values to store so that g can be evaluated without recomputing what depends on neither s
    /// nor u.
    fn coefficients(&self) -> Vec<Value> {
        let varying: Vec<Value> =
            iter::once(self.state.0).chain(self.driven_by.map(|(own, _)| own)).collect();
        let depends = self.body.dependents(&varying);
        let constant = |value: &Value| !depends[value.index()];
        let mut needed: Vec<Value> = iter::once(self.next).filter(constant).collect();
        for value in self.body.ancestors(&[self.next], &varying) {
            if depends[value.index()] {
                needed.extend(self.body.args(value).iter().copied().filter(constant));
            }
        }
        let kept = needed.into_iter().filter_map(|value| kept_for(self.body, self.known, value));
        let mut kept: Vec<Value> = kept.collect();
        kept.sort_unstable();
        kept.dedup();
        kept
    }
}
