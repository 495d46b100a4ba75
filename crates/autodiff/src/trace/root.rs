//! A square root of the loss' Hessian in the outputs, times a vector.

use crate::{
    Graph, Loss, Value,
    error::{Error, Result},
    primitives::Function,
    softmax::Odds,
};

impl Loss {
    /// Emits Sₙ sₙ for signs (or any vectors) s of the outputs' shape, where Sₙ Sₙᵀ = Aₙ is the Hessian of the loss in the outputs of sample n,
    /// the mean's factor included.
    ///
    /// For a row of the cross-entropy with weight w, S = √(w/R) (diag(√p) − p √pᵀ): as many columns as classes, one more than
    /// [`Self::factor`] has, but S s takes as many operations as the softmax. Since 1ᵀ S = 0, the element of S s that belongs to the odds'
    /// reference is −Σ of the others, of which little is left where it is computed by itself.
    ///
    /// # Errors
    /// When the shapes of outputs, targets and signs differ, or the outputs are a scalar.
    pub(crate) fn root_times(
        self,
        graph: &mut Graph,
        z: Value,
        target: Value,
        signs: Value,
    ) -> Result<Value> {
        let shape = graph.shape(z).to_vec();
        let Some((_, rows)) = shape.split_last() else {
            return Err(Error::shape("the loss' root", "the outputs are a scalar"));
        };
        let (elements, rows) = (shape.iter().product::<usize>() as f64, rows.iter().product::<usize>());
        match self {
            Self::CrossEntropy => {
                let last = [shape.len() - 1];
                let odds = Odds::new(graph, z)?;
                let root = odds.root_probabilities(graph)?;
                let scaled = graph.mul(root, signs)?;
                let along = graph.sum(scaled, &last)?;
                let along = graph.broadcast(along, &shape)?;
                let p = graph.mul(root, root)?;
                let mean = graph.mul(p, along)?;
                let product = graph.sub(scaled, mean)?;
                let product = graph.differences_transpose(product, odds.reference)?;
                let weight = graph.sum(target, &last)?;
                let weight = graph.scale(weight, 1.0 / rows as f64)?;
                let weight = graph.function(Function::Sqrt, weight)?;
                let weight = graph.broadcast(weight, &shape)?;
                graph.mul(product, weight)
            }
            Self::MeanSquaredError => graph.scale(signs, (2.0 / elements).sqrt()),
            // √(p (1 − p)) = exp(−(log(1 + e^z) + log(1 + e^−z)) / 2), whose derivatives are finite everywhere.
            Self::BinaryCrossEntropy => {
                let negative = graph.scale(z, -1.0)?;
                let one = graph.function(Function::Softplus, z)?;
                let other = graph.function(Function::Softplus, negative)?;
                let both = graph.add(one, other)?;
                let exponent = graph.scale(both, -0.5)?;
                let deviation = graph.function(Function::Exp, exponent)?;
                let scaled = graph.mul(deviation, signs)?;
                graph.scale(scaled, elements.recip().sqrt())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::{laws::Numbers, primitive::Place, program::Program};

    /// S Sᵀ is the same for this root and for [`Loss::factor`], which is compared with the derived Hessian.
    #[test]
    fn squares_to_the_hessian_in_the_outputs() -> Result<()> {
        let place = Place { dtype: DType::F64, device: Device::Cpu };
        for shape in [vec![2, 4], vec![2, 3, 4]] {
            for loss in [Loss::CrossEntropy, Loss::MeanSquaredError, Loss::BinaryCrossEntropy] {
                let mut graph = Graph::default();
                let [z, t, s] = ["z", "t", "s"].map(|name| graph.input(name, &shape));
                let product = loss.root_times(&mut graph, z, t, s)?;
                let factor = loss.factor(&mut graph, z, t)?;
                let program = Program::new(&graph, &[z, t, s], &[product, factor])?;
                let mut numbers = Numbers::new(3);
                let (z, t) = ((numbers.tensor(&shape) * 3.0)?, numbers.tensor(&shape).abs()?);
                let (n, d) = (shape[0], shape[1..].iter().product::<usize>());
                // The columns of S: the products with the unit vectors of each sample.
                let units = Tensor::eye(d, DType::F64, &Device::Cpu)?.unsqueeze(1)?.repeat((1, n, 1))?;
                let units = units.reshape([&[d], shape.as_slice()].concat())?;
                let mut results = program.evaluate(&place, &[z, t, units])?;
                let (factor, columns) = (results.remove(1), results.remove(0));
                let columns = columns.broadcast_as([&[d], shape.as_slice()].concat())?.reshape((d, n, d))?;
                let root = columns.permute((1, 2, 0))?.contiguous()?;
                let square = root.matmul(&root.transpose(1, 2)?.contiguous()?)?;
                let expected = factor.matmul(&factor.transpose(1, 2)?.contiguous()?)?;
                let error = (square - expected)?.abs()?.max_all()?.to_scalar::<f64>()?;
                assert!(error < 1e-14, "{loss:?} {shape:?}: {error:e}");
            }
        }
        Ok(())
    }
}
