//! Recurrences that are linear in their states: what derivatives of a recurrence are.

use std::{iter, sync::Arc};

use super::{
    Direction, Scan,
    body::{for_all, kept_for},
};
use crate::{Batched, Graph, Value, error::Result, program::Program};

/// s_t = g(s_{t−1}, u_t) with a map g that is linear in both. Its coefficients are values of a body
/// that depend on neither, and so are known for all t before the recurrence begins.
pub(super) struct LinearRecurrence<'a> {
    /// The graph of g.
    pub body: &'a Graph,
    /// Values of the body, with what they are for all t.
    pub known: &'a [(Value, Batched)],
    /// s in the body, and what it starts with.
    pub state: (Value, Value),
    /// u in the body, and the sequence of it.
    pub driven_by: Option<(Value, Value)>,
    /// g(s, u).
    pub next: Value,
    /// T.
    pub length: usize,
    pub direction: Direction,
}

impl LinearRecurrence<'_> {
    /// All states \[T, ...\]: by a scan whose sequences are the coefficients that differ by t.
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

    /// What g needs that depends on neither operand.
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
