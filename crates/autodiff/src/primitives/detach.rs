//! A value that counts as a constant.

use std::sync::Arc;

use candle_core::Tensor;

use crate::{
    Graph, Value,
    error::Result,
    primitive::{Affinity, Linearity, Operand, Place, Primitive, Storage},
};

/// x, with derivative zero: what is computed from the parameters and yet held fixed while one differentiates in them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Detach;

impl Primitive for Detach {
    fn name(&self) -> &'static str {
        "detach"
    }

    fn shape(&self, args: &[&[usize]]) -> Result<Vec<usize>> {
        Ok(args[0].to_vec())
    }

    fn eval(&self, _: &Place, args: &[Operand]) -> Result<Tensor> {
        Ok(args[0].tensor.clone())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Locally
    }

    // Its value is not piecewise constant, whatever its derivative is said to be.
    fn affinity(&self, args: &[Affinity]) -> Affinity {
        if args[0] == Affinity::Constant { Affinity::Constant } else { Affinity::General }
    }

    fn storage(&self) -> Storage {
        Storage::Same
    }

    fn flops(&self, _: &[&[usize]], _: &[usize]) -> usize {
        0
    }
}

impl Graph {
    /// `x`, which counts as a constant in every derivative.
    ///
    /// # Errors
    /// None at present; the signature is that of all emitters.
    pub fn detach(&mut self, x: Value) -> Result<Value> {
        self.emit(Arc::new(Detach), &[x])
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::{Program, transforms::linearize};

    #[test]
    fn the_value_passes_and_the_derivative_does_not() -> Result<()> {
        let mut graph = Graph::default();
        let [x, v] = ["x", "v"].map(|name| graph.input(name, &[2]));
        let fixed = graph.detach(x)?;
        // x · detach(x) has the tangent v · x, not 2 v · x.
        let product = graph.mul(x, fixed)?;
        let tangent = linearize(&mut graph, &[product, fixed], &[(x, v)])?;
        assert_eq!(tangent[1], None);
        let outputs = [product, tangent[0].unwrap()];
        let at = [[3.0, -2.0], [1.0, 10.0]].map(|values| Tensor::new(&values, &Device::Cpu).unwrap());
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        let found = Program::new(&graph, &[x, v], &outputs)?.evaluate(&place, &at)?;
        assert_eq!(found[0].to_vec1::<f64>()?, [9.0, 4.0]);
        assert_eq!(found[1].to_vec1::<f64>()?, [3.0, -20.0]);
        Ok(())
    }
}
