//! Element-wise sum.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// x + y, of one shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Add;

impl Primitive for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        same_shape(self.name(), args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Linear
    }

    fn jvp(&self, graph: &mut Graph, _: &NodeRef, tangents: &[Option<Value>]) -> Result<Option<Value>> {
        match (tangents[0], tangents[1]) {
            (Some(x), Some(y)) => graph.add(x, y).map(Some),
            (x, y) => Ok(x.or(y)),
        }
    }

    fn transpose(&self, _: &mut Graph, _: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        Ok(cotangent)
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let args = Batched::all_led(graph, args)?;
        graph.emit(Self, &args)
    }
}

/// The common shape of the operands.
pub(super) fn same_shape(name: &str, args: &[&[usize]]) -> Result<Vec<usize>> {
    match args {
        [x, y] if x == y => Ok(x.to_vec()),
        _ => Err(Error::shape(name, format!("operands of shapes {args:?} must have one shape"))),
    }
}

impl Graph {
    /// x + y.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn add(&mut self, x: Value, y: Value) -> Result<Value> {
        self.emit(Add, &[x, y])
    }

    /// x − y.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn sub(&mut self, x: Value, y: Value) -> Result<Value> {
        let negative = self.scale(y, -1.0)?;
        self.add(x, negative)
    }

    /// `total` + `term`, where nothing is zero.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn accumulate(&mut self, total: Option<Value>, term: Value) -> Result<Value> {
        total.map_or(Ok(term), |total| self.add(total, term))
    }
}
