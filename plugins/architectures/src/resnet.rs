//! Residual networks (He, Zhang, Ren & Sun 2016), with torchvision's names.

use eigenscape_autodiff::{
    ConvSettings, PoolSettings, Result, Scope, Value,
    nn::{Activation, activation, batch_norm, conv2d, flatten, global_avg_pool, linear, max_pool2d},
};
use eigenscape_core::{Architecture, registry::Catalog};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the residual networks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// How the image enters; by default small for images below 64x64, otherwise large.
    #[serde(default)]
    pub stem: Option<Stem>,
}

/// The layers before the first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// One 3x3 convolution.
    Small,
    /// One 7x7 convolution of stride 2, then 3x3 max pooling of stride 2.
    Large,
}

/// The kind of block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3 and 1x1 convolutions, the last four times as wide.
    Bottleneck,
}

/// A residual network of four stages of blocks, 64, 128, 256 and 512 channels wide.
#[derive(Debug, Clone)]
pub struct ResNet {
    name: &'static str,
    block: Block,
    depths: [usize; 4],
    stem: Option<Stem>,
}

/// Adds resnet18, 34, 50, 101 and 152.
pub fn register(architectures: &mut Catalog<dyn Architecture>) {
    use Block::{Basic, Bottleneck};
    for (name, summary, block, depths) in [
        ("resnet18", "residual network of 18 layers (11,172,810 parameters on 1x32x32)", Basic, [2, 2, 2, 2]),
        ("resnet34", "residual network of 34 layers", Basic, [3, 4, 6, 3]),
        ("resnet50", "residual network of 50 layers, bottleneck blocks", Bottleneck, [3, 4, 6, 3]),
        ("resnet101", "residual network of 101 layers, bottleneck blocks", Bottleneck, [3, 4, 23, 3]),
        ("resnet152", "residual network of 152 layers, bottleneck blocks", Bottleneck, [3, 8, 36, 3]),
    ] {
        architectures.add(name, summary, move |p: Parameters, _| {
            Ok(Box::new(ResNet { name, block, depths, stem: p.stem }))
        });
    }
}

impl Architecture for ResNet {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let small = scope.shape(x).iter().skip(2).all(|&size| size < 64);
        let stem = self.stem.unwrap_or(if small { Stem::Small } else { Stem::Large });
        let mut x = stem.emit(scope, x)?;
        for (stage, &depth) in self.depths.iter().enumerate() {
            let mut scope = scope.at(format!("layer{}", stage + 1));
            for i in 0..depth {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                x = self.block.emit(&mut scope.at(i), x, 64 << stage, stride)?;
            }
        }
        x = global_avg_pool(scope, x)?;
        x = flatten(scope, x)?;
        linear(&mut scope.at("fc"), x, outputs, true)
    }

    fn description(&self) -> String {
        format!("{}: residual network, {:?} blocks {:?}", self.name, self.block, self.depths)
    }
}

impl Stem {
    fn emit(self, scope: &mut Scope, x: Value) -> Result<Value> {
        let (kernel, stride) = if self == Self::Small { (3, 1) } else { (7, 2) };
        let x = conv_norm(scope, ("conv1", "bn1"), x, 64, kernel, stride)?;
        let x = activation(scope, x, Activation::Relu)?;
        match self {
            Self::Small => Ok(x),
            Self::Large => max_pool2d(scope, x, PoolSettings { kernel: 3, stride: 2, padding: 1 }),
        }
    }
}

impl Block {
    fn emit(self, scope: &mut Scope, x: Value, width: usize, stride: usize) -> Result<Value> {
        // (kernel, channels, stride) of each convolution.
        let convolutions = match self {
            Self::Basic => vec![(3, width, stride), (3, width, 1)],
            Self::Bottleneck => vec![(1, width, 1), (3, width, stride), (1, 4 * width, 1)],
        };
        let (mut y, last) = (x, convolutions.len() - 1);
        for (i, &(kernel, channels, stride)) in convolutions.iter().enumerate() {
            let names = (format!("conv{}", i + 1), format!("bn{}", i + 1));
            y = conv_norm(scope, (&names.0, &names.1), y, channels, kernel, stride)?;
            if i < last {
                y = activation(scope, y, Activation::Relu)?;
            }
        }
        let shortcut = if scope.shape(x) == scope.shape(y) {
            x
        } else {
            let channels = convolutions[last].1;
            conv_norm(&mut scope.at("downsample"), ("0", "1"), x, channels, 1, stride)?
        };
        let sum = scope.graph().add(y, shortcut)?;
        activation(scope, sum, Activation::Relu)
    }
}

/// A convolution without bias that keeps the size (at stride 1), and batch normalisation.
fn conv_norm(
    scope: &mut Scope,
    (conv, norm): (&str, &str),
    x: Value,
    channels: usize,
    kernel: usize,
    stride: usize,
) -> Result<Value> {
    let settings = ConvSettings { stride, padding: kernel / 2, ..ConvSettings::default() };
    let x = conv2d(&mut scope.at(conv), x, channels, kernel, settings, false)?;
    batch_norm(&mut scope.at(norm), x)
}

#[cfg(test)]
mod tests {
    use eigenscape_autodiff::Network;

    use super::*;

    fn network(block: Block, depths: [usize; 4], image: &[usize], outputs: usize) -> Network {
        let net = ResNet { name: "resnet", block, depths, stem: None };
        Network::new(image, move |scope, x| net.build(scope, x, outputs)).unwrap()
    }

    #[test]
    fn have_the_published_sizes() {
        let small = network(Block::Basic, [2, 2, 2, 2], &[1, 32, 32], 10);
        assert_eq!((small.dimension(), small.output_shape()), (11_172_810, [10].as_slice()));
        // torchvision's figures for 3x224x224 and 1000 classes.
        let sizes = [
            (Block::Basic, [2, 2, 2, 2], 11_689_512),
            (Block::Basic, [3, 4, 6, 3], 21_797_672),
            (Block::Bottleneck, [3, 4, 6, 3], 25_557_032),
            (Block::Bottleneck, [3, 4, 23, 3], 44_549_160),
            (Block::Bottleneck, [3, 8, 36, 3], 60_192_808),
        ];
        for (block, depths, size) in sizes {
            assert_eq!(network(block, depths, &[3, 64, 64], 1000).dimension(), size, "{block:?} {depths:?}");
        }
    }

    #[test]
    fn has_torchvisions_names() {
        let network = network(Block::Basic, [2, 2, 2, 2], &[1, 32, 32], 10);
        let names: Vec<&str> = network.parameters().iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names[..4], ["conv1.weight", "bn1.weight", "bn1.bias", "layer1.0.conv1.weight"]);
        assert!(names.contains(&"layer2.0.downsample.0.weight") && names.contains(&"layer4.1.bn2.bias"));
        assert_eq!(names[names.len() - 1], "fc.bias");
        assert!(network.buffers().iter().any(|b| b.name == "layer3.0.downsample.1.running_var"));
    }
}
