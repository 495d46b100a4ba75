//! LeNet, as in the paper's code.

use eigenscape_core::Architecture;
use eigenscape_program::{
    ConvSettings, PoolSettings, Result, Scope, Value,
    nn::{Activation, activation, conv2d, flatten, linear, max_pool2d},
};

/// Two 5x5 convolutions (6 and 16 channels), each with ReLU and 2x2 max pooling, then fully
/// connected layers of 120, 84 and C units (LeCun et al. 1998, with modern activations). All layers
/// have PyTorch's default initialisation.
#[derive(Debug, Clone, Copy)]
pub struct LeNet;

impl Architecture for LeNet {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let mut x = x;
        for (name, channels) in [("conv1", 6), ("conv2", 16)] {
            x = conv2d(&mut scope.at(name), x, channels, 5, ConvSettings::default(), true)?;
            x = activation(scope, x, Activation::Relu)?;
            x = max_pool2d(scope, x, PoolSettings { kernel: 2, stride: 2, padding: 0 })?;
        }
        x = flatten(scope, x)?;
        for (name, width) in [("fc1", 120), ("fc2", 84)] {
            x = linear(&mut scope.at(name), x, width, true)?;
            x = activation(scope, x, Activation::Relu)?;
        }
        linear(&mut scope.at("fc3"), x, outputs, true)
    }

    fn description(&self) -> String {
        "LeNet: conv 6@5x5, conv 16@5x5, each with ReLU and 2x2 max pooling; fully connected 120, 84"
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use eigenscape_program::Network;

    use super::*;

    #[test]
    fn has_the_published_size_and_names() -> Result<()> {
        let network = Network::new(&[1, 32, 32], |scope, x| LeNet.build(scope, x, 10))?;
        assert_eq!(network.dimension(), 61_706);
        assert_eq!(network.output_shape(), [10]);
        let names: Vec<&str> = network.parameters().iter().map(|p| p.name.as_str()).collect();
        let expected = ["conv1", "conv2", "fc1", "fc2", "fc3"]
            .iter()
            .flat_map(|module| [format!("{module}.weight"), format!("{module}.bias")]);
        assert!(expected.eq(names));
        Ok(())
    }
}
