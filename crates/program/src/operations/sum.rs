//! Sums over axes.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// The sum over `axes`, which keep the size 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sum {
    /// What is summed over.
    pub axes: Vec<usize>,
}

impl Primitive for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        if let Some(axis) = self.axes.iter().find(|axis| **axis >= args[0].len()) {
            return Err(Error::shape(self.name(), format!("{:?} has no axis {axis}", args[0])));
        }
        let size = |axis| if self.axes.contains(&axis) { 1 } else { args[0][axis] };
        Ok((0..args[0].len()).map(size).collect())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let shape = graph.shape(node.args[0]).to_vec();
        graph.broadcast(cotangent, &shape)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let axes: Vec<usize> = self.axes.iter().map(|axis| axis + 1).collect();
        graph.sum(args[0].value, &axes)
    }
}

impl Graph {
    /// The sum of `x` over `axes`, which keep the size 1.
    ///
    /// # Errors
    /// When `x` has no such axis.
    pub fn sum(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        let trivial = |axis: &usize| self.shape(x).get(*axis) == Some(&1);
        if axes.iter().all(trivial) {
            return self.unchanged(x);
        }
        self.emit(Sum { axes: axes.to_vec() }, &[x])
    }

    /// The mean of `x` over `axes`, which keep the size 1.
    ///
    /// # Errors
    /// When `x` has no such axis, or one of them is empty.
    pub fn mean(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        let sum = self.sum(x, axes)?;
        let shape = self.shape(x);
        // An axis that is named twice is one.
        let sizes = shape.iter().enumerate().filter(|(axis, _)| axes.contains(axis));
        let count: usize = sizes.map(|(_, size)| size).product();
        if count == 0 {
            return Err(Error::shape("mean", format!("{shape:?} has nothing along the axes {axes:?}")));
        }
        self.scale(sum, 1.0 / count as f64)
    }

    /// The sum of all elements, a scalar of shape \[\].
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn sum_all(&mut self, x: Value) -> Result<Value> {
        let axes: Vec<usize> = (0..self.shape(x).len()).collect();
        let sum = self.sum(x, &axes)?;
        self.reshape(sum, &[])
    }
}
