//! The small convolutional network of the paper's code for MNIST.

use eigenscape_core::Architecture;
use eigenscape_program::{
    ConvSettings, PoolSettings, Result, Scope, Value,
    nn::{Activation, activation, conv2d, flatten, linear, max_pool2d},
};

/// Two 3x3 convolutions (32 channels with a padding of 1, 64 without padding), each with ReLU and
/// 2x2 max pooling, then fully connected layers of 128 and C units; modules `conv1`, `conv2`,
/// `lin3`, `lin4`. Designed for images of 28x28, which become 64 maps of 6x6; `lin3` adapts its
/// input width to other image sizes. All layers have PyTorch's default initialisation.
#[derive(Debug, Clone, Copy)]
pub struct SimpleMnist;

impl Architecture for SimpleMnist {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let mut x = x;
        for (name, channels, padding) in [("conv1", 32, 1), ("conv2", 64, 0)] {
            let settings = ConvSettings { padding, ..ConvSettings::default() };
            x = conv2d(&mut scope.at(name), x, channels, 3, settings, true)?;
            x = activation(scope, x, Activation::Relu)?;
            x = max_pool2d(scope, x, PoolSettings { kernel: 2, stride: 2, padding: 0 })?;
        }
        x = flatten(scope, x)?;
        x = linear(&mut scope.at("lin3"), x, 128, true)?;
        x = activation(scope, x, Activation::Relu)?;
        linear(&mut scope.at("lin4"), x, outputs, true)
    }

    fn description(&self) -> String {
        "simple-mnist: conv 32@3x3, conv 64@3x3, each with ReLU and 2x2 max pooling; fully connected 128"
            .to_owned()
    }
}
