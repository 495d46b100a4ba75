//! VGG networks (Simonyan & Zisserman 2015) with and without batch normalisation, in the variant
//! for 32x32 images: a classifier of two hidden layers of 4096 units.

use eigenscape_core::{Architecture, registry::Catalog};
use eigenscape_program::{
    ConvSettings, InitRule, InitRules, PoolSettings, Result, Scope, Value,
    nn::{Activation, activation, batch_norm, conv2d, flatten, linear, max_pool2d},
};

use crate::no_settings::NoSettings;

/// Channels of each stage.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];

const INIT: InitRules = InitRules {
    conv_weight: InitRule::FanOut,
    conv_bias: InitRule::ZEROS,
    linear_weight: InitRule::normal(0.01),
    linear_bias: InitRule::ZEROS,
    ..InitRules::PYTORCH
};

/// Five stages of 3x3 convolutions, 64, 128, 256, 512 and 512 channels wide, each followed by 2x2
/// max pooling, then two hidden layers of 4096 units. Convolution weights are initialised normally
/// with variance 2/fan-out, linear weights normally with standard deviation 0.01; biases are 0.
///
/// In the variants `_bn`, batch normalisation follows every convolution and both hidden layers,
/// which then have no bias, as in the paper's code. The other variants have no batch normalisation,
/// and their hidden layers have biases; the paper's code keeps batch normalisation in their
/// classifier. In both, modules have torchvision's numbers: the linear layers are `classifier.0`,
/// `classifier.3` and `classifier.6`, between which torchvision has ReLU and Dropout. There is no
/// Dropout, as in the paper's code.
#[derive(Debug, Clone, Copy)]
pub struct Vgg {
    name: &'static str,
    /// Convolutions of each stage.
    convolutions: [usize; 5],
    batch_norm: bool,
}

/// Adds vgg11, 13, 16 and 19, each with and without `_bn`.
pub fn register(architectures: &mut Catalog<dyn Architecture>) {
    for (name, summary, convolutions) in [
        ("vgg11", "VGG of 11 layers", [1, 1, 2, 2, 2]),
        ("vgg11_bn", "VGG of 11 layers with BatchNorm (28,156,554 parameters on 1x32x32)", [1, 1, 2, 2, 2]),
        ("vgg13", "VGG of 13 layers", [2, 2, 2, 2, 2]),
        ("vgg13_bn", "VGG of 13 layers with BatchNorm", [2, 2, 2, 2, 2]),
        ("vgg16", "VGG of 16 layers", [2, 2, 3, 3, 3]),
        ("vgg16_bn", "VGG of 16 layers with BatchNorm", [2, 2, 3, 3, 3]),
        ("vgg19", "VGG of 19 layers", [2, 2, 4, 4, 4]),
        ("vgg19_bn", "VGG of 19 layers with BatchNorm", [2, 2, 4, 4, 4]),
    ] {
        let batch_norm = name.ends_with("_bn");
        architectures
            .add(name, summary, move |NoSettings {}, _| Ok(Box::new(Vgg { name, convolutions, batch_norm })));
    }
}

impl Architecture for Vgg {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let scope = &mut scope.with_init(INIT);
        let x = self.features(&mut scope.at("features"), x)?;
        let x = flatten(scope, x)?;
        self.classifier(&mut scope.at("classifier"), x, outputs)
    }

    fn description(&self) -> String {
        let norm = if self.batch_norm { " with BatchNorm" } else { "" };
        format!("{}: VGG{norm}, stages of {:?} convolutions", self.name, self.convolutions)
    }
}

impl Vgg {
    /// Modules are numbered as in a `torch.nn.Sequential`: convolution, BatchNorm if any, ReLU,
    /// ..., max pooling.
    fn features(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let (mut x, mut index) = (x, 0);
        for (&count, channels) in self.convolutions.iter().zip(WIDTHS) {
            for _ in 0..count {
                let settings = ConvSettings { padding: 1, ..ConvSettings::default() };
                x = conv2d(&mut scope.at(index), x, channels, 3, settings, true)?;
                x = self.norm_relu(&mut scope.at(index + 1), x)?;
                index += if self.batch_norm { 3 } else { 2 };
            }
            let window = PoolSettings { kernel: 2, stride: 2, padding: 0 };
            x = max_pool2d(&mut scope.at(index), x, window)?;
            index += 1;
        }
        Ok(x)
    }

    fn classifier(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let mut x = x;
        for index in [0, 3] {
            x = linear(&mut scope.at(index), x, 4096, !self.batch_norm)?;
            x = self.norm_relu(&mut scope.at(index + 1), x)?;
        }
        linear(&mut scope.at(6), x, outputs, true)
    }

    fn norm_relu(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let x = if self.batch_norm { batch_norm(scope, x)? } else { x };
        activation(scope, x, Activation::Relu)
    }
}

#[cfg(test)]
mod tests {
    use eigenscape_program::Network;

    use super::*;

    #[test]
    fn has_the_published_size_and_names() {
        let vgg = Vgg { name: "vgg11_bn", convolutions: [1, 1, 2, 2, 2], batch_norm: true };
        let network = Network::new(&[1, 32, 32], move |scope, x| vgg.build(scope, x, 10)).unwrap();
        assert_eq!((network.dimension(), network.output_shape()), (28_156_554, [10].as_slice()));
        let names: Vec<&str> = network.parameters().iter().map(|p| p.name.as_str()).collect();
        assert_eq!(
            names[..4],
            ["features.0.weight", "features.0.bias", "features.1.weight", "features.1.bias"]
        );
        assert!(names.contains(&"features.25.weight") && names.contains(&"classifier.4.bias"));
        assert_eq!(names[names.len() - 1], "classifier.6.bias");
    }
}
