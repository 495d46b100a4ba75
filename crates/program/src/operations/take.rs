//! Rows of a table by index (embedding), and its transpose.

use crate::{
    Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// out\[i.., :\] = table\[index\[i..\], :\] for a table \[V, D\] and an index of any shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Take;

/// out\[v, :\] = Σ_{i: index\[i\] = v} x\[i.., :\] for x \[I.., D\], v < `rows`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PutRows {
    /// V, the number of rows of the result.
    pub rows: usize,
}

impl Primitive for Take {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        match args[0] {
            &[_, width] => Ok(args[1].iter().copied().chain([width]).collect()),
            other => Err(Error::shape(self.name(), format!("needs a table [V, D], not {other:?}"))),
        }
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let rows = graph.shape(node.args[0])[0];
        graph.emit(PutRows { rows }, &[cotangent, node.args[1]])
    }
}

impl Primitive for PutRows {
    fn name(&self) -> &'static str {
        "embedding-transpose"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        match args[0].split_last() {
            Some((&width, index)) if index == args[1] => Ok(vec![self.rows, width]),
            _ => Err(Error::shape(self.name(), format!("{:?} with an index {:?}", args[0], args[1]))),
        }
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.take(cotangent, node.args[1])
    }
}

impl Graph {
    /// The rows of `table` \[V, D\] that `index` \[I..\] names: \[I.., D\].
    ///
    /// # Errors
    /// When `table` is not a matrix.
    pub fn take(&mut self, table: Value, index: Value) -> Result<Value> {
        self.emit(Take, &[table, index])
    }
}
