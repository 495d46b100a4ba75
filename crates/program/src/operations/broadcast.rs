//! Repetition along axes of size 1.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// Axes of size 1 repeated up to `shape`; a view, nothing is copied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Broadcast {
    /// The result's shape.
    pub shape: Vec<usize>,
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

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let from = graph.shape(node.args[0]);
        let repeated: Vec<usize> =
            (0..self.shape.len()).filter(|&axis| from[axis] != self.shape[axis]).collect();
        graph.sum(cotangent, &repeated)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let lead = Batched::lead(graph, args);
        graph.broadcast(args[0].value, &[&[lead], self.shape.as_slice()].concat())
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
        self.emit(Broadcast { shape: shape.to_vec() }, &[x])
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
