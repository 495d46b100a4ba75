//! Multiplication by a constant.

use crate::{
    Batched, Graph, Value,
    error::Result,
    identity::Real,
    primitive::{Linearity, NodeRef, Primitive},
};

/// c·x.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scale {
    /// c.
    pub factor: Real,
}

impl Primitive for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(args[0].to_vec())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, _: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.scale(cotangent, self.factor.0)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        graph.scale(args[0].value, self.factor.0)
    }
}

impl Graph {
    /// c·x.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn scale(&mut self, x: Value, factor: f64) -> Result<Value> {
        if factor == 1.0 {
            return self.unchanged(x);
        }
        self.emit(Scale { factor: Real(factor) }, &[x])
    }
}
