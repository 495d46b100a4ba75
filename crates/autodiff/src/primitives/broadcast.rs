//! Repetition along axes of size 1.

use std::sync::Arc;

use candle_core::Tensor;

use super::with_batch;
use crate::{
    Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Operand, Place, Primitive, Storage},
};

/// Axes of size 1 repeated up to `shape`; a view, nothing is copied.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Broadcast {
    shape: Vec<usize>,
}

impl Primitive for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        let fits = args[0].len() == self.shape.len()
            && args[0].iter().zip(&self.shape).all(|(&from, &to)| from == to || from == 1);
        if fits {
            Ok(self.shape.clone())
        } else {
            Err(Error::shape(self.name(), format!("{:?} cannot be repeated up to {:?}", args[0], self.shape)))
        }
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        Ok(args[0].tensor.broadcast_as(with_batch(args[0].batch(), &self.shape))?)
    }

    fn storage(&self) -> Storage {
        Storage::Strided
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let from = graph.shape(node.args[0]);
        let repeated: Vec<usize> =
            (0..self.shape.len()).filter(|&axis| from[axis] != self.shape[axis]).collect();
        graph.sum(cotangent, &repeated)
    }

    fn flops(&self, _: &[&[usize]], _: &[usize]) -> usize {
        0
    }
}

impl Graph {
    /// `x` repeated along its axes of size 1 up to `shape`.
    ///
    /// # Errors
    /// When another axis differs.
    pub fn broadcast(&mut self, x: Value, shape: &[usize]) -> Result<Value> {
        if self.shape(x) == shape {
            return self.unchanged(x);
        }
        self.emit(Arc::new(Broadcast { shape: shape.to_vec() }), &[x])
    }

    /// A vector \[C\] repeated over all other axes of `shape`, along its axis `axis` (of size C).
    ///
    /// # Errors
    /// When there is no such axis, or the vector's length is another.
    pub fn broadcast_along(&mut self, vector: Value, axis: usize, shape: &[usize]) -> Result<Value> {
        let mut aligned = vec![1; shape.len()];
        let Some(own) = aligned.get_mut(axis) else {
            return Err(Error::shape("broadcast", format!("{shape:?} has no axis {axis}")));
        };
        *own = self.shape(vector).iter().product();
        let aligned = self.reshape(vector, &aligned)?;
        self.broadcast(aligned, shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::laws::Subject;

    #[test]
    fn laws() {
        Subject::new(1, &[&[1, 3, 1]], |g, x| g.broadcast(x[0], &[2, 3, 4]))
            .must_be_multilinear()
            .obeys_all();
        Subject::new(2, &[&[3]], |g, x| g.broadcast_along(x[0], 1, &[2, 3, 4]))
            .must_be_multilinear()
            .obeys_all();
    }
}
