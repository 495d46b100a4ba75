//! Normalisation layers.

mod batch;
mod group;
mod layer;

pub use batch::{Running, batch_norm, batch_norm_by, batch_norm_with};
pub use group::{group_norm, group_norm_by, group_norm_with};
pub use layer::{layer_norm, layer_norm_by, layer_norm_with, rms_norm, rms_norm_by, rms_norm_with};

use crate::{
    Graph, Scope, Value,
    error::{Error, Result},
    init::Init,
    operations::Function,
};

/// Settings common to all normalisation layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormSettings {
    /// ε, added to the variance before taking its square root; finite and at least 0.
    pub epsilon: f64,
    /// Whether there is a learned scale, `weight`.
    pub weight: bool,
    /// Whether there is a learned shift, `bias`.
    pub bias: bool,
}

impl Default for NormSettings {
    fn default() -> Self {
        Self { epsilon: 1e-5, weight: true, bias: true }
    }
}

/// The learned parameters of a normalisation layer, and ε.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// γ, by which the normalised elements are multiplied.
    pub weight: Option<Value>,
    /// β, which is added afterwards.
    pub bias: Option<Value>,
    /// ε, added to the variance before taking its square root; finite and at least 0.
    pub epsilon: f64,
}

impl NormSettings {
    /// Declares the parameters `weight` (γ) and `bias` (β), each only if the settings include it.
    fn declare(self, scope: &mut Scope, shape: &[usize]) -> Result<Normalisation> {
        let weight = self.weight.then(|| scope.parameter("weight", shape, Init::Ones)).transpose()?;
        let bias = self.bias.then(|| scope.parameter("bias", shape, Init::Zeros)).transpose()?;
        Ok(Normalisation { weight, bias, epsilon: self.epsilon })
    }
}

impl Normalisation {
    /// x · γ + β with the parameters that are `Some`; they have the shape of `axes` of x.
    fn scale_and_shift(self, graph: &mut Graph, x: Value, axes: std::ops::Range<usize>) -> Result<Value> {
        let shape = graph.shape(x).to_vec();
        let mut aligned = vec![1; shape.len()];
        aligned[axes.clone()].copy_from_slice(&shape[axes]);
        let mut repeated = |parameter: Value| {
            let parameter = graph.reshape(parameter, &aligned)?;
            graph.broadcast(parameter, &shape)
        };
        let (weight, bias) =
            (self.weight.map(&mut repeated).transpose()?, self.bias.map(&mut repeated).transpose()?);
        let scaled = weight.map_or(Ok(x), |weight| graph.mul(x, weight))?;
        bias.map_or(Ok(scaled), |bias| graph.add(scaled, bias))
    }
}

/// x − μ, μ and the biased variance σ² over some axes, which are kept with size 1.
struct Moments {
    centred: Value,
    mean: Value,
    variance: Value,
}

impl Moments {
    fn new(graph: &mut Graph, x: Value, axes: &[usize]) -> Result<Self> {
        let shape = graph.shape(x).to_vec();
        let mean = graph.mean(x, axes)?;
        let repeated = graph.broadcast(mean, &shape)?;
        let centred = graph.sub(x, repeated)?;
        let square = graph.mul(centred, centred)?;
        let variance = graph.mean(square, axes)?;
        Ok(Self { centred, mean, variance })
    }

    /// (x − μ) / √(σ² + ε)
    fn normalise(&self, graph: &mut Graph, epsilon: f64) -> Result<Value> {
        let shape = graph.shape(self.centred).to_vec();
        let inverse = inverse_deviation(graph, self.variance, epsilon)?;
        let inverse = graph.broadcast(inverse, &shape)?;
        graph.mul(self.centred, inverse)
    }
}

/// 1 / √(σ² + ε)
fn inverse_deviation(graph: &mut Graph, variance: Value, epsilon: f64) -> Result<Value> {
    if !(epsilon >= 0.0 && epsilon.is_finite()) {
        return Err(Error::shape("normalisation", format!("ε is {epsilon}, and it must be at least 0")));
    }
    let shape = graph.shape(variance).to_vec();
    let epsilon = graph.fill(epsilon, &shape)?;
    let variance = graph.add(variance, epsilon)?;
    let deviation = graph.function(Function::Sqrt, variance)?;
    graph.function(Function::Recip, deviation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, Network};

    #[test]
    fn epsilon_is_a_number_from_0_on() {
        type Layer = fn(&mut Scope, Value, NormSettings) -> Result<Value>;
        let layers: [Layer; 4] = [
            batch_norm_with,
            |scope, x, settings| layer_norm_with(scope, x, 1, settings),
            rms_norm_with,
            |scope, x, settings| group_norm_with(scope, x, 2, settings),
        ];
        for layer in layers {
            for mode in [Mode::Eval, Mode::Train] {
                let built = |epsilon| {
                    let settings = NormSettings { epsilon, ..NormSettings::default() };
                    Network::with_mode(&[4, 3], mode, move |scope, x| layer(scope, x, settings)).is_ok()
                };
                let accepted = [0.0, 1e-5, -1e-5, f64::NAN, f64::INFINITY].map(built);
                assert_eq!(accepted, [true, true, false, false, false]);
            }
        }
    }
}
