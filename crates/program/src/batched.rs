//! Operands of which some have one more leading axis than declared, for many evaluations at once.

use crate::{Graph, Value, error::Result};

/// An operand of an operation that is emitted for many evaluations at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batched {
    /// The numbers.
    pub value: Value,
    /// Whether they have one more leading axis than declared, one element an evaluation; otherwise
    /// all evaluations have the same.
    pub led: bool,
}

impl Batched {
    /// What is another one in each evaluation: its first axis is that of the evaluations.
    #[must_use]
    pub fn led(value: Value) -> Self {
        Self { value, led: true }
    }

    /// What is the same in all evaluations.
    #[must_use]
    pub fn shared(value: Value) -> Self {
        Self { value, led: false }
    }

    /// The shape in one evaluation.
    #[must_use]
    pub fn declared(self, graph: &Graph) -> &[usize] {
        graph.shape(self.value).get(usize::from(self.led)..).unwrap_or_default()
    }

    /// How many evaluations there are; 1 where no operand has the leading axis.
    #[must_use]
    pub fn lead(graph: &Graph, args: &[Self]) -> usize {
        let led = args.iter().find(|arg| arg.led);
        led.and_then(|arg| graph.shape(arg.value).first().copied()).unwrap_or(1)
    }

    /// The operand with the leading axis, of size `lead`: repeated where it has none.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn repeated(self, graph: &mut Graph, lead: usize) -> Result<Value> {
        if self.led {
            return Ok(self.value);
        }
        let shape = graph.shape(self.value).to_vec();
        let one = graph.reshape(self.value, &[&[1], shape.as_slice()].concat())?;
        graph.broadcast(one, &[&[lead], shape.as_slice()].concat())
    }

    /// All operands with the leading axis.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn all_led(graph: &mut Graph, args: &[Self]) -> Result<Vec<Value>> {
        let lead = Self::lead(graph, args);
        args.iter().map(|arg| arg.repeated(graph, lead)).collect()
    }
}
