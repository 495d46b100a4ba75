//! Permutation of axes.

use std::sync::Arc;

use candle_core::Tensor;

use crate::{
    Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Operand, Place, Primitive, Storage},
};

/// Axis i of the output is axis `axes[i]` of the operand.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Permute {
    axes: Vec<usize>,
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

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let lead = args[0].lead();
        let axes: Vec<usize> = (0..lead).chain(self.axes.iter().map(|a| a + lead)).collect();
        Ok(args[0].tensor.permute(axes)?)
    }

    fn storage(&self) -> Storage {
        Storage::Strided
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, _: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let mut inverse = vec![0; self.axes.len()];
        self.axes.iter().enumerate().for_each(|(i, &axis)| inverse[axis] = i);
        graph.permute(cotangent, &inverse)
    }

    fn flops(&self, _: &[&[usize]], _: &[usize]) -> usize {
        0
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
        self.emit(Arc::new(Permute { axes: axes.to_vec() }), &[x])
    }
}

#[cfg(test)]
mod tests {
    use crate::laws::Subject;

    #[test]
    fn laws() {
        Subject::new(1, &[&[2, 3, 4]], |g, x| g.permute(x[0], &[2, 0, 1])).must_be_multilinear().obeys_all();
    }
}
