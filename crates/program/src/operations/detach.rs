//! Detached values, which derivatives treat as constants.

use crate::{
    Batched, Graph, Value,
    error::Result,
    primitive::{Affinity, Linearity, Primitive},
};

/// x with derivative zero: a value that may be computed from the parameters but is held fixed by
/// derivatives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Detach;

impl Primitive for Detach {
    fn name(&self) -> &'static str {
        "detach"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(args[0].to_vec())
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseConstant
    }

    // The value is not piecewise constant, although its derivative is defined as zero.
    fn affinity(&self, args: &[Affinity]) -> Affinity {
        if args[0] == Affinity::Constant { Affinity::Constant } else { Affinity::General }
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        graph.detach(args[0].value)
    }
}

impl Graph {
    /// `x`, treated as a constant by every derivative.
    ///
    /// # Errors
    /// When `x` belongs to another graph.
    pub fn detach(&mut self, x: Value) -> Result<Value> {
        self.emit(Detach, &[x])
    }
}
