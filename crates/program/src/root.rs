//! A square root of the loss' Hessian in the outputs, times a vector.

use crate::{
    Graph, Loss, Value,
    error::{Error, Result},
    operations::Function,
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
    pub fn root_times(self, graph: &mut Graph, z: Value, target: Value, signs: Value) -> Result<Value> {
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
