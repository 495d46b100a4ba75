//! Residual networks (He, Zhang, Ren & Sun 2016), with torchvision's names.

use eigenscape_core::{Architecture, registry::Catalog};
use eigenscape_program::{
    InitRule, InitRules, PoolSettings, Result, Scope, Value,
    nn::{Activation, activation, flatten, global_avg_pool, linear, max_pool2d},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::conv_norm::Conv;

const INIT: InitRules = InitRules { conv_weight: InitRule::FanOut, ..InitRules::PYTORCH };

/// The settings of the residual networks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The layers before the first block; by default small for images below 64x64, otherwise large.
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

/// A residual network of four stages of blocks, 64, 128, 256 and 512 channels wide. The first block
/// of each stage after the first halves the image; in bottleneck blocks the 3x3 convolution does.
/// Convolution weights are initialised normally with variance 2/fan-out, the linear layer by
/// PyTorch's default.
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
        let scope = &mut scope.with_init(INIT);
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
        let x = Conv::dense(64, kernel, stride).then_norm(scope, 1, x)?;
        let x = activation(scope, x, Activation::Relu)?;
        match self {
            Self::Small => Ok(x),
            Self::Large => max_pool2d(scope, x, PoolSettings { kernel: 3, stride: 2, padding: 1 }),
        }
    }
}

impl Block {
    fn emit(self, scope: &mut Scope, x: Value, width: usize, stride: usize) -> Result<Value> {
        let (narrow, wide) = (Conv::dense(width, 3, 1), Conv::dense(4 * width, 1, 1));
        let convolutions = match self {
            Self::Basic => vec![Conv { stride, ..narrow }, narrow],
            Self::Bottleneck => vec![Conv { kernel: 1, ..narrow }, Conv { stride, ..narrow }, wide],
        };
        let last = convolutions.len();
        let mut y = x;
        for (i, conv) in (1..).zip(convolutions) {
            y = conv.then_norm(scope, i, y)?;
            if i < last {
                y = activation(scope, y, Activation::Relu)?;
            }
        }
        let shortcut = if scope.shape(x) == scope.shape(y) {
            x
        } else {
            let channels = scope.shape(y)[1];
            Conv::dense(channels, 1, stride).named(&mut scope.at("downsample"), ("0", "1"), x)?
        };
        let sum = scope.graph().add(y, shortcut)?;
        activation(scope, sum, Activation::Relu)
    }
}
