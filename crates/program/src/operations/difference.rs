//! Differences of a row's elements from one of them, and their transpose.

use crate::{
    Batched, Graph, Value,
    error::{Error, Result},
    primitive::{Linearity, NodeRef, Primitive},
};

/// out\[.., j\] = x\[.., j\] − x\[.., m\] with m = index\[..\]: exactly 0 at m, whatever is
/// differentiated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Differences;

/// out\[.., j\] = x\[.., j\] for j ≠ m, and out\[.., m\] = −Σ_{j ≠ m} x\[.., j\]: x\[.., m\] counts
/// for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DifferencesTranspose;

fn check(name: &str, args: &[&[usize]]) -> Result<Vec<usize>> {
    match args[0].split_last() {
        Some((&size, rows)) if size > 0 && rows == args[1] => Ok(args[0].to_vec()),
        _ => Err(Error::shape(name, format!("needs rows and a position in each, not {args:?}"))),
    }
}

impl Primitive for Differences {
    fn name(&self) -> &'static str {
        "differences"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        check(self.name(), args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.differences_transpose(cotangent, node.args[1])
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let args = Batched::all_led(graph, args)?;
        graph.emit(Self, &args)
    }
}

impl Primitive for DifferencesTranspose {
    fn name(&self) -> &'static str {
        "differences-transpose"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        check(self.name(), args)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.differences(cotangent, node.args[1])
    }

    fn batch(&self, graph: &mut Graph, args: &[Batched]) -> Result<Value> {
        let args = Batched::all_led(graph, args)?;
        graph.emit(Self, &args)
    }
}

impl Graph {
    /// x\[.., j\] − x\[.., m\] for x \[.., C\] and the positions m \[..\] (of type `u32`).
    ///
    /// # Errors
    /// When there is not one position a row.
    pub fn differences(&mut self, x: Value, index: Value) -> Result<Value> {
        self.emit(Differences, &[x, index])
    }

    /// The transpose of [`Self::differences`]: x, with −Σ of the others at m.
    ///
    /// # Errors
    /// When there is not one position a row.
    pub fn differences_transpose(&mut self, x: Value, index: Value) -> Result<Value> {
        self.emit(DifferencesTranspose, &[x, index])
    }
}
