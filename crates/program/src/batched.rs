//! Operands for many evaluations at once: some have one more leading axis than declared.

use crate::{Graph, Value, error::Result};

/// An operand of an operation that is emitted for many evaluations at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batched {
    /// The value, with or without the leading axis.
    pub value: Value,
    /// Whether the value has one more leading axis than declared, with one element per evaluation;
    /// otherwise all evaluations share the value.
    pub led: bool,
}

impl Batched {
    /// An operand that differs by evaluation: the first axis of `value` is the leading axis.
    #[must_use]
    pub fn led(value: Value) -> Self {
        Self { value, led: true }
    }

    /// An operand that all evaluations share.
    #[must_use]
    pub fn shared(value: Value) -> Self {
        Self { value, led: false }
    }

    /// The shape without the leading axis, as in a single evaluation.
    #[must_use]
    pub fn declared(self, graph: &Graph) -> &[usize] {
        graph.shape(self.value).get(usize::from(self.led)..).unwrap_or_default()
    }

    /// The number of evaluations: the size of the leading axis; 1 if no operand has it.
    #[must_use]
    pub fn lead(graph: &Graph, args: &[Self]) -> usize {
        let led = args.iter().find(|arg| arg.led);
        led.and_then(|arg| graph.shape(arg.value).first().copied()).unwrap_or(1)
    }

    /// The operand with the leading axis: repeated `lead` times along a new one if it has none.
    ///
    /// # Errors
    /// When a repeated value belongs to another graph, or is too large.
    pub fn repeated(self, graph: &mut Graph, lead: usize) -> Result<Value> {
        if self.led {
            return Ok(self.value);
        }
        let shape = graph.shape(self.value).to_vec();
        let one = graph.reshape(self.value, &[&[1], shape.as_slice()].concat())?;
        graph.broadcast(one, &[&[lead], shape.as_slice()].concat())
    }

    /// All operands, each with the leading axis.
    ///
    /// # Errors
    /// When a repeated value belongs to another graph, or is too large.
    pub fn all_led(graph: &mut Graph, args: &[Self]) -> Result<Vec<Value>> {
        let lead = Self::lead(graph, args);
        args.iter().map(|arg| arg.repeated(graph, lead)).collect()
    }
}
