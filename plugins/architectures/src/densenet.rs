//! DenseNet for 32x32 images (Huang, Liu, van der Maaten & Weinberger 2017), with the names of the
//! paper's code.

use eigenscape_core::Architecture;
use eigenscape_program::{
    ConvSettings, InitRule, InitRules, PoolSettings, Result, Scope, Value,
    nn::{Activation, activation, avg_pool2d, batch_norm, conv2d, flatten, global_avg_pool, linear},
};

/// Channels that each layer adds.
const GROWTH: usize = 12;

/// Layers of each of the three blocks. With the first convolution, two transitions and the
/// classifier these are 40 layers.
const LAYERS: usize = 12;

const INIT: InitRules =
    InitRules { conv_weight: InitRule::FanOut, linear_bias: InitRule::ZEROS, ..InitRules::PYTORCH };

/// densenet3-40: growth 12, no bottlenecks, and transitions that keep the number of channels.
///
/// A 3x3 convolution to 24 channels (`conv1`), three blocks (`block1.layer.0`, ...) with two
/// transitions between (`trans1`, `trans2`), then BatchNorm (`bn1`), ReLU, global average pooling
/// and a linear layer (`fc`). A layer is BatchNorm, ReLU and a 3x3 convolution to 12 channels,
/// which are concatenated with its input; a transition is BatchNorm, ReLU, a 1x1 convolution and
/// 2x2 average pooling. Convolution weights are initialised normally with variance 2/fan-out, the
/// linear layer by PyTorch's default with a bias of 0.
///
/// The published code ends with pooling over windows of a quarter of the image's side, which cover
/// the whole feature map: this is global pooling here.
#[derive(Debug, Clone, Copy)]
pub struct DenseNet;

impl Architecture for DenseNet {
    fn build(&self, scope: &mut Scope, x: Value, outputs: usize) -> Result<Value> {
        let scope = &mut scope.with_init(INIT);
        let mut x = convolution(&mut scope.at("conv1"), x, 2 * GROWTH, 3)?;
        x = block(&mut scope.at("block1"), x)?;
        x = transition(&mut scope.at("trans1"), x)?;
        x = block(&mut scope.at("block2"), x)?;
        x = transition(&mut scope.at("trans2"), x)?;
        x = block(&mut scope.at("block3"), x)?;
        x = norm_relu(scope, x)?;
        x = global_avg_pool(scope, x)?;
        x = flatten(scope, x)?;
        linear(&mut scope.at("fc"), x, outputs, true)
    }

    fn description(&self) -> String {
        format!(
            "densenet3-40: three dense blocks of {LAYERS} layers, growth {GROWTH}, no bottlenecks, no reduction"
        )
    }
}

fn block(scope: &mut Scope, x: Value) -> Result<Value> {
    let scope = &mut scope.at("layer");
    (0..LAYERS).try_fold(x, |x, i| {
        let new = norm_relu_conv(&mut scope.at(i), x, GROWTH, 3)?;
        scope.graph().concat(&[x, new], 1)
    })
}

fn transition(scope: &mut Scope, x: Value) -> Result<Value> {
    let channels = scope.shape(x)[1];
    let x = norm_relu_conv(scope, x, channels, 1)?;
    avg_pool2d(scope, x, PoolSettings { kernel: 2, stride: 2, padding: 0 })
}

fn norm_relu_conv(scope: &mut Scope, x: Value, channels: usize, kernel: usize) -> Result<Value> {
    let x = norm_relu(scope, x)?;
    convolution(&mut scope.at("conv1"), x, channels, kernel)
}

fn norm_relu(scope: &mut Scope, x: Value) -> Result<Value> {
    let x = batch_norm(&mut scope.at("bn1"), x)?;
    activation(scope, x, Activation::Relu)
}

/// A convolution without bias that keeps the image's size.
fn convolution(scope: &mut Scope, x: Value, channels: usize, kernel: usize) -> Result<Value> {
    let settings = ConvSettings { padding: kernel / 2, ..ConvSettings::default() };
    conv2d(scope, x, channels, kernel, settings, false)
}
