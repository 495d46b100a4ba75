//! A value that counts as a constant.

use crate::{
    Batched, Graph, Value,
    error::Result,
    primitive::{Affinity, Linearity, Primitive},
};

/// x, with derivative zero: what is computed from the parameters and yet held fixed while one
/// differentiates in them.
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

    // Its value is not piecewise constant, whatever its derivative is said to be.
    fn affinity(&self, args: &[Affinity]) -> Affinity {
        if args[0] == Affinity::Constant { Affinity::Constant } else { Affinity::General }
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        graph.detach(args[0].value)
    }
}

impl Graph {
    /// `x`, which counts as a constant in every derivative.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn detach(&mut self, x: Value) -> Result<Value> {
        self.emit(Detach, &[x])
    }
}
