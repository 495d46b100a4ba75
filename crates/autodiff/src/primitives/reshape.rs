//! Change of shape.

use std::sync::Arc;

use candle_core::Tensor;

use super::with_batch;
use crate::{
    Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Operand, Place, Primitive, Storage},
};

/// The same elements in the same (row-major) order under another shape.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Reshape {
    shape: Vec<usize>,
}

impl Primitive for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        // Sizes in a file may be any.
        let wanted = self.shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        if wanted == Some(args[0].iter().product()) {
            Ok(self.shape.clone())
        } else {
            Err(Error::shape(self.name(), format!("{:?} does not hold as much as {:?}", self.shape, args[0])))
        }
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        Ok(args[0].tensor.reshape(with_batch(args[0].batch(), &self.shape))?)
    }

    fn storage(&self) -> Storage {
        Storage::Same
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let shape = graph.shape(node.args[0]).to_vec();
        graph.reshape(cotangent, &shape)
    }

    fn flops(&self, _: &[&[usize]], _: &[usize]) -> usize {
        0
    }
}

impl Graph {
    /// The elements of `x` under another shape.
    ///
    /// # Errors
    /// When the shapes hold different numbers of elements.
    pub fn reshape(&mut self, x: Value, shape: &[usize]) -> Result<Value> {
        if self.shape(x) == shape {
            return self.unchanged(x);
        }
        self.emit(Arc::new(Reshape { shape: shape.to_vec() }), &[x])
    }

    /// `x` itself, as a value of its own: what the module hands on that emits this, where it changes nothing.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub(crate) fn again(&mut self, x: Value) -> Result<Value> {
        let shape = self.shape(x).to_vec();
        self.emit(Arc::new(Reshape { shape }), &[x])
    }

    /// `x` [N, ...] as [N, D]: all axes from `start` on become one.
    ///
    /// # Errors
    /// When `x` has no axis `start`.
    pub fn flatten_from(&mut self, x: Value, start: usize) -> Result<Value> {
        let shape = self.shape(x);
        if start >= shape.len() {
            return Err(Error::shape("flatten", format!("{shape:?} has no axis {start}")));
        }
        let flat: Vec<usize> =
            shape[..start].iter().copied().chain([shape[start..].iter().product()]).collect();
        self.reshape(x, &flat)
    }
}

#[cfg(test)]
mod tests {
    use crate::laws::Subject;

    #[test]
    fn a_shape_beyond_all_numbers_is_no_shape_of_nothing() {
        let mut graph = crate::Graph::default();
        let x = graph.input("x", &[0, 3]);
        assert!(graph.reshape(x, &[1 << 32, 1 << 32]).is_err());
        assert!(graph.reshape(x, &[3, 0]).is_ok());
    }

    #[test]
    fn laws() {
        Subject::new(1, &[&[2, 6]], |g, x| g.reshape(x[0], &[3, 4])).must_be_multilinear().obeys_all();
        Subject::new(2, &[&[2, 3, 2]], |g, x| g.flatten_from(x[0], 1)).must_be_multilinear().obeys_all();
    }
}
