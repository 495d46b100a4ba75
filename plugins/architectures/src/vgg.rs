//! VGG networks with batch normalisation (Simonyan & Zisserman 2015), in the variant for 32x32 images: a classifier of two
//! hidden layers of 4096 units, each with one-dimensional batch normalisation.

use eigenscape_autodiff::{
    ConvSettings, PoolSettings, Result, Scope, Value,
    nn::{Activation, activation, batch_norm, conv2d, flatten, linear, max_pool2d},
};
use eigenscape_core::{Architecture, registry::Catalog};
use schemars::JsonSchema;
use serde::Deserialize;

/// The networks have no settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {}

/// Five stages of 3x3 convolutions, 64, 128, 256, 512 and 512 channels wide, each followed by 2x2 max pooling.
#[derive(Debug, Clone)]
pub struct Vgg {
    name: &'static str,
    convolutions: [usize; 5],
}

const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];

/// Adds vgg11_bn, 13, 16 and 19.
pub fn register(architectures: &mut Catalog<dyn Architecture>) {
    for (name, summary, convolutions) in [
        ("vgg11_bn", "VGG of 11 layers with BatchNorm (28,156,554 parameters on 1x32x32)", [1, 1, 2, 2, 2]),
        ("vgg13_bn", "VGG of 13 layers with BatchNorm", [2, 2, 2, 2, 2]),
        ("vgg16_bn", "VGG of 16 layers with BatchNorm", [2, 2, 3, 3, 3]),
        ("vgg19_bn", "VGG of 19 layers with BatchNorm", [2, 2, 4, 4, 4]),
    ] {
        architectures.add(name, summary, move |p, _| {
            let Parameters {} = p;
            Ok(Box::new(Vgg { name, convolutions }))
        });
    }
}

impl Architecture for Vgg {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let x = self.features(&mut scope.at("features"), x)?;
        let x = flatten(scope, x)?;
        classifier(&mut scope.at("classifier"), x, outputs)
    }

    fn description(&self) -> String {
        format!("{}: VGG with BatchNorm, stages of {:?} convolutions", self.name, self.convolutions)
    }
}

impl Vgg {
    /// Modules are numbered as in a `torch.nn.Sequential`: convolution, BatchNorm, ReLU, ..., max pooling.
    fn features(&self, scope: &mut Scope, x: Value) -> Result<Value> {
        let (mut x, mut index) = (x, 0);
        for (&count, channels) in self.convolutions.iter().zip(WIDTHS) {
            for _ in 0..count {
                let settings = ConvSettings { padding: 1, ..ConvSettings::default() };
                x = conv2d(&mut scope.at(index), x, channels, 3, settings, true)?;
                x = batch_norm(&mut scope.at(index + 1), x)?;
                x = activation(&mut scope.at(index + 2), x, Activation::Relu)?;
                index += 3;
            }
            let window = PoolSettings { kernel: 2, stride: 2, padding: 0 };
            x = max_pool2d(&mut scope.at(index), x, window)?;
            index += 1;
        }
        Ok(x)
    }
}

fn classifier(scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
    let mut x = x;
    for index in [0, 3] {
        x = linear(&mut scope.at(index), x, 4096, false)?;
        x = batch_norm(&mut scope.at(index + 1), x)?;
        x = activation(&mut scope.at(index + 2), x, Activation::Relu)?;
    }
    linear(&mut scope.at(6), x, outputs, true)
}

#[cfg(test)]
mod tests {
    use eigenscape_autodiff::Network;

    use super::*;

    #[test]
    fn has_the_published_size_and_names() {
        let vgg = Vgg { name: "vgg11_bn", convolutions: [1, 1, 2, 2, 2] };
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
