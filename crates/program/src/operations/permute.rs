//! Permutation of axes.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// Axis i of the output is axis `axes[i]` of the operand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Permute {
    /// The operand's axes, in the result's order.
    pub axes: Vec<usize>,
}

impl Primitive for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if sorted.into_iter().eq(0..args[0].len()) {
            Ok(self.axes.iter().map(|&axis| args[0][axis]).collect())
        } else {
            Err(Error::shape(
                self.name(),
                format!("{:?} does not permute the axes of {:?}", self.axes, args[0]),
            ))
        }
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, _: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let mut inverse = vec![0; self.axes.len()];
        self.axes.iter().enumerate().for_each(|(i, &axis)| inverse[axis] = i);
        graph.permute(cotangent, &inverse)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let axes: Vec<usize> = std::iter::once(0).chain(self.axes.iter().map(|axis| axis + 1)).collect();
        graph.permute(args[0].value, &axes)
    }
}

impl Graph {
    /// `x` with its axes in the order `axes`.
    ///
    /// # Errors
    /// When `axes` is no permutation of the axes of `x`.
    pub fn permute(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        if axes.iter().copied().eq(0..axes.len()) && axes.len() == self.shape(x).len() {
            return self.unchanged(x);
        }
        self.emit(Permute { axes: axes.to_vec() }, &[x])
    }
}
