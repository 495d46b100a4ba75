//! Rows of a table by index (embedding), and its transpose.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::with_batch;
use crate::{
    Graph, Value,
    error::{Error, Result},
    kernels,
    primitive::{Linearity, NodeRef, Operand, Place, Primitive},
};

/// out\[i.., :\] = table\[index\[i..\], :\] for a table \[V, D\] and an index of any shape.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Take;

/// out\[v, :\] = Σ_{i: index\[i\] = v} x\[i.., :\] for x \[I.., D\], v < `rows`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PutRows {
    rows: usize,
}

/// An index as \[B, I\] of type `u32`, B = 1 without a leading axis.
fn flat_index(index: &Operand) -> Result<Tensor> {
    let len = index.dims().iter().product::<usize>();
    Ok(index.tensor.to_dtype(DType::U32)?.reshape((index.batch().unwrap_or(1), len))?)
}

/// An operand as \[B, R, D\], B = 1 without a leading axis.
fn flat_rows(x: &Operand) -> Result<Tensor> {
    let (width, rows) = (x.dims()[x.dims().len() - 1], x.dims().iter().rev().skip(1).product::<usize>());
    Ok(x.tensor.reshape((x.batch().unwrap_or(1), rows, width))?)
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

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let out = kernels::take_rows(&flat_rows(&args[0])?, &flat_index(&args[1])?)?;
        let shape = self.shape(&[args[0].dims(), args[1].dims()])?;
        Ok(out.reshape(with_batch(args[0].batch().or(args[1].batch()), &shape))?)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        let rows = graph.shape(node.args[0])[0];
        graph.emit(Arc::new(PutRows { rows }), &[cotangent, node.args[1]])
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

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let x = flat_rows(&args[0])?;
        let out = kernels::put_rows(&x, &flat_index(&args[1])?, self.rows)?;
        let shape = [self.rows, x.dims()[2]];
        Ok(out.reshape(with_batch(args[0].batch().or(args[1].batch()), &shape))?)
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
        self.emit(Arc::new(Take), &[table, index])
    }
}

#[cfg(test)]
mod tests {
    use crate::laws::Subject;

    #[test]
    fn laws() {
        // The index is the step function of an input, which has no derivative: rows 0 and 1.
        Subject::new(1, &[&[2, 3], &[4, 2]], |g, x| {
            let index = g.function(crate::ElementwiseFunction::Step { slope: crate::Real(0.0) }, x[1])?;
            let taken = g.take(x[0], index)?;
            let sum = g.sum(x[1], &[0, 1])?;
            let sum = g.reshape(sum, &[1, 1, 1])?;
            let sum = g.broadcast(sum, &[4, 2, 3])?;
            g.mul(taken, sum)
        })
        .obeys_all();
    }
}
