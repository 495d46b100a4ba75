//! Element-wise product.

use std::sync::Arc;

use candle_core::Tensor;

use super::add::same_shape;
use crate::{
    Graph, Value,
    error::Result,
    kernels,
    primitive::{ElementWise, Linearity, NodeRef, Operand, Place, Primitive},
};

/// x ∘ y, of one shape.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Mul;

impl Primitive for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        same_shape(self.name(), args)
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        kernels::mul(args[0].tensor, args[1].tensor)
    }

    fn element_wise(&self) -> Option<ElementWise> {
        Some(ElementWise::Mul)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0, 1])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, wrt: usize, cotangent: Value) -> Result<Value> {
        graph.mul(cotangent, node.args[1 - wrt])
    }
}

impl Graph {
    /// x ∘ y.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn mul(&mut self, x: Value, y: Value) -> Result<Value> {
        self.emit(Arc::new(Mul), &[x, y])
    }
}

#[cfg(test)]
mod tests {
    use crate::laws::Subject;

    #[test]
    fn laws() {
        Subject::new(1, &[&[2, 3], &[2, 3]], |g, x| g.mul(x[0], x[1])).must_be_multilinear().obeys_all();
        Subject::new(2, &[&[4]], |g, x| g.mul(x[0], x[0])).obeys_all();
    }
}
