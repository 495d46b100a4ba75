//! Element-wise sum.

use std::sync::Arc;

use candle_core::Tensor;

use crate::{
    Graph, Value,
    error::{Error, Result},
    kernels,
    primitive::{ElementWise, Linearity, NodeRef, Operand, Place, Primitive},
};

/// x + y, of one shape.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Add;

impl Primitive for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        same_shape(self.name(), args)
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        let [x, y] = [args[0], args[1]];
        let alike = x.tensor.dims() == y.tensor.dims();
        match (alike && x.dead, alike && y.dead) {
            (true, _) if x.tensor.is_contiguous() => kernels::add_onto(x.tensor, y.tensor),
            (_, true) if y.tensor.is_contiguous() => kernels::add_onto(y.tensor, x.tensor),
            _ => kernels::add(x.tensor, y.tensor),
        }
    }

    fn element_wise(&self) -> Option<ElementWise> {
        Some(ElementWise::Add)
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
        self.emit(Arc::new(Add), &[x, y])
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
    pub(crate) fn accumulate(&mut self, total: Option<Value>, term: Value) -> Result<Value> {
        total.map_or(Ok(term), |total| self.add(total, term))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use crate::{Graph, Place, Program, Result, laws::Subject};

    /// The sums here stand alone, between products: what is dead there is written over.
    #[test]
    fn only_what_is_dead_is_written_over() -> Result<()> {
        let mut graph = Graph::default();
        let x = graph.input("x", &[80, 80]);
        let square = graph.linear(x, x)?;
        let cube = graph.linear(square, x)?;
        let sum = graph.add(square, cube)?;
        let product = graph.linear(sum, x)?;
        let twice = graph.add(product, product)?;
        let beside = graph.add(twice, x)?;
        let last = graph.linear(beside, square)?;
        let program = Program::new(&graph, &[x], &[last, square])?;
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        let input = Tensor::randn(0.0_f64, 1.0, (80, 80), &Device::Cpu)?;
        let transposed = input.t()?;
        let square = input.matmul(&transposed)?;
        let product = (&square + square.matmul(&transposed)?)?.matmul(&transposed)?;
        let last = ((&product * 2.0)? + &input)?.matmul(&square.t()?)?;
        for _ in 0..2 {
            let found = program.evaluate(&place, std::slice::from_ref(&input))?;
            for (found, expected) in found.iter().zip([&last, &square]) {
                let scale = expected.abs()?.max_all()?.to_scalar::<f64>()?;
                let error = (found - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
                assert!(error < 1e-12 * scale, "{error} of {scale}");
            }
        }
        Ok(())
    }

    #[test]
    fn laws() {
        Subject::new(1, &[&[2, 3], &[2, 3]], |g, x| g.add(x[0], x[1])).obeys_all();
        Subject::new(2, &[&[2, 3], &[2, 3]], |g, x| g.sub(x[0], x[1])).obeys_all();
    }
}
