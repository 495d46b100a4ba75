//! The numbers of a network: initial values, and their type.

use candle_core::{DType, Device, Tensor};
use eigenscape_autodiff::{Init, Network, Parameter};
use eigenscape_core::{Random, Result};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// The values of a network's parameters and buffers, in its order.
#[derive(Debug, Clone)]
pub struct Weights {
    /// One tensor a parameter.
    pub parameters: Vec<Tensor>,
    /// One tensor a buffer.
    pub buffers: Vec<Tensor>,
}

impl Weights {
    /// The network's initial values for a seed, in f32. Each tensor has a random stream of its own, so that one's values
    /// do not depend on another's shape.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn initial(network: &Network, random: Random) -> Result<Self> {
        let all = |declared: &[Parameter], purpose: &str| -> Result<Vec<Tensor>> {
            let tensor = |(index, declared)| initial(declared, random, purpose, index as u64);
            declared.iter().enumerate().map(tensor).collect()
        };
        Ok(Self {
            parameters: all(network.parameters(), "init")?,
            buffers: all(network.buffers(), "init-buffer")?,
        })
    }

    /// The floating-point type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.parameters.first().map_or(DType::F32, Tensor::dtype)
    }

    /// The same numbers in another type.
    ///
    /// # Errors
    /// When the conversion fails.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        let all = |tensors: &[Tensor]| tensors.iter().map(|tensor| tensor.to_dtype(dtype)).collect();
        let converted: candle_core::Result<_> = all(&self.parameters);
        Ok(Self { parameters: converted?, buffers: all(&self.buffers)? })
    }
}

fn initial(declared: &Parameter, random: Random, purpose: &str, index: u64) -> Result<Tensor> {
    let count = declared.shape.iter().product();
    let mut generator = random.stream(purpose, index);
    let values: Vec<f32> = match declared.init {
        Init::Zeros => vec![0.0; count],
        Init::Ones => vec![1.0; count],
        Init::Constant { value } => vec![value as f32; count],
        Init::Uniform { bound } => {
            (0..count).map(|_| (bound * (2.0 * generator.random::<f64>() - 1.0)) as f32).collect()
        }
        Init::Normal { std } => {
            let mut draw = || -> f64 { StandardNormal.sample(&mut generator) };
            (0..count).map(|_| (std * draw()) as f32).collect()
        }
    };
    Ok(Tensor::from_vec(values, declared.shape.as_slice(), &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use eigenscape_autodiff::nn;

    use super::*;

    #[test]
    fn follow_from_the_seed_alone() {
        let network = Network::new(&[50], |scope, x| nn::linear(scope, x, 40, true)).unwrap();
        let values = |seed| {
            let weights = Weights::initial(&network, Random::new(seed)).unwrap();
            weights.parameters[0].flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(values(1), values(1));
        assert_ne!(values(1), values(2));
        // Uniform on [-b, b]: mean 0, variance b²/3, within five standard errors of 2000 draws.
        let bound = 1.0 / 50_f64.sqrt();
        let values: Vec<f64> = values(3).into_iter().map(f64::from).collect();
        let mean = values.iter().sum::<f64>() / 2000.0;
        let variance = values.iter().map(|value| value * value).sum::<f64>() / 2000.0;
        assert!(values.iter().all(|value| value.abs() <= bound));
        assert!(mean.abs() < 5.0 * bound / (3.0 * 2000.0_f64).sqrt(), "{mean}");
        assert!(
            (variance / (bound * bound / 3.0) - 1.0).abs() < 5.0 * (0.8 / 2000.0_f64).sqrt(),
            "{variance}"
        );
    }
}
