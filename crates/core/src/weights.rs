//! The weights of a network: their initial values and floating-point type.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use eigenscape_program::{Init, Network, Parameter};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::{
    Random,
    error::{Error, Result},
};

/// The values of a network's parameters and buffers, in the network's order.
#[derive(Debug, Clone)]
pub struct Weights {
    /// One tensor per parameter.
    pub parameters: Vec<Tensor>,
    /// One tensor per buffer.
    pub buffers: Vec<Tensor>,
}

impl Weights {
    /// The network's initial values for a seed, in f32. Each tensor has its own random stream, so
    /// that its values do not depend on the shapes of other tensors.
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

    /// The given tensors by the names of parameters and buffers, in the network's order.
    ///
    /// # Errors
    /// When a parameter or buffer has no tensor, or one of another shape.
    pub fn given(network: &Network, numbers: &BTreeMap<String, Tensor>) -> Result<Self> {
        let one = |declared: &Parameter| {
            let found = numbers.get(&declared.name).filter(|tensor| tensor.dims() == declared.shape);
            found.cloned().ok_or_else(|| {
                let problem = format!("there are no numbers of shape {:?}", declared.shape);
                Error::input(&declared.name, problem, "report this as a fault of the architecture")
            })
        };
        Ok(Self {
            parameters: network.parameters().iter().map(one).collect::<Result<_>>()?,
            buffers: network.buffers().iter().map(one).collect::<Result<_>>()?,
        })
    }

    /// Zeros in the network's shapes that take no memory (broadcast scalars), for computations that
    /// depend on shapes and types alone.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn shapes(network: &Network, dtype: DType) -> Result<Self> {
        let all = |declared: &[Parameter]| {
            let zero = Tensor::zeros((), dtype, &Device::Cpu)?;
            declared.iter().map(|declared| zero.broadcast_as(declared.shape.as_slice())).collect()
        };
        let parameters: candle_core::Result<_> = all(network.parameters());
        Ok(Self { parameters: parameters?, buffers: all(network.buffers())? })
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
        Init::TruncatedNormal { std, bound } => {
            let normal = StandardNormal.sample_iter(&mut generator).map(|draw: f64| std * draw);
            normal.filter(|draw| draw.abs() <= bound).take(count).map(|draw| draw as f32).collect()
        }
    };
    Ok(Tensor::from_vec(values, declared.shape.as_slice(), &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use eigenscape_program::nn;

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
    }

    #[test]
    fn have_the_stated_moments_and_bounds() {
        const COUNT: usize = 40_000;
        let uniform = 0.5 / 3_f64.sqrt();
        // A normal variable cut at two standard deviations keeps 1 − 4φ(2)/(2Φ(2) − 1) of its
        // variance; PyTorch's trunc_normal_(std=0.5, a=-1, b=1) gives a standard deviation of
        // 0.43981 on 10⁸ draws.
        let cut = 0.5 * 0.773_741_303_5_f64.sqrt();
        for (init, std, bound) in [
            (Init::Uniform { bound: 0.5 }, uniform, 0.5),
            (Init::Normal { std: 0.02 }, 0.02, f64::INFINITY),
            (Init::TruncatedNormal { std: 0.5, bound: 1.0 }, cut, 1.0),
            // The initialisation of vision transformers: the bound is a hundred standard deviations
            // away.
            (Init::TruncatedNormal { std: 0.02, bound: 2.0 }, 0.02, 2.0),
        ] {
            let declared = Parameter { name: String::new(), shape: vec![COUNT], init, frozen: false };
            let values = initial(&declared, Random::new(3), "init", 0).unwrap();
            let values: Vec<f64> = values.to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect();
            let mean = |f: &dyn Fn(f64) -> f64| values.iter().map(|&x| f(x)).sum::<f64>() / COUNT as f64;
            let (first, second, fourth) = (mean(&|x| x), mean(&|x| x * x), mean(&|x| x.powi(4)));
            let largest = values.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            let error = |variance: f64| 5.0 * (variance / COUNT as f64).sqrt();
            assert!(first.abs() < error(second), "{init:?}: mean {first}");
            let difference = (second - std * std).abs();
            assert!(difference < error(fourth - second * second), "{init:?}: {difference}");
            assert!(largest <= bound, "{init:?}: {largest}");
            // The largest of 40,000 draws comes close to a bound within 3.5 standard deviations.
            assert!(largest > 0.999 * bound.min(3.5 * std), "{init:?}: {largest}");
        }
    }
}
