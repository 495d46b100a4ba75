//! Element-wise product.

use super::add::same_shape;
use crate::{
    Batched, Graph, Value,
    error::Result,
    primitive::{Linearity, NodeRef, Primitive},
};

/// x ∘ y, of one shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mul;

impl Primitive for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        same_shape(self.name(), args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0, 1])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, wrt: usize, cotangent: Value) -> Result<Value> {
        graph.mul(cotangent, node.args[1 - wrt])
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let args = Batched::all_led(graph, args)?;
        graph.emit(Self, &args)
    }
}

impl Graph {
    /// x ∘ y.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn mul(&mut self, x: Value, y: Value) -> Result<Value> {
        self.emit(Mul, &[x, y])
    }
}
