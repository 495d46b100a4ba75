//! Change of shape.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// The same elements in the same (row-major) order under another shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reshape {
    /// The result's shape.
    pub shape: Vec<usize>,
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

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let shape = graph.shape(node.args[0]).to_vec();
        graph.reshape(cotangent, &shape)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let lead = Batched::lead(graph, args);
        graph.reshape(args[0].value, &[&[lead], self.shape.as_slice()].concat())
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
        self.emit(Reshape { shape: shape.to_vec() }, &[x])
    }

    /// `x` itself, as a value of its own: what the module hands on that emits this, where it
    /// changes nothing.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub(crate) fn again(&mut self, x: Value) -> Result<Value> {
        let shape = self.shape(x).to_vec();
        self.emit(Reshape { shape }, &[x])
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
