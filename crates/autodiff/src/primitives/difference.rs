//! Differences of a row's elements from one of them, and their transpose.

use std::sync::Arc;

use candle_core::Tensor;

use super::with_batch;
use crate::{
    Graph, Value,
    error::{Error, Result},
    kernels,
    primitive::{Linearity, NodeRef, Operand, Place, Primitive},
};

/// out\[.., j\] = x\[.., j\] − x\[.., m\] with m = index\[..\]: exactly 0 at m, whatever is differentiated.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Differences;

/// out\[.., j\] = x\[.., j\] for j ≠ m, and out\[.., m\] = −Σ_{j ≠ m} x\[.., j\]: x\[.., m\] counts for nothing.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DifferencesTranspose;

fn check(name: &str, args: &[&[usize]]) -> Result<Vec<usize>> {
    match args[0].split_last() {
        Some((&size, rows)) if size > 0 && rows == args[1] => Ok(args[0].to_vec()),
        _ => Err(Error::shape(name, format!("needs rows and a position in each, not {args:?}"))),
    }
}

fn by_row(args: &[Operand], map: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let (x, index) = (&args[0], &args[1]);
    let size = x.dims()[x.dims().len() - 1];
    let rows = index.dims().iter().product::<usize>();
    let flat = x.tensor.reshape((x.batch().unwrap_or(1), rows, size))?;
    let positions = index.tensor.reshape((index.batch().unwrap_or(1), rows))?;
    Ok(map(&flat, &positions)?.reshape(with_batch(x.batch().or(index.batch()), x.dims()))?)
}

impl Primitive for Differences {
    fn name(&self) -> &'static str {
        "differences"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        check(self.name(), args)
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        by_row(args, kernels::differences)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.differences_transpose(cotangent, node.args[1])
    }
}

impl Primitive for DifferencesTranspose {
    fn name(&self) -> &'static str {
        "differences-transpose"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        check(self.name(), args)
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        by_row(args, kernels::differences_transpose)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Multilinear(&[0])
    }

    fn transpose(&self, graph: &mut Graph, node: &NodeRef, _: usize, cotangent: Value) -> Result<Value> {
        graph.differences(cotangent, node.args[1])
    }
}

impl Graph {
    /// x\[.., j\] − x\[.., m\] for x \[.., C\] and the positions m \[..\] (of type `u32`).
    ///
    /// # Errors
    /// When there is not one position a row.
    pub fn differences(&mut self, x: Value, index: Value) -> Result<Value> {
        self.emit(Arc::new(Differences), &[x, index])
    }

    /// The transpose of [`Self::differences`]: x, with −Σ of the others at m.
    ///
    /// # Errors
    /// When there is not one position a row.
    pub fn differences_transpose(&mut self, x: Value, index: Value) -> Result<Value> {
        self.emit(Arc::new(DifferencesTranspose), &[x, index])
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::{laws::Subject, program::Program};

    #[test]
    fn laws() {
        // The index has no derivative in x₁, which is a factor, too, so that there is one.
        Subject::new(1, &[&[2, 3, 4], &[2, 3, 4]], |g, x| {
            let index = g.argmax(x[1], 0.0)?;
            let y = g.differences(x[0], index)?;
            g.mul(y, x[1])
        })
        .obeys_all();
        Subject::new(2, &[&[3, 4], &[3, 4]], |g, x| {
            let index = g.argmax(x[1], 0.0)?;
            let y = g.differences_transpose(x[0], index)?;
            g.mul(y, x[1])
        })
        .obeys_all();
    }

    /// What is large at m does not swamp what is small elsewhere.
    #[test]
    fn the_reference_has_the_sum_of_the_others() -> Result<()> {
        let place = Place { dtype: DType::F32, device: Device::Cpu };
        let mut graph = Graph::default();
        let [x, c] = ["x", "c"].map(|name| graph.input(name, &[2, 3]));
        let index = graph.argmax(x, 0.0)?;
        let pulled = graph.differences_transpose(c, index)?;
        let small = 2_f32.powi(-30);
        let at = [[[1_f32, 9.0, 2.0], [3.0, 1.0, 2.0]], [[small, -1.0, 2.0 * small], [7.0, 1.0, 2.0]]];
        let at = at.map(|values| Tensor::new(&values, &Device::Cpu).unwrap());
        let found = Program::new(&graph, &[x, c], &[pulled])?.evaluate(&place, &at)?.remove(0);
        assert_eq!(found.to_vec2::<f32>()?, [[small, -3.0 * small, 2.0 * small], [-3.0, 1.0, 2.0]]);
        Ok(())
    }
}
